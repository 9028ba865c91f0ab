//! Puts one member of an archive in its place.

use std::io::{self, BufRead};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, futimens, linkat, makedev, mkdirat, mknodat, openat, statat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::error::display;
use super::metadata::{apply, apply_at, timestamps};
use super::root::{
    DIRECTORY, Parents, components, make_parent, open_in_root, proc_path, real_path,
};
use super::unpack::{Owner, Totals, UnpackOptions};
use super::{Error, whiteout};
use crate::tar::{Entry, Kind, Reader, Recorder, Time};

/// A recorder that may want to keep what an archive replaces.
pub trait Retire: Recorder {
    /// Takes away `name` in `parent`, whose path below the root is `path`; returns whether it did.
    ///
    /// # Errors
    /// When it cannot be taken away.
    fn retire(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> io::Result<bool>;
}

impl Retire for () {
    fn retire(&mut self, _parent: BorrowedFd<'_>, _name: &[u8], _path: &[u8]) -> io::Result<bool> {
        Ok(false)
    }
}

/// Unpacks members into a root.
pub(super) struct Placer<'a> {
    root: BorrowedFd<'a>,
    options: &'a UnpackOptions,
    parents: Parents<'a>,
    /// Directories whose times are set at the end, because making something in them changes those.
    directories: Vec<(Vec<u8>, Time)>,
    /// Whether new files belong to root by themselves.
    owned_by_root: bool,
    totals: Totals,
}

