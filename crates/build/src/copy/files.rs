//! Entries of a tree, one after another: directories as they come, files in batches by several threads.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::target::{Target, clash};
use super::{Error, is_existing_directory, xattr};
use crate::tree::{self, Entry, Kind, Tree};

/// Files that are copied together.
const BATCH: usize = 2048;

/// Copies the entries of one tree below one place.
pub(super) struct Copier<'a, 'b> {
    target: &'a Target<'b>,
    /// Where what is in a new directory is written: beside the overlay, since nothing lies below it.
    inner: Target<'b>,
    tree: &'a Tree,
    /// Whether the place did not exist, so that nothing can be in the way.
    is_new: bool,
    /// Files with several names, by device and inode.
    links: HashMap<(u64, u64), PathBuf>,
    /// Files that wait to be copied.
    files: Vec<(Entry, PathBuf)>,
    /// Directories whose times are set when all is in them.
    late: Vec<(PathBuf, Stat)>,
}

impl<'a, 'b> Copier<'a, 'b> {
    /// Returns a copier of `tree` to a place that `is_new` or was there before.
    pub(super) fn new(target: &'a Target<'b>, tree: &'a Tree, is_new: bool) -> Self {
        let root = target.upper.filter(|_| is_new).unwrap_or(target.root);
        let inner = Target { root, upper: None, owner: target.owner, mode: target.mode.clone() };
        Self {
            target,
            inner,
            tree,
            is_new,
            links: HashMap::new(),
            files: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Takes one entry to `real`; an existing directory keeps how it is dressed when it is the target itself.
    pub(super) fn entry(
        &mut self,
        entry: Entry,
        real: PathBuf,
        is_target: bool,
    ) -> Result<(), Error> {
        match &entry.kind {
            Kind::Directory => self.directory(&entry, real, is_target),
            Kind::File if entry.stat.st_nlink > 1 => self.linked(&entry, &real),
            Kind::File => {
                self.files.push((entry, real));
                if self.files.len() >= BATCH { self.flush() } else { Ok(()) }
            }
            Kind::Link(to) => {
                self.clear(&real)?;
                rustix::fs::symlinkat(to, self.inner.root, &real)
                    .map_err(|errno| clash(&real, errno, "a file"))?;
                self.inner.dress(&real, &entry.stat, self.tree.keeps_owners())?;
                self.inner.time(&real, &entry.stat)
            }
            Kind::Special => {
                self.clear(&real)?;
                let kind = FileType::from_raw_mode(entry.stat.st_mode);
                let mode = Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(self.inner.root, &real, kind, mode, entry.stat.st_rdev)
                    .map_err(|errno| clash(&real, errno, "a file"))?;
                self.inner.dress(&real, &entry.stat, self.tree.keeps_owners())?;
                self.inner.time(&real, &entry.stat)
            }
        }
    }

    /// Copies what is left, and sets the times of directories, which what was put into them changed.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        for (real, stat) in self.late.iter().rev() {
            self.inner.time(real, stat)?;
        }
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, real: PathBuf, is_target: bool) -> Result<(), Error> {
        let target = if is_target { self.target } else { &self.inner };
        let was_there = (is_target || !self.is_new) && is_existing_directory(target.root, &real);
        if !was_there {
            // Files of the same name may still wait to be copied.
            rustix::fs::mkdirat(target.root, &real, Mode::from_raw_mode(0o700))
                .map_err(|errno| clash(&real, errno, "a file"))?;
        }
        if was_there && is_target {
            return Ok(());
        }
        target.dress(&real, &entry.stat, self.tree.keeps_owners())?;
        let from = self.tree.open(&entry.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let attributes = xattr::read(&from, self.tree.keeps_owners())
            .map_err(|source| Error::write(&entry.path, source))?;
        if !attributes.is_empty() {
            let to = tree::path::open(target.root, &real, OFlags::RDONLY)
                .map_err(|e| Error::write(&real, e))?;
            xattr::write(&to, &attributes).map_err(|source| Error::write(&real, source))?;
        }
        self.late.push((real, entry.stat));
        Ok(())
    }

    /// Copies a file that has other names too, or gives the copy of one of those another name.
    fn linked(&mut self, entry: &Entry, real: &Path) -> Result<(), Error> {
        let key = (entry.stat.st_dev, entry.stat.st_ino);
        if let Some(other) = self.links.get(&key) {
            self.clear(real)?;
            let root = self.inner.root;
            return rustix::fs::linkat(root, other, root, real, AtFlags::empty())
                .map_err(|e| Error::write(real, e));
        }
        self.file(entry, real)?;
        self.links.insert(key, real.to_owned());
        Ok(())
    }

    fn clear(&self, real: &Path) -> Result<(), Error> {
        if self.is_new { Ok(()) } else { self.inner.clear(real) }
    }

    /// Copies the files that wait.
    fn flush(&mut self) -> Result<(), Error> {
        let files = std::mem::take(&mut self.files);
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let this = &*self;
        let work = || {
            while let Some((entry, real)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = this.file(entry, real) {
                    next.store(files.len(), Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        failed.get_or_insert(error);
                    }
                }
            }
        };
        let is_much = files.len() >= 32
            || files.iter().map(|(entry, _)| entry.stat.st_size).sum::<i64>() > 16 << 20;
        crate::crew::at_work(is_much, work);
        failed.into_inner().ok().flatten().map_or(Ok(()), Err)
    }

    /// Copies one file with all that belongs to it.
    fn file(&self, entry: &Entry, real: &Path) -> Result<(), Error> {
        let from = self.tree.open(&entry.path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        self.clear(real)?;
        let to = self.inner.create_new(real)?;
        content(&from, &to, entry, real)?;
        self.inner.dress_open(&to, real, &entry.stat, self.tree.keeps_owners())?;
        let attributes = xattr::read(&from, self.tree.keeps_owners())
            .map_err(|source| Error::write(&entry.path, source))?;
        xattr::write(&to, &attributes).map_err(|source| Error::write(real, source))?;
        rustix::fs::futimens(&to, &super::target::times(&entry.stat))
            .map_err(|errno| Error::write(real, errno))
    }
}

/// Copies the content of a file, holes left out.
fn content(from: &OwnedFd, to: &OwnedFd, entry: &Entry, real: &Path) -> Result<(), Error> {
    let size = u64::try_from(entry.stat.st_size).unwrap_or(0);
    let is_sparse = u64::try_from(entry.stat.st_blocks).unwrap_or(0) * 512 < size;
    let failed = |source: std::io::Error| Error::write(real, source);
    if is_sparse {
        return sparse(from, to, size).map_err(failed);
    }
    let mut done = 0_u64;
    loop {
        if done >= size && done > 0 {
            return Ok(());
        }
        match rustix::fs::copy_file_range(from, None, to, None, 64 << 20) {
            Ok(0) if done == 0 && size > 0 => break,
            Ok(0) => return Ok(()),
            Ok(length) => done += length as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if done == 0 => break,
            Err(errno) => return Err(Error::write(real, errno)),
        }
    }
    let (mut from, mut to) = (clone(from).map_err(failed)?, clone(to).map_err(failed)?);
    std::io::copy(&mut from, &mut to).map(|_| ()).map_err(failed)
}

fn clone(fd: &OwnedFd) -> std::io::Result<File> {
    Ok(File::from(fd.try_clone()?))
}

fn sparse(from: &OwnedFd, to: &OwnedFd, size: u64) -> std::io::Result<()> {
    let (mut from, mut to) = (clone(from)?, clone(to)?);
    to.set_len(size)?;
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(&from, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(&from, rustix::fs::SeekFrom::Hole(start))?;
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        std::io::copy(&mut (&mut from).take(end - start), &mut to)?;
        at = end;
    }
    Ok(())
}
