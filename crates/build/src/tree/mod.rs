//! Trees of files that can be copied from: a context, or the files of a snapshot.
//!
//! A tree is a directory descriptor with the rules of what is left out. Paths in it are resolved here, one part after another, so that
//! a symbolic link never leads out of it and a link to a left-out file leads nowhere. [`Tree::find`] says what a source path of
//! `COPY` means, [`Tree::walk`] goes over what is below it, [`digest`](mod@digest) says what that *is*.

pub mod digest;
pub mod path;
pub mod stats;
mod walk;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hako_dockerfile::Ignore;
use hako_dockerfile::glob;
use hako_dockerfile::ignore::Matched;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use thiserror::Error;

pub use walk::{Entry, Kind};

/// Why a tree cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A source path that is not there.
    #[error("`{path}`: not found{}", if *ignored { " (left out by .dockerignore)" } else { "" })]
    NotFound {
        /// The path as it was written.
        path: String,
        /// Whether it is there but left out.
        ignored: bool,
    },
    /// A pattern that is none.
    #[error("`{0}` is not a pattern")]
    Pattern(String),
    /// More symbolic links than a path may have.
    #[error("`{0}` goes through too many symbolic links")]
    Loop(String),
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file, from the tree's root.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    fn read(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Read { path: path.to_owned(), source: source.into() }
    }
}

/// A tree of files.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    ignore: Ignore,
    /// Whether owners and extended attributes are part of what a file is; those of a context are not.
    keeps_owners: bool,
    stats: Option<stats::Stats>,
}

/// What a source path leads to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its real path from the root, symbolic links resolved; empty for the root itself.
    pub path: PathBuf,
    /// The name that it was found under.
    pub name: String,
    /// With `--parents`: the directories above it that are made in the target too, below `base`.
    pub parents: PathBuf,
    /// With `--parents`: where `parents` begins.
    pub base: PathBuf,
    matched: Matched,
}

impl Tree {
    /// Returns the tree of a context: without what `ignore` leaves out; content is known from `stats` where it did not change.
    #[must_use]
    pub fn context(root: OwnedFd, ignore: Ignore, stats: Option<stats::Stats>) -> Self {
        Self { root, ignore, keeps_owners: false, stats }
    }

    /// Returns the tree of a snapshot's files.
    #[must_use]
    pub fn snapshot(root: OwnedFd) -> Self {
        Self { root, ignore: Ignore::default(), keeps_owners: true, stats: None }
    }

    /// Returns the root directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Tells whether owners count.
    #[must_use]
    pub fn keeps_owners(&self) -> bool {
        self.keeps_owners
    }