impl<'a> Placer<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, options: &'a UnpackOptions) -> Self {
        // A directory with the set-group-id bit gives its group to what is made in it; a fresh layer begins without one.
        let owned_by_root = options.layer.is_some()
            && rustix::process::geteuid().is_root()
            && rustix::process::getegid().is_root();
        let parents = Parents::new(root);
        Self {
            root,
            options,
            parents,
            directories: Vec::new(),
            owned_by_root,
            totals: Totals::default(),
        }
    }

    /// Puts `entry`, the member that `reader` is at, in its place.
    pub(super) fn place<R: BufRead, T: Retire>(
        &mut self,
        entry: &Entry,
        reader: &mut Reader<R, T>,
    ) -> Result<(), Error> {
        self.totals.entries += 1;
        let parts = components(&entry.path);
        let Some((name, above)) = parts.split_last() else { return self.place_root(entry) };
        let path = parts.join(&b'/');
        if let Some(overlay) = self.options.layer {
            if *name == whiteout::OPAQUE {
                let parent = self.enter(above)?;
                return whiteout::set_opaque(parent, overlay)
                    .map_err(Error::at("make opaque", &path));
            }
            if parts.iter().any(|part| part.starts_with(whiteout::META)) {
                return Ok(());
            }
            if let Some(hidden) = name.strip_prefix(whiteout::PREFIX) {
                if matches!(hidden, b"" | b"." | b"..") {
                    return Err(Error::Whiteout(display(&path)));
                }
                let parent = self.enter(above)?;
                return whiteout::hide(parent, hidden, overlay)
                    .map_err(Error::at("make the whiteout", &path));
            }
        }
        self.enter(above)?;
        match entry.kind {
            Kind::File => self.file(entry, name, &path, reader),
            Kind::Directory => self.directory(entry, name, &path, reader.recorder()),
            Kind::Other(_) => Ok(()),
            Kind::Symlink | Kind::HardLink | Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let first = self.make(entry, name, &path);
                let made = match first {
                    Err(Error::Path { source, .. })
                        if source.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        if entry.kind == Kind::HardLink && components(&entry.link) == parts {
                            return Ok(());
                        }
                        self.replace(name, &path, false, reader.recorder())?;
                        self.enter(above)?;
                        self.make(entry, name, &path)
                    }
                    other => other,
                };
                made?;
                let mode = match entry.kind {
                    Kind::HardLink => return Ok(()),
                    Kind::Symlink => None,
                    _ => Some(entry.mode),
                };
                apply_at(self.parents.top(), name, entry, self.owner(entry), mode)
                    .map_err(Error::at("set the attributes of", &path))
            }
        }
    }

    /// Sets the times of directories.
    pub(super) fn finish(self) -> Result<Totals, Error> {
        for (path, time) in &self.directories {
            match open_in_root(self.root, path, DIRECTORY) {
                Ok(directory) => {
                    futimens(&directory, &timestamps(*time))
                        .map_err(Error::at("set the time of", path))?;
                }
                // Replaced by something else since.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(Error::at("open the directory", path)(errno)),
            }
        }
        Ok(self.totals)
    }

    /// The member that is the root itself: a layer sets its attributes, `docker cp` leaves an existing directory alone.
    fn place_root(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.kind == Kind::Directory && self.options.layer.is_some() {
            apply(self.root, entry, self.owner(entry), None)
                .map_err(Error::at("set the attributes of", b"/"))?;
            self.directories.push((Vec::new(), entry.mtime));
        }
        Ok(())
    }

    /// Enters the directory at `parts`, making what is missing of it.
    fn enter(&mut self, parts: &[&[u8]]) -> Result<BorrowedFd<'_>, Error> {
        let layer = self.options.layer;
        self.parents.enter(parts, |parent, parts, _| {
            let name = *parts.last().unwrap_or(&b"".as_slice());
            let make = || {
                if let (Some(overlay), Ok(stat)) =
                    (layer, statat(parent, name, AtFlags::SYMLINK_NOFOLLOW))
                    && whiteout::is_whiteout(&stat)
                {
                    unlinkat(parent, name, AtFlags::empty())?;
                    mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
                    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
                    return whiteout::set_opaque(directory.as_fd(), overlay);
                }
                make_parent(parent, name)
            };
            make().map_err(Error::at("make the directory", &parts.join(&b'/')))
        })
    }

    fn owner(&self, entry: &Entry) -> Option<(u32, u32)> {
        match self.options.owner {
            Owner::Archive if self.owned_by_root && entry.uid == 0 && entry.gid == 0 => None,
            Owner::Archive => Some((entry.uid, entry.gid)),
            Owner::Fixed(uid, gid) => Some((uid, gid)),
            Owner::Process => None,
        }
    }

    fn directory<T: Retire>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        path: &[u8],
        keep: &mut T,
    ) -> Result<(), Error> {
        let mut hides = false;
        match mkdirat(self.parents.top(), name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = statat(self.parents.top(), name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(Error::at("look at", path))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    hides = whiteout::is_whiteout(&stat);
                    self.replace(name, path, true, keep)?;
                    let parts = components(path);
                    self.enter(&parts[..parts.len() - 1])?;
                    mkdirat(self.parents.top(), name, Mode::from_raw_mode(0o700))
                        .map_err(Error::at("make the directory", path))?;
                }
            }
            Err(errno) => return Err(Error::at("make the directory", path)(errno)),
        }
        let directory = openat(self.parents.top(), name, DIRECTORY, Mode::empty())
            .map_err(Error::at("open the directory", path))?;
        if let (true, Some(overlay)) = (hides, self.options.layer) {
            whiteout::set_opaque(directory.as_fd(), overlay)
                .map_err(Error::at("make opaque", path))?;
        }
        if entry.mode & 0o2000 != 0 {
            self.owned_by_root = false;
        }
        apply(directory.as_fd(), entry, self.owner(entry), None)
            .map_err(Error::at("set the attributes of", path))?;
        self.directories.push((path.to_vec(), entry.mtime));
        self.parents.push(name, directory);
        Ok(())
    }

    fn file<R: BufRead, T: Retire>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        path: &[u8],
        reader: &mut Reader<R, T>,
    ) -> Result<(), Error> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create =
            |parent: BorrowedFd<'_>| openat(parent, name, flags, Mode::from_raw_mode(0o600));
        let file = match create(self.parents.top()) {
            Err(Errno::EXIST) => {
                self.replace(name, path, false, reader.recorder())?;
                let parts = components(path);
                self.enter(&parts[..parts.len() - 1])?;
                create(self.parents.top())
            }
            other => other,
        };
        let file = file.map_err(Error::at("make", path))?;
        self.fill(&file, entry, path, reader)?;
        self.totals.bytes += entry.size;
        apply(file.as_fd(), entry, self.owner(entry), Some(entry.mtime))
            .map_err(Error::at("set the attributes of", path))
    }

    /// Writes the member's payload where it belongs.
    fn fill<R: BufRead, T: Retire>(
        &mut self,
        file: &OwnedFd,
        entry: &Entry,
        path: &[u8],
        reader: &mut Reader<R, T>,
    ) -> Result<(), Error> {
        let linked =
            if self.parents.is_linked() { real_path(self.root, file.as_fd()) } else { None };
        let path = linked.as_deref().unwrap_or(path);
        let whole = [crate::tar::Segment { offset: 0, length: entry.size }];
        for segment in entry.segments.as_deref().unwrap_or(&whole) {
            let (mut at, end) = (segment.offset, segment.offset + segment.length);
            while at < end {
                let part = reader.payload(end - at)?;
                if part.is_empty() {
                    return Err(Error::Archive(crate::tar::Error::Truncated));
                }
                let written = rustix::io::retry_on_intr(|| rustix::io::pwrite(file, part, at))
                    .map_err(Error::at("write", path))?;
                reader.take(written);
                at += written as u64;
            }
            if segment.length > 0 {
                reader
                    .recorder()
                    .stored(path, segment.offset, segment.length)
                    .map_err(Error::at("record", path))?;
            }
        }
        if entry.segments.is_some() {
            rustix::fs::ftruncate(file, entry.size).map_err(Error::at("write", path))?;
        }
        Ok(())
    }

    /// Makes what is neither file nor directory.
    fn make(&self, entry: &Entry, name: &[u8], path: &[u8]) -> Result<(), Error> {
        let parent = self.parents.top();
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let node = |kind, device| mknodat(parent, name, kind, mode, device);
        let device = makedev(entry.device.0, entry.device.1);
        let made = match entry.kind {
            Kind::Symlink => symlinkat(entry.link.as_slice(), parent, name),
            Kind::CharDevice => node(FileType::CharacterDevice, device),
            Kind::BlockDevice => node(FileType::BlockDevice, device),
            Kind::Fifo => node(FileType::Fifo, 0),
            Kind::HardLink => return self.link(entry, name, path),
            Kind::File | Kind::Directory | Kind::Other(_) => Ok(()),
        };
        made.map_err(Error::at("make", path))
    }

    /// Makes a hard link to a member that came before; a symbolic link is linked itself, not what it points to.
    fn link(&self, entry: &Entry, name: &[u8], path: &[u8]) -> Result<(), Error> {
        let target = components(&entry.link);
        let refused =
            || Error::LinkTarget { path: display(path), target: display(&target.join(&b'/')) };
        let (last, above) = target.split_last().ok_or_else(refused)?;
        let directory =
            match open_in_root(self.root, &above.join(&b'/'), OFlags::PATH | OFlags::DIRECTORY) {
                Ok(directory) => directory,
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(refused()),
                Err(errno) => {
                    return Err(Error::at("open the directory", &above.join(&b'/'))(errno));
                }
            };
        match linkat(&directory, *last, self.parents.top(), name, AtFlags::empty()) {
            Err(Errno::NOENT) => Err(refused()),
            other => other.map_err(Error::at("link", path)),
        }
    }

    /// Takes away what is in the way of a member that is `directory` or not.
    fn replace<T: Retire>(
        &mut self,
        name: &[u8],
        path: &[u8],
        directory: bool,
        keep: &mut T,
    ) -> Result<(), Error> {
        let parent = self.parents.top();
        let stat =
            statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at("look at", path))?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if self.options.keep_kinds && is_directory != directory {
            return Err(Error::Overwrite { path: display(path), directory: is_directory });
        }
        let linked = if self.parents.is_linked() {
            real_path(self.root, parent).map(|above| {
                if above.is_empty() {
                    name.to_vec()
                } else {
                    [&above, b"/".as_slice(), name].concat()
                }
            })
        } else {
            None
        };
        let retired = keep
            .retire(parent, name, linked.as_deref().unwrap_or(path))
            .map_err(Error::at("replace", path))?;
        if !retired && is_directory {
            let path_of = format!("{}/", proc_path(parent));
            let mut whole = std::path::PathBuf::from(path_of);
            whole.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
            std::fs::remove_dir_all(whole).map_err(Error::at("replace", path))?;
        } else if !retired {
            unlinkat(parent, name, AtFlags::empty()).map_err(Error::at("replace", path))?;
        }
        self.parents.forget();
        Ok(())
    }
}
