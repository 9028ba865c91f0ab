//! A layer's tar, made again from its recipe and its files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use hako_types::{Digest, Hasher};
use rustix::fs::OFlags;

use super::Error;
use super::facts::{Facts, Shadow};
use super::recipe::{RecipeReader, Record};
use crate::files::open_in_root;

/// Reads a layer's tar. At its end the digest of all that was read is compared with the diff ID, and a difference is an error:
/// what was read to the end *is* the layer.
pub struct TarStream {
    recipe: RecipeReader,
    /// The layer's directory, with `root` and `shadow` in it.
    directory: File,
    root: File,
    shadows: Vec<Shadow>,
    /// How many files' bytes came already.
    files: u64,
    hasher: Hasher,
    expected: Digest,
    part: Part,
}

enum Part {
    Raw(Vec<u8>, usize),
    File { file: File, offset: u64, end: u64 },
    End,
}

impl TarStream {
    /// Opens the tar of the layer in `directory`.
    pub(super) fn open(directory: &Path, diff_id: &Digest) -> Result<Self, Error> {
        let facts = Facts::read(directory, diff_id)?;
        let tar = |source| Error::Tar { layer: diff_id.clone(), source };
        Ok(Self {
            recipe: RecipeReader::open(directory).map_err(tar)?,
            directory: File::open(directory).map_err(tar)?,
            root: File::open(directory.join("root")).map_err(tar)?,
            shadows: facts.shadows,
            files: 0,
            hasher: Hasher::new(),
            expected: diff_id.clone(),
            part: Part::Raw(Vec::new(), 0),
        })
    }

    /// Writes all of it to `out`, in large pieces; returns the length.
    ///
    /// # Errors
    /// When a file cannot be read, `out` fails, or the digest is another one.
    pub fn copy_to(&mut self, out: &mut dyn Write) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 18];
        let mut total = 0;
        loop {
            let mut filled = 0;
            while filled < buffer.len() {
                match self.read(&mut buffer[filled..])? {
                    0 => break,
                    count => filled += count,
                }
            }
            if filled == 0 {
                return Ok(total);
            }
            out.write_all(&buffer[..filled])?;
            total += filled as u64;
        }
    }

    /// Goes on to the next record; at the last one, checks the digest.
    fn advance(&mut self) -> io::Result<()> {
        self.part = match self.recipe.next()? {
            Some(Record::Raw(bytes)) => Part::Raw(bytes, 0),
            Some(Record::File { path, offset, length }) => {
                let file = self.file(&path)?;
                self.files += 1;
                Part::File { file, offset, end: offset + length }
            }
            None => {
                let found = std::mem::take(&mut self.hasher).finish();
                if found != self.expected {
                    return Err(io::Error::other(format!(
                        "its files are damaged: their digest is `{found}`"
                    )));
                }
                Part::End
            }
        };
        Ok(())
    }

    /// Opens the file that the record means: the one in the layer, or one that it replaced.
    fn file(&self, path: &[u8]) -> io::Result<File> {
        let rest_of = |shadow: &Shadow| {
            let rest = path.strip_prefix(shadow.path.as_slice())?;
            (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
        };
        let replaced =
            self.shadows.iter().enumerate().filter(|(_, shadow)| self.files < shadow.before);
        let found = replaced.filter_map(|(i, shadow)| Some((i, rest_of(shadow)?))).next();
        let opened = match found {
            Some((i, rest)) => {
                let place = [format!("shadow/{i}").as_bytes(), rest].concat();
                open_in_root(self.directory.as_fd(), &place, OFlags::RDONLY)
            }
            None => open_in_root(self.root.as_fd(), path, OFlags::RDONLY),
        };
        Ok(opened?.into())
    }
}

impl Read for TarStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = match &mut self.part {
                Part::End => return Ok(0),
                Part::Raw(bytes, at) => {
                    let count = (bytes.len() - *at).min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[*at..*at + count]);
                    *at += count;
                    count
                }
                Part::File { file, offset, end } => {
                    let most =
                        usize::try_from(*end - *offset).unwrap_or(usize::MAX).min(buffer.len());
                    let count =
                        if most == 0 { 0 } else { file.read_at(&mut buffer[..most], *offset)? };
                    if count == 0 && most > 0 {
                        return Err(io::Error::other("one of its files is too short"));
                    }
                    *offset += count as u64;
                    count
                }
            };
            if count > 0 {
                self.hasher.update(&buffer[..count]);
                return Ok(count);
            }
            self.advance()?;
        }
    }
}

impl std::fmt::Debug for TarStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarStream").field("layer", &self.expected).finish_non_exhaustive()
    }
}
