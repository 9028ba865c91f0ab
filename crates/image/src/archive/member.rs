//! The members of an archive with images, as they pass.

use std::collections::HashMap;
use std::io::{self, BufRead, Cursor, Read};

use hako_types::Digest;

use super::{Error, compression};
use crate::layers::{Lease, Staged};
use crate::tar::{Entry, Kind, Limits, Reader};

/// Members up to this size that are no layers are kept in memory.
const SMALL: u64 = 8 << 20;
/// All of those together may have this size.
const ALL_SMALL: usize = 64 << 20;

/// What a member turned out to be.
#[derive(Debug)]
pub(super) enum Member {
    /// A document.
    Document(Vec<u8>),
    /// A layer, unpacked.
    Staged(Staged),
    /// A layer that was here before, or is by now.
    Present(Digest),
    /// A symbolic or hard link; old archives share layers so.
    Link(String),
}

/// All members by their names.
#[derive(Debug, Default)]
pub(super) struct Members(HashMap<String, Member>);

impl Members {
    /// Reads the archive in `source` to its end.
    pub(super) fn read(source: &mut dyn BufRead, lease: &Lease) -> Result<Self, Error> {
        let mut reader = Reader::new(source, Limits::default());
        let mut members = Self::default();
        let mut held = 0;
        while let Some(entry) = reader.next()? {
            let name = cleaned(&String::from_utf8_lossy(&entry.path), "");
            let member = match entry.kind {
                Kind::Symlink => {
                    Member::Link(cleaned(&String::from_utf8_lossy(&entry.link), &name))
                }
                Kind::HardLink => Member::Link(cleaned(&String::from_utf8_lossy(&entry.link), "")),
                Kind::File => match member(&mut reader, &entry, &name, lease)? {
                    Some(member) => member,
                    None => continue,
                },
                _ => continue,
            };
            if let Member::Document(bytes) = &member {
                held += bytes.len();
                if held > ALL_SMALL {
                    let what = "bytes in documents";
                    return Err(Error::Archive(crate::tar::Error::TooMuch {
                        what,
                        limit: ALL_SMALL as u64,
                    }));
                }
            }
            members.0.insert(name, member);
        }
        reader.finish()?;
        Ok(members)
    }

    /// Returns a document, if the archive has it.
    pub(super) fn document(&self, name: &str) -> Option<&[u8]> {
        match self.0.get(self.real(name)) {
            Some(Member::Document(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a blob that is a document, whose digest is its name.
    pub(super) fn blob(&self, digest: &Digest) -> Result<&[u8], Error> {
        let name = blob_name(digest);
        let bytes = self.document(&name).ok_or_else(|| Error::Lacks(name.clone()))?;
        let found = Digest::of(bytes);
        if found == *digest { Ok(bytes) } else { Err(Error::Damaged { name, found }) }
    }

    /// Returns the diff ID of the layer with this name.
    pub(super) fn diff_id(&self, name: &str) -> Option<&Digest> {
        match self.0.get(self.real(name))? {
            Member::Staged(staged) => Some(staged.diff_id()),
            Member::Present(diff_id) => Some(diff_id),
            Member::Document(_) | Member::Link(_) => None,
        }
    }

    /// Makes the layer with this name one that is there.
    pub(super) fn admit(&mut self, name: &str, lease: &Lease) -> Result<(), Error> {
        let name = self.real(name).to_owned();
        match self.0.remove(&name) {
            Some(Member::Staged(staged)) => {
                let layer = lease.admit(staged)?;
                self.0.insert(name, Member::Present(layer.diff_id));
            }
            Some(other) => {
                self.0.insert(name, other);
            }
            None => return Err(Error::Lacks(name)),
        }
        Ok(())
    }

    /// Follows links.
    fn real<'m>(&'m self, name: &'m str) -> &'m str {
        let mut name = name;
        for _ in 0..8 {
            match self.0.get(name) {
                Some(Member::Link(target)) => name = target,
                _ => break,
            }
        }
        name
    }
}

/// Returns the name of a blob in an OCI layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Takes in one file; nothing when it is neither a layer nor small.
fn member<R: BufRead>(
    reader: &mut Reader<R>,
    entry: &Entry,
    name: &str,
    lease: &Lease,
) -> Result<Option<Member>, Error> {
    if entry.segments.is_some() {
        return Ok(None);
    }
    let named: Option<Digest> =
        name.strip_prefix("blobs/sha256/").and_then(|hex| format!("sha256:{hex}").parse().ok());
    if let Some(diff_id) = named.filter(|digest| lease.has(digest)) {
        return Ok(Some(Member::Present(diff_id)));
    }
    let mut payload = Payload(reader);
    let mut head = Vec::with_capacity(512);
    Read::take(&mut payload, 512).read_to_end(&mut head).map_err(read)?;
    let is_layer = looks_like_layer(&head);
    let whole = Cursor::new(head).chain(payload);
    if is_layer {
        let mut tar = compression::plain(whole).map_err(read)?;
        return Ok(Some(Member::Staged(lease.stage(None, &mut *tar, &Limits::default())?)));
    }
    if entry.size > SMALL {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    { whole }.read_to_end(&mut bytes).map_err(read)?;
    Ok(Some(Member::Document(bytes)))
}

fn read(error: io::Error) -> Error {
    Error::Archive(crate::tar::Error::Read(error))
}

/// Tells whether a file that begins so is a tar, or a compressed one.
fn looks_like_layer(head: &[u8]) -> bool {
    let is_zero = head.len() == 512 && head.iter().all(|byte| *byte == 0);
    let is_tar = head.get(257..262) == Some(b"ustar")
        || Reader::new(head, Limits::default()).next().is_ok_and(|e| e.is_some());
    let is_compressed = matches!(
        head,
        [0x1f, 0x8b, 8, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    ) || head.starts_with(b"\xfd7zXZ\0")
        || head.starts_with(b"BZh");
    is_zero || is_tar || is_compressed
}

/// Returns `path` without `.` and `..`, relative to the directory that `from` lies in.
fn cleaned(path: &str, from: &str) -> String {
    let base = if path.starts_with('/') {
        ""
    } else {
        from.rsplit_once('/').map_or("", |(directory, _)| directory)
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The payload of the member that a reader is at.
struct Payload<'a, R>(&'a mut Reader<R>);

impl<R: BufRead> Read for Payload<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.0.payload(buffer.len() as u64).map_err(io::Error::other)?;
        let count = part.len();
        buffer[..count].copy_from_slice(part);
        self.0.take(count);
        Ok(count)
    }
}
