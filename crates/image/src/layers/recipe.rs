//! The recipe of a tar: what is not in the files, and where the files' bytes go.
//!
//! A stream of records, compressed with zstd: `1 length bytes` are bytes as they are, `2 length path offset count` bytes of a file,
//! `0` the end. Numbers are seven bits a byte, the lowest first.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, statat};

use super::facts::Shadow;
use crate::files::Retire;
use crate::tar::Recorder;

const END: u8 = 0;
const RAW: u8 = 1;
const FILE: u8 = 2;
/// The most that one record holds.
const MOST: usize = 1 << 16;

/// One record.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Record {
    Raw(Vec<u8>),
    File { path: Vec<u8>, offset: u64, length: u64 },
}

/// Writes a recipe.
pub(super) struct RecipeWriter {
    out: zstd::Encoder<'static, BufWriter<File>>,
    pending: Vec<u8>,
    /// How many files' bytes were recorded.
    files: u64,
    /// The length of the tar so far.
    tar_size: u64,
    /// The directory that replaced files go to.
    shadow: PathBuf,
    shadows: Vec<Shadow>,
}

impl RecipeWriter {
    /// Writes the recipe of the layer that is made in `directory`.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let file = File::create(directory.join("recipe.zst"))?;
        let out = zstd::Encoder::new(BufWriter::new(file), 1)?;
        let shadow = directory.join("shadow");
        Ok(Self { out, pending: Vec::new(), files: 0, tar_size: 0, shadow, shadows: Vec::new() })
    }

    /// Completes the recipe; returns the length of the tar and what was replaced.
    pub(super) fn finish(mut self) -> io::Result<(u64, Vec<Shadow>)> {
        self.flush_raw()?;
        self.out.write_all(&[END])?;
        self.out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((self.tar_size, self.shadows))
    }

    fn flush_raw(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.out.write_all(&[RAW])?;
            number(&mut self.out, self.pending.len() as u64)?;
            self.out.write_all(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

impl Recorder for RecipeWriter {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tar_size += bytes.len() as u64;
        for part in bytes.chunks(MOST) {
            if self.pending.len() + part.len() > MOST {
                self.flush_raw()?;
            }
            self.pending.extend_from_slice(part);
        }
        Ok(())
    }

    fn stored(&mut self, path: &[u8], offset: u64, length: u64) -> io::Result<()> {
        self.flush_raw()?;
        self.out.write_all(&[FILE])?;
        number(&mut self.out, path.len() as u64)?;
        self.out.write_all(path)?;
        number(&mut self.out, offset)?;
        number(&mut self.out, length)?;
        self.files += 1;
        self.tar_size += length;
        Ok(())
    }
}

/// Files that a later member replaces are part of the tar nonetheless, so they are moved away instead of deleted.
impl Retire for RecipeWriter {
    fn retire(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> io::Result<bool> {
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if !matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::RegularFile | FileType::Directory
        ) {
            return Ok(false);
        }
        if self.shadows.is_empty() {
            std::fs::create_dir(&self.shadow)?;
        }
        let place = self.shadow.join(self.shadows.len().to_string());
        rustix::fs::renameat(parent, name, rustix::fs::CWD, place)?;
        self.shadows.push(Shadow { path: path.to_vec(), before: self.files });
        Ok(true)
    }
}

fn number(out: &mut impl Write, mut value: u64) -> io::Result<()> {
    let mut bytes = [0_u8; 10];
    let mut length = 0;
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        bytes[length] = if value == 0 { low } else { low | 0x80 };
        length += 1;
        if value == 0 {
            return out.write_all(&bytes[..length]);
        }
    }
}

/// Reads a recipe.
pub(super) struct RecipeReader(BufReader<zstd::Decoder<'static, BufReader<File>>>);

impl RecipeReader {
    /// Reads the recipe of the layer in `directory`.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let file = File::open(directory.join("recipe.zst"))?;
        Ok(Self(BufReader::with_capacity(MOST, zstd::Decoder::new(file)?)))
    }

    /// Returns the next record; `None` at the end. A recipe without an end is an error.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        match self.byte()? {
            END => Ok(None),
            RAW => self.bytes().map(|bytes| Some(Record::Raw(bytes))),
            FILE => {
                let path = self.bytes()?;
                let (offset, length) = (self.number()?, self.number()?);
                Ok(Some(Record::File { path, offset, length }))
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
