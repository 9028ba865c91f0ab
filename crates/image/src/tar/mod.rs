//! Tar, read as a stream of entries and written the same way every time.
//!
//! Read are ustar, the old format before it, GNU's long names and sparse files, and PAX with what Docker and GNU tar put
//! into it. The reader copies no payload: it lends slices of its source's buffer. Whatever is not payload (headers,
//! padding, the tail) can be given to a [`Recorder`], from which exactly the same archive can be made again.
//!
//! Written is ustar with PAX records where ustar does not do (see [`Writer`]).
//!
//! This module touches no file; [`crate::files`] does.

mod header;
mod pax;
mod reader;
mod sparse;
#[cfg(test)]
mod tests;
mod writer;

use thiserror::Error;

pub use reader::{Reader, Recorder};
pub use writer::Writer;

/// A block of tar; everything in an archive is a multiple of it.
pub const BLOCK: usize = 512;

/// One member of an archive.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// The name as it stands in the archive: it may be absolute, and may have `..` in it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permissions with the set-id and sticky bits (`07777`).
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When its content was last changed.
    pub mtime: Time,
    /// The file's size in bytes, holes included.
    pub size: u64,
    /// The target of a symbolic or hard link, as it stands in the archive.
    pub link: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the payload lies in a sparse file; `None` when the payload is the file.
    pub segments: Option<Vec<Segment>>,
}

/// What a member is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a member that came before.
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// Something else, by its type flag.
    Other(u8),
}

/// Seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1 000 000 000.
    pub nanos: u32,
}

/// A stretch of a sparse file that is not a hole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// How much an archive may ask for before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Payload of all members together, in bytes.
    pub payload: u64,
    /// Number of members.
    pub entries: u64,
    /// Extended header of one member, in bytes.
    pub extended: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload: 1 << 38, entries: 1 << 23, extended: 1 << 20 }
    }
}

/// Why an archive was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading the archive failed.
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    /// The archive ends within a member.
    #[error("the archive ends early")]
    Truncated,
    /// A block that should be a header is none.
    #[error("the archive is damaged, or no tar archive: block {0} has a wrong checksum")]
    Checksum(u64),
    /// A field of a header cannot be read.
    #[error("the archive is damaged: block {block} has a malformed {field}")]
    Field {
        /// Which header.
        block: u64,
        /// Which of its fields.
        field: &'static str,
    },
    /// The archive asks for more than it may.
    #[error("the archive has more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
}
