//! Archives: those that `ADD` unpacks, and contexts that come through a pipe.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use hako_build::copy::Unpack;
use hako_build::tree::open_root;
use hako_image::archive;
use hako_image::files::{self, Owner, UnpackOptions};
use hako_image::tar::{Limits, Reader};

use crate::Error;

/// Unpacks tar files, plain or compressed, whatever their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archives;

impl Unpack for Archives {
    fn unpack(&self, mut file: File, directory: BorrowedFd<'_>) -> Result<bool, String> {
        let why = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        };
        let is_archive = archive::plain(&file).is_ok_and(|mut plain| is_tar(&mut *plain));
        if !is_archive {
            return Ok(false);
        }
        file.rewind().map_err(|error| why(&error))?;
        let plain = archive::plain(&file).map_err(|error| why(&error))?;
        files::unpack_into(directory, Path::new("."), plain, &UnpackOptions::default())
            .map_err(|error| why(&error))?;
        Ok(true)
    }
}

/// Tells whether what can be read begins as a tar does.
fn is_tar(source: &mut dyn BufRead) -> bool {
    let mut head = Vec::with_capacity(512);
    if source.take(512).read_to_end(&mut head).is_err() || head.len() < 512 {
        return false;
    }
    let is_end = head.iter().all(|byte| *byte == 0);
    is_end
        || head.get(257..262) == Some(b"ustar")
        || Reader::new(&head[..], Limits::default()).next().is_ok_and(|e| e.is_some())
}

/// What came through a pipe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stdin {
    /// A Dockerfile.
    Dockerfile(String),
    /// A context, unpacked.
    Context,
}

/// Reads the standard input of `build -`: a Dockerfile, or a context in a tar that is unpacked into `directory`.
///
/// # Errors
/// When it can be neither.
pub fn unpack_context(source: impl Read, directory: &Path) -> Result<Stdin, Error> {
    let mut plain = archive::plain(source).map_err(Error::io("read", Path::new("-")))?;
    let mut head = Vec::with_capacity(512);
    plain.by_ref().take(512).read_to_end(&mut head).map_err(Error::io("read", Path::new("-")))?;
    let looks_like_tar = is_tar(&mut BufReader::new(&head[..]));
    let mut whole = Cursor::new(head).chain(plain);
    if !looks_like_tar {
        let mut text = String::new();
        whole
            .read_to_string(&mut text)
            .map_err(Error::io("read the Dockerfile from", Path::new("-")))?;
        return Ok(Stdin::Dockerfile(text));
    }
    let root = open_root(directory).map_err(Error::io("open", directory))?;
    let options = UnpackOptions { owner: Owner::Process, ..UnpackOptions::default() };
    files::unpack_into(root.as_fd(), Path::new("."), whole, &options)
        .map_err(|error| Error::Invalid(format!("cannot unpack the context: {error}")))?;
    Ok(Stdin::Context)
}
