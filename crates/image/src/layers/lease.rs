//! Making layers, under the promise that none is removed meanwhile.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use hako_store::Lock;
use hako_types::{Digest, Hasher, Moment};
use rustix::fs::{CWD, Mode, RenameFlags, mkdirat, renameat_with};
use rustix::io::Errno;

use super::facts::{Facts, Origin};
use super::recipe::RecipeWriter;
use super::scratch::Scratch;
use super::{Error, Layer, Layers, TarStream, check};
use crate::files::{self, PackOptions, Plain, Sink, UnpackOptions};
use crate::tar::{Limits, Reader, Recorder};
use crate::transfer::{LayerSink, LayerSource};

/// While it is held, no layer is removed; layers are made through it.
///
/// Hold it from before layers are looked for until the image (or container) that needs them is in the database.
#[derive(Clone, Debug)]
pub struct Lease {
    layers: Layers,
    _lock: Arc<Lock>,
}

/// A layer that is made and not there yet; dropping it deletes it.
#[derive(Debug)]
pub struct Staged {
    scratch: Scratch,
    diff_id: Digest,
    facts: Facts,
}

impl Staged {
    /// Returns the digest of the tar that it was unpacked from.
    #[must_use]
    pub fn diff_id(&self) -> &Digest {
        &self.diff_id
    }
}

impl Deref for Lease {
    type Target = Layers;

    fn deref(&self) -> &Layers {
        &self.layers
    }
}

impl Lease {
    pub(super) fn new(layers: Layers, lock: Lock) -> Self {
        Self { layers, _lock: Arc::new(lock) }
    }

    /// Unpacks the uncompressed tar in `tar`, to its end, and keeps it as a layer; nothing is left when it fails.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when its digest is not `expected`, or when the tar is refused or cannot be written.
    pub fn unpack(&self, expected: Option<&Digest>, tar: &mut dyn Read) -> Result<Layer, Error> {
        let mut source = io::BufReader::with_capacity(1 << 17, tar);
        self.admit(self.stage(expected, &mut source, &Limits::default())?)
    }

    /// Unpacks a tar without making it a layer yet (see [`admit`](Self::admit)).
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack).
    pub fn stage(
        &self,
        expected: Option<&Digest>,
        tar: &mut dyn BufRead,
        limits: &Limits,
    ) -> Result<Staged, Error> {
        let mut hashing = Hashing { source: tar, hasher: Hasher::new() };
        let (scratch, facts) = self.unpack_to_scratch(&mut hashing, limits)?;
        let found = hashing.hasher.finish();
        match expected {
            Some(expected) if *expected != found => {
                Err(Error::Mismatch { expected: expected.clone(), found })
            }
            _ => Ok(Staged { scratch, diff_id: found, facts }),
        }
    }

    /// Makes a staged layer one that is there. When another process was faster, its work counts.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn admit(&self, staged: Staged) -> Result<Layer, Error> {
        let Staged { scratch, diff_id, facts } = staged;
        let layer = Layer { diff_id, size: facts.size };
        facts.write(scratch.path()).map_err(Error::at("write the facts of", scratch.path()))?;
        let place = self.layers.directory(&layer.diff_id);
        loop {
            match renameat_with(CWD, scratch.path(), CWD, &place, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(layer),
                Err(Errno::EXIST) if self.layers.has(&layer.diff_id) => return Ok(layer),
                // Not a layer: what a power cut left.
                Err(Errno::EXIST) => self.layers.discard(&layer.diff_id)?,
                Err(errno) => return Err(Error::at("make the layer", &place)(errno)),
            }
        }
    }

    /// Makes a layer of `directory`, the upper directory of an overlay; it is taken away from where it is, and must lie on the file system of
    /// the state directory. Nothing may write to it any more.
    ///
    /// Times are cut to seconds in the layer's tar, so that it is the same on every file system; in the directory they stay.
    ///
    /// # Errors
    /// When it cannot be read or moved; it is then deleted if it was moved already.
    pub fn adopt(&self, directory: &Path) -> Result<Layer, Error> {
        let scratch = Scratch::new(&self.layers.tmp)?;
        let root = scratch.path().join("root");
        fs::rename(directory, &root).map_err(Error::at("take", directory))?;
        let open = fs::File::open(&root).map_err(Error::at("open", &root))?;
        let recipe =
            RecipeWriter::create(scratch.path()).map_err(Error::at("write to", scratch.path()))?;
        let sink = Noting { recipe, hasher: Hasher::new(), last: None, size: 0, files: 0 };
        let options = PackOptions { layer: Some(self.layers.overlay), ..PackOptions::default() };
        let packed = files::pack_from(open.as_fd(), Path::new("."), sink, &options)
            .and_then(|mut sink| sink.settle().map(|()| sink).map_err(files::Error::Write));
        let sink = packed.map_err(|source| Error::Pack { path: directory.to_owned(), source })?;
        let diff_id = sink.hasher.finish();
        let (size, files) = (sink.size, sink.files);
        let (tar_size, shadows) =
            sink.recipe.finish().map_err(Error::at("write to", scratch.path()))?;
        let facts = Facts {
            size,
            files,
            tar_size,
            origin: Origin::Made,
            made: Moment::now(),
            boot: check::boot_id(),
            shadows,
        };
        self.admit(Staged { scratch, diff_id, facts })
    }

    /// Makes a layer of what `directory`, the upper directory of an overlay, is like now; it stays as it is (`commit`).
    ///
    /// `exclude` names what is left out, relative to the directory.
    ///
    /// # Errors
    /// When it cannot be read, or the layer cannot be written.
    pub fn capture(
        &self,
        directory: &Path,
        exclude: &[std::path::PathBuf],
    ) -> Result<Layer, Error> {
        let failed = |source| Error::Pack {
            path: directory.to_owned(),
            source: files::Error::Write(source),
        };
        let open = fs::File::open(directory).map_err(Error::at("open", directory))?;
        let options = PackOptions {
            layer: Some(self.layers.overlay),
            name: Some(String::new()),
            exclude: exclude.to_vec(),
            ..PackOptions::default()
        };
        let (reader, writer) = io::pipe().map_err(failed)?;
        // A pipe holds 64 KiB by default; when it may not be larger it is only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
        std::thread::scope(|scope| {
            let packing = scope.spawn(|| {
                let out = Plain(io::BufWriter::with_capacity(1 << 16, writer));
                files::pack_from(open.as_fd(), Path::new("."), out, &options).map(drop)
            });
            let mut source = io::BufReader::with_capacity(1 << 17, reader);
            let staged = self.stage(None, &mut source, &Limits::default());
            drop(source);
            match packing.join() {
                Ok(Ok(())) => self.admit(staged?),
                // A broken pipe only says that the other end failed.
                Ok(Err(files::Error::Write(error)))
                    if error.kind() == io::ErrorKind::BrokenPipe =>
                {
                    staged.and_then(|_| Err(failed(error)))
                }
                Ok(Err(source)) => Err(Error::Pack { path: directory.to_owned(), source }),
                Err(_) => Err(failed(io::Error::other("the packing thread panicked"))),
            }
        })
    }

    fn unpack_to_scratch(
        &self,
        tar: &mut dyn BufRead,
        limits: &Limits,
    ) -> Result<(Scratch, Facts), Error> {
        let scratch = Scratch::new(&self.layers.tmp)?;
        let failed = |error: io::Error| Error::at("write to", scratch.path())(error);
        mkdirat(scratch.directory(), "root", Mode::from_raw_mode(0o755))
            .map_err(|errno| failed(errno.into()))?;
        let root = fs::File::open(scratch.path().join("root")).map_err(failed)?;
        // The umask may have taken bits away.
        rustix::fs::fchmod(&root, Mode::from_raw_mode(0o755))
            .map_err(|errno| failed(errno.into()))?;
        let recipe = RecipeWriter::create(scratch.path()).map_err(failed)?;
        let mut reader = Reader::recorded(tar, *limits, recipe);
        let options = UnpackOptions {
            layer: Some(self.layers.overlay),
            limits: *limits,
            ..UnpackOptions::default()
        };
        let totals = files::unpack(root.as_fd(), &mut reader, &options)
            .and_then(|totals| reader.finish().map(|()| totals).map_err(files::Error::from))
            .map_err(Error::Unpack)?;
        let (tar_size, shadows) = reader.into_parts().1.finish().map_err(failed)?;
        let facts = Facts {
            size: totals.bytes,
            files: totals.entries,
            tar_size,
            origin: Origin::Unpacked,
            made: Moment::now(),
            boot: check::boot_id(),
            shadows,
        };
        Ok((scratch, facts))
    }
}

