//! What is remembered about the files of a context, so that an unchanged one is not read again.
//!
//! A file is taken for unchanged when its size, inode, mode and both of its times are. What changed within the last moments is not
//! remembered: a second change in the same tick of the clock would not be seen.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use rustix::fs::Stat;

use super::digest::Hash;

const MAGIC: &[u8; 8] = b"hakoctx1";
/// Bytes of a record without its path.
const FIXED: usize = 40 + 32 + 4;
/// Nanoseconds that a file must have been left alone.
const SETTLED: i128 = 50_000_000;

/// What identifies the state of a file.
type Mark = [u8; 40];

/// What was learned of one file.
type Learned = (Box<[u8]>, Mark, Hash);

/// What is known of files, by path.
type Known = HashMap<Box<[u8]>, (Mark, Hash)>;

/// What is remembered about one context.
#[derive(Debug)]
pub struct Stats {
    file: PathBuf,
    known: Known,
    learned: Mutex<Vec<Learned>>,
}

impl Stats {
    /// Reads what `file` remembers; a file that is missing or of another form remembers nothing.
    #[must_use]
    pub fn load(file: PathBuf) -> Self {
        let known = std::fs::read(&file).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Self { file, known, learned: Mutex::default() }
    }

    /// Returns the digest of a file's content when the file is as it was.
    #[must_use]
    pub fn get(&self, path: &Path, stat: &Stat) -> Option<Hash> {
        let (known, hash) = self.known.get(path.as_os_str().as_bytes())?;
        (*known == mark(stat)).then_some(*hash)
    }

    /// Remembers the digest of a file's content, if the file has been left alone for a while.
    pub fn put(&self, path: &Path, stat: &Stat, hash: Hash) {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let changed =
            nanos(stat.st_mtime, stat.st_mtime_nsec).max(nanos(stat.st_ctime, stat.st_ctime_nsec));
        if i128::try_from(now).unwrap_or(i128::MAX) - changed < SETTLED {
            return;
        }
        if let Ok(mut learned) = self.learned.lock() {
            learned.push((path.as_os_str().as_bytes().into(), mark(stat), hash));
        }
    }

    /// Writes what was learned; does nothing when that is nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> io::Result<()> {
        let learned = self
            .learned
            .lock()
            .map(|mut learned| std::mem::take(&mut *learned))
            .unwrap_or_default();
        if learned.is_empty() {
            return Ok(());
        }
        let mut all: HashMap<&[u8], (&Mark, &Hash)> =
            self.known.iter().map(|(path, (mark, hash))| (&path[..], (mark, hash))).collect();
        all.extend(learned.iter().map(|(path, mark, hash)| (&path[..], (mark, hash))));
        let mut bytes = MAGIC.to_vec();
        for (path, (mark, hash)) in all {
            bytes.extend_from_slice(mark);
            bytes.extend_from_slice(hash);
            bytes.extend_from_slice(&u32::try_from(path.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(path);
        }
        let mut temporary = self.file.clone().into_os_string().into_vec();
        temporary.extend_from_slice(format!(".{}", std::process::id()).as_bytes());
        let temporary = PathBuf::from(std::ffi::OsString::from_vec(temporary));
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(temporary, &self.file)
    }
}

fn nanos(seconds: i64, nanos: impl TryInto<i128>) -> i128 {
    i128::from(seconds) * 1_000_000_000 + nanos.try_into().unwrap_or(0)
}

fn mark(stat: &Stat) -> Mark {
    let mut mark = [0; 40];
    let low = |value: i128| i64::try_from(value).unwrap_or(i64::MAX).to_le_bytes();
    mark[0..8].copy_from_slice(&stat.st_size.to_le_bytes());
    mark[8..16].copy_from_slice(&stat.st_ino.to_le_bytes());
    mark[16..24].copy_from_slice(&low(nanos(stat.st_mtime, stat.st_mtime_nsec)));
    mark[24..32].copy_from_slice(&low(nanos(stat.st_ctime, stat.st_ctime_nsec)));
    mark[32..36].copy_from_slice(&stat.st_mode.to_le_bytes());
    mark
}

fn parse(bytes: &[u8]) -> Option<Known> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut known = HashMap::new();
    while !rest.is_empty() {
        let (fixed, after) = rest.split_at_checked(FIXED)?;
        let length = u32::from_le_bytes(fixed[72..76].try_into().ok()?) as usize;
        let (path, after) = after.split_at_checked(length)?;
        known.insert(path.into(), (fixed[..40].try_into().ok()?, fixed[40..72].try_into().ok()?));
        rest = after;
    }
    Some(known)
}