    /// Writes down what was learned about unchanged files.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_stats(&self) -> io::Result<()> {
        self.stats.as_ref().map_or(Ok(()), stats::Stats::save)
    }

    /// Returns what `source` means: one path, or those that match a pattern (none is no error), sorted.
    ///
    /// # Errors
    /// [`Error::NotFound`] when a plain path is not there or left out.
    pub fn find(&self, source: &str) -> Result<Vec<Found>, Error> {
        let clean = hako_dockerfile::ignore::clean(&format!("/{source}"));
        let parts: Vec<&str> = clean.split('/').filter(|part| !part.is_empty()).collect();
        let fixed = parts.iter().take_while(|part| !glob::is_pattern(part)).count();
        let start = parts[..fixed].join("/");
        if fixed == parts.len() {
            return Ok(vec![self.found(
                &start,
                source,
                parts.last().copied().unwrap_or_default(),
            )?]);
        }
        if glob::matches(&clean, "").is_err() {
            return Err(Error::Pattern(source.to_owned()));
        }
        let Ok(base) = self.found(&start, source, "") else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        self.matches(&base.path, &parts[fixed..], &mut |path, name| {
            if let Ok(mut one) = self.located(path, name) {
                one.name = name.to_owned();
                found.push(one);
            }
        })?;
        Ok(found)
    }

    /// Returns what a path means that is no pattern.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_literal(&self, path: &str) -> Result<Found, Error> {
        let clean = hako_dockerfile::ignore::clean(&format!("/{path}"));
        self.found(&clean[1..], path, clean.rsplit('/').next().unwrap_or_default())
    }

    /// Tells whether anything may be left out.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        !self.ignore.is_empty()
    }

    /// Tells whether a real path is a directory.
    #[must_use]
    pub fn is_directory(&self, path: &Path) -> bool {
        walk::stat(self.root.as_fd(), path).is_ok_and(|stat| is_directory(&stat))
    }

    /// Returns what `source` means with `--parents`: patterns may have `**`, and `/./` parts what is kept from what is not.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_with_parents(&self, source: &str) -> Result<Vec<Found>, Error> {
        let rooted = format!("/{}", source.trim_start_matches("./"));
        let (base, rest) = rooted.split_once("/./").unwrap_or(("", &rooted));
        let base =
            self.found(&hako_dockerfile::ignore::clean(&format!("/{base}"))[1..], source, "")?.path;
        let clean = hako_dockerfile::ignore::clean(&format!("/{rest}"));
        let parts: Vec<&str> = clean.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return self.find(source);
        }
        let mut found = Vec::new();
        self.matches(&base, &parts, &mut |path, name| {
            if let Ok(one) = self.located(path, name) {
                let parents = path
                    .strip_prefix(&base)
                    .ok()
                    .and_then(Path::parent)
                    .unwrap_or(Path::new(""))
                    .to_owned();
                found.push(Found { name: name.to_owned(), parents, base: base.clone(), ..one });
            }
        })?;
        if found.is_empty() && !glob::is_pattern(rest) {
            return Err(Error::NotFound { path: source.to_owned(), ignored: false });
        }
        Ok(found)
    }

    /// Calls `visit` with every path below `base` that the parts match, and its name.
    fn matches(
        &self,
        base: &Path,
        parts: &[&str],
        visit: &mut dyn FnMut(&Path, &str),
    ) -> Result<(), Error> {
        let Some((first, rest)) = parts.split_first() else { return Ok(()) };
        if *first == "**" {
            self.matches(base, rest, visit)?;
            if rest.is_empty() {
                return self.matches(base, &["*"], visit);
            }
        }
        for (name, file_type) in self.names(base)? {
            let Some(text) = name.to_str() else { continue };
            let path = base.join(&name);
            if *first == "**" {
                if file_type == FileType::Directory {
                    self.matches(&path, parts, visit)?;
                }
                continue;
            }
            match glob::matches(first, text) {
                Ok(true) if rest.is_empty() => visit(&path, text),
                Ok(true) if file_type == FileType::Directory => self.matches(&path, rest, visit)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the names in a directory, sorted.
    fn names(&self, directory: &Path) -> Result<Vec<(std::ffi::OsString, FileType)>, Error> {
        let fd = self.open(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        walk::names(&fd).map_err(|source| Error::read(directory, source))
    }

    fn found(&self, path: &str, source: &str, name: &str) -> Result<Found, Error> {
        let missing = |ignored| Error::NotFound { path: source.to_owned(), ignored };
        let real = match path::resolve(self.root.as_fd(), Path::new(path)) {
            Ok(real) => real,
            Err(path::Error::Missing) => return Err(missing(false)),
            Err(path::Error::Loop) => return Err(Error::Loop(source.to_owned())),
            Err(path::Error::Io(source)) => return Err(Error::read(Path::new(path), source)),
        };
        let verdict = self.verdict(&real);
        let enters = |path: &Path| {
            self.ignore.must_enter(&path.to_string_lossy())
                && walk::stat(self.root.as_fd(), path).is_ok_and(|stat| is_directory(&stat))
        };
        if verdict.as_ref().is_some_and(|verdict| verdict.is_out) && !enters(&real) {
            return Err(missing(true));
        }
        let matched = verdict.map(|verdict| verdict.matched).unwrap_or_default();
        Ok(Found {
            path: real,
            name: name.to_owned(),
            parents: PathBuf::new(),
            base: PathBuf::new(),
            matched,
        })
    }

    /// Returns a path that a pattern led to: a link is followed, unless it leads nowhere.
    fn located(&self, path: &Path, name: &str) -> Result<Found, Error> {
        let text = path.to_string_lossy();
        if self
            .verdict(path)
            .is_some_and(|verdict| verdict.is_out && !self.ignore.must_enter(&text))
        {
            return Err(Error::NotFound { path: text.into_owned(), ignored: true });
        }
        self.found(&text, &text, name).or_else(|error| {
            let stat = rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|_| error)?;
            let _ = stat;
            Ok(Found {
                path: path.to_owned(),
                name: name.to_owned(),
                parents: PathBuf::new(),
                base: PathBuf::new(),
                matched: Matched::default(),
            })
        })
    }

    fn verdict(&self, path: &Path) -> Option<hako_dockerfile::ignore::Verdict> {
        (!self.ignore.is_empty() && path != Path::new(""))
            .then(|| self.ignore.decide_alone(&path.to_string_lossy()))
    }

    /// Opens a real path.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
        path::open(self.root.as_fd(), path, flags).map_err(|errno| Error::read(path, errno))
    }

    /// Reads a small file whole; nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        use std::io::Read;
        let Ok(real) = path::resolve(self.root.as_fd(), Path::new(path)) else { return Ok(None) };
        let file = self.open(&real, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut bytes = Vec::new();
        std::fs::File::from(file)
            .take(64 << 20)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::read(&real, source))?;
        Ok(Some(bytes))
    }
}

/// Tells whether `stat` is a directory's.
#[must_use]
pub fn is_directory(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Opens a directory of the caller's as a root.
///
/// # Errors
/// When it is no directory or cannot be opened.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Returns the last part of a path as text.
#[must_use]
pub fn file_name(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}
