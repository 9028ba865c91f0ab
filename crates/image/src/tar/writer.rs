//! Writing: ustar headers, with PAX records in front of those that ustar has no room for.
//!
//! The same entries always give the same bytes. Times are cut to seconds by whoever wants that (see [`Time`](super::Time)); a
//! fraction is written as a PAX record.

use std::io::{self, Write};

use super::header::Fields;
use super::{BLOCK, Entry, Kind, pax};

const BLOCKS: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes an archive.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Writes an archive to `out`.
    pub fn new(out: W) -> Self {
        Self { out, padding: 0 }
    }

    /// Writes the header of the next member, after which exactly `entry.size` bytes must be written with
    /// [`payload`](Self::payload) if it is a file.
    ///
    /// # Errors
    /// When writing fails.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.pad()?;
        let size = if entry.kind == Kind::File { entry.size } else { 0 };
        let records = records(entry, size);
        if !records.is_empty() {
            let name = header_name(&entry.path);
            let fields = Fields {
                name: &name,
                prefix: b"",
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: records.len() as u64,
                mtime: 0,
                flag: b'x',
                link: b"",
                device: (0, 0),
            };
            self.out.write_all(&fields.encode())?;
            self.out.write_all(&records)?;
            self.padding = records.len().wrapping_neg() % BLOCK;
            self.pad()?;
        }
        let (prefix, name) = split(&entry.path).unwrap_or((b"", &entry.path));
        let fields = Fields {
            name,
            prefix,
            mode: entry.mode & 0o7777,
            uid: u64::from(entry.uid),
            gid: u64::from(entry.gid),
            size,
            mtime: u64::try_from(entry.mtime.seconds).unwrap_or(0),
            flag: flag(entry.kind),
            link: &entry.link,
            device: entry.device,
        };
        self.out.write_all(&fields.encode())?;
        self.padding = usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0);
        Ok(())
    }

    /// Writes payload of the member whose header was written last.
    ///
    /// # Errors
    /// When writing fails.
    pub fn payload(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Returns where the archive goes, for whoever writes payload to it in another way.
    pub fn output(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes a member with its payload, whose length is the entry's size whatever that says.
    ///
    /// # Errors
    /// When writing fails.
    pub fn file(&mut self, entry: &Entry, payload: &[u8]) -> io::Result<()> {
        self.entry(&Entry { size: payload.len() as u64, ..entry.clone() })?;
        self.payload(payload)
    }

    /// Writes the archive's end mark; returns where it went.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.pad()?;
        self.out.write_all(&BLOCKS)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn pad(&mut self) -> io::Result<()> {
        let padding = std::mem::take(&mut self.padding);
        if padding == 0 { Ok(()) } else { self.out.write_all(&BLOCKS[..padding]) }
    }
}

/// Returns the records for what the header has no room for.
fn records(entry: &Entry, size: u64) -> Vec<u8> {
    const LARGEST_ID: u32 = 0o7_777_777;
    const LARGEST: u64 = 0o77_777_777_777;
    let mut out = Vec::new();
    if split(&entry.path).is_none() || !entry.path.is_ascii() {
        pax::push(&mut out, b"path", &entry.path);
    }
    if entry.link.len() > 100 || !entry.link.is_ascii() {
        pax::push(&mut out, b"linkpath", &entry.link);
    }
    if size > LARGEST {
        pax::push(&mut out, b"size", size.to_string().as_bytes());
    }
    if entry.uid > LARGEST_ID {
        pax::push(&mut out, b"uid", entry.uid.to_string().as_bytes());
    }
    if entry.gid > LARGEST_ID {
        pax::push(&mut out, b"gid", entry.gid.to_string().as_bytes());
    }
    let fits = u64::try_from(entry.mtime.seconds).is_ok_and(|seconds| seconds <= LARGEST);
    if !fits || entry.mtime.nanos != 0 {
        pax::push(&mut out, b"mtime", time(entry).as_bytes());
    }
    let mut xattrs: Vec<&(Vec<u8>, Vec<u8>)> = entry.xattrs.iter().collect();
    xattrs.sort_unstable();
    for (name, value) in xattrs {
        pax::push(&mut out, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    out
}

fn time(entry: &Entry) -> String {
    let (seconds, nanos) = (entry.mtime.seconds, entry.mtime.nanos);
    match (seconds < 0, nanos) {
        (_, 0) => seconds.to_string(),
        (false, _) => format!("{seconds}.{nanos:09}"),
        (true, _) if seconds == -1 => format!("-0.{:09}", 1_000_000_000 - nanos),
        (true, _) => format!("{}.{:09}", seconds + 1, 1_000_000_000 - nanos),
    }
}

/// Returns the name under which the extended header of `path` itself stands.
fn header_name(path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let ascii = base.iter().map(|byte| if byte.is_ascii() { *byte } else { b'_' });
    b"PaxHeaders.0/".iter().copied().chain(ascii).take(100).collect()
}

/// Splits a path into ustar's prefix and name; `None` when it does not fit.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    // The slash of a directory at the end does not separate.
    let end = path.len().checked_sub(1)?;
    let at = (path.len().saturating_sub(101)..=end.min(155))
        .find(|at| path.get(*at) == Some(&b'/') && *at < end)?;
    (at > 0).then(|| (&path[..at], &path[at + 1..]))
}

fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
        Kind::Other(flag) => flag,
    }
}