impl LayerSink for Lease {
    type Error = Error;

    fn has(&self, diff_id: &Digest) -> Result<bool, Error> {
        Ok(self.layers.has(diff_id))
    }

    fn unpack(&self, diff_id: &Digest, tar: &mut dyn BufRead) -> Result<u64, Error> {
        // The end of `tar` is the proof of its digest: it is not made a second time.
        let (scratch, facts) = self.unpack_to_scratch(tar, &Limits::default())?;
        self.admit(Staged { scratch, diff_id: diff_id.clone(), facts }).map(|layer| layer.size)
    }
}

impl LayerSource for Layers {
    type Error = Error;

    fn open(&self, diff_id: &Digest) -> Result<Box<dyn Read + Send + '_>, Error> {
        let stream: TarStream = self.stream(diff_id)?;
        Ok(Box::new(stream))
    }
}

/// A source whose bytes are hashed as they are consumed.
struct Hashing<'a> {
    source: &'a mut dyn BufRead,
    hasher: Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl BufRead for Hashing<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was just filled, so this reads nothing.
        if let Ok(buffer) = self.source.fill_buf() {
            self.hasher.update(&buffer[..count]);
        }
        self.source.consume(count);
    }
}

/// A sink that hashes a tar and notes its recipe.
struct Noting {
    recipe: RecipeWriter,
    hasher: Hasher,
    /// The file whose bytes are coming, and how many came.
    last: Option<(Vec<u8>, u64)>,
    size: u64,
    files: u64,
}

impl Noting {
    /// Notes the file whose bytes came last.
    fn settle(&mut self) -> io::Result<()> {
        match self.last.take() {
            Some((path, length)) => self.recipe.stored(&path, 0, length),
            None => Ok(()),
        }
    }
}

impl Write for Noting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.settle()?;
        self.hasher.update(bytes);
        self.recipe.raw(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Noting {
    fn member(&mut self) {
        self.files += 1;
    }

    fn payload(&mut self, path: &[u8], _offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        match &mut self.last {
            Some((_, length)) => *length += bytes.len() as u64,
            None => self.last = Some((path.to_vec(), bytes.len() as u64)),
        }
        Ok(())
    }
}
