//! What files *are*: a digest over names, modes, links and content (and owners, where they count), never over times.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hako_dockerfile::Ignore;
use rustix::fs::OFlags;

use super::{Entry, Error, Found, Kind, Tree};

/// Files from which on several threads hash them.
const PARALLEL: usize = 16;

/// A digest over content.
pub type Hash = [u8; 32];

/// Returns the digest of everything that was found, without what `exclude` leaves out.
///
/// # Errors
/// When a file cannot be read.
pub fn of(tree: &Tree, found: &[Found], exclude: &Ignore) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    for one in found {
        let mut entries = Vec::new();
        tree.walk(one, exclude, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        let hashes = contents(tree, &entries)?;
        let is_directory = entries.first().is_some_and(|entry| entry.kind == Kind::Directory);
        field(
            &mut hasher,
            if is_directory && one.parents.as_os_str().is_empty() {
                b""
            } else {
                one.name.as_bytes()
            },
        );
        field(&mut hasher, one.parents.as_os_str().as_bytes());
        for (entry, hash) in entries.iter().zip(&hashes) {
            describe(&mut hasher, tree, entry, hash.as_ref())?;
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Writes a field so that no two sequences of fields look alike.
fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn describe(
    hasher: &mut blake3::Hasher,
    tree: &Tree,
    entry: &Entry,
    content: Option<&Hash>,
) -> Result<(), Error> {
    field(hasher, entry.below.as_os_str().as_bytes());
    hasher.update(&entry.stat.st_mode.to_le_bytes());
    if tree.keeps_owners() {
        hasher.update(&entry.stat.st_uid.to_le_bytes());
        hasher.update(&entry.stat.st_gid.to_le_bytes());
    }
    match &entry.kind {
        Kind::Directory => {}
        Kind::File => field(hasher, content.map_or(&[][..], |hash| hash)),
        Kind::Link(target) => field(hasher, target.as_os_str().as_bytes()),
        Kind::Special => {
            hasher.update(&entry.stat.st_rdev.to_le_bytes());
        }
    }
    if tree.keeps_owners() && matches!(entry.kind, Kind::File | Kind::Directory) {
        let file = tree.open(&entry.path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        for (name, value) in crate::copy::xattr::read(&file, true)
            .map_err(|source| Error::read(&entry.path, source))?
        {
            field(hasher, &name);
            field(hasher, &value);
        }
    }
    Ok(())
}

/// Returns the digest of each file's content, from memory where the file did not change.
fn contents(tree: &Tree, entries: &[Entry]) -> Result<Vec<Option<Hash>>, Error> {
    let known =
        |entry: &Entry| tree.stats.as_ref().and_then(|stats| stats.get(&entry.path, &entry.stat));
    let mut hashes: Vec<Option<Hash>> =
        entries.iter().map(|e| if e.kind == Kind::File { known(e) } else { None }).collect();
    let open: Vec<usize> = (0..entries.len())
        .filter(|at| entries[*at].kind == Kind::File && hashes[*at].is_none())
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Hash, Error>)>> = Mutex::new(Vec::new());
    let work = || {
        let mut local = Vec::new();
        let mut buffer = vec![0; 256 << 10];
        while let Some(at) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            local.push((*at, file(tree, &entries[*at].path, &mut buffer)));
        }
        if let Ok(mut done) = done.lock() {
            done.extend(local);
        }
    };
    let bytes: i64 = open.iter().map(|at| entries[*at].stat.st_size).sum();
    let is_much = open.len() >= PARALLEL || (open.len() > 1 && bytes > 4 << 20);
    crate::crew::at_work(is_much, work);
    for (at, hash) in done.into_inner().unwrap_or_default() {
        let hash = hash?;
        if let Some(stats) = &tree.stats {
            stats.put(&entries[at].path, &entries[at].stat, hash);
        }
        hashes[at] = Some(hash);
    }
    Ok(hashes)
}

fn file(tree: &Tree, path: &Path, buffer: &mut [u8]) -> Result<Hash, Error> {
    let mut file = File::from(tree.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    let mut hasher = blake3::Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(*hasher.finalize().as_bytes()),
            Ok(length) => {
                hasher.update(&buffer[..length]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::read(path, source)),
        }
    }
}

/// Returns the digest of a text, as content is.
#[must_use]
pub fn of_text(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
