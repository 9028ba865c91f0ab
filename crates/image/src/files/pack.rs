//! From a tree into an archive, the same way every time.
//!
//! Directories come before what is in them and names are sorted by their bytes, so that one tree always gives one archive. Of hard links the
//! first name has the content. Sockets are left out, as no archive has them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, major, minor, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::root::{DIRECTORY, components, open_in_root};
use super::{Error, Overlay, metadata, whiteout};
use crate::tar::{Entry, Kind, Time, Writer};

/// How a tree is packed.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// The tree is a layer of an overlay: its marks become `.wh.` names. `None` takes everything as it is.
    pub layer: Option<Overlay>,
    /// What the packed file or directory is called in the archive; `None` is its own name, empty packs what is *in* the directory.
    pub name: Option<String>,
    /// Whom everything belongs to; `None` keeps the owners.
    pub owner: Option<(u32, u32)>,
    /// Follow the path's last component when it is a symbolic link.
    pub follow: bool,
    /// Keep fractions of seconds in times of change.
    pub nanoseconds: bool,
    /// What is left out, as paths relative to the packed directory (where an engine mounted its own files).
    pub exclude: Vec<std::path::PathBuf>,
}

/// Where an archive goes; payload is told apart, for whoever notes it in another way.
pub trait Sink: Write {
    /// Takes `bytes`, which are those of file `path` from `offset`.
    ///
    /// # Errors
    /// When they cannot be written.
    fn payload(&mut self, path: &[u8], offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Is told that one more member begins.
    fn member(&mut self) {}
}

/// A sink that writes everything to one writer.
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Sink for Plain<W> {
    fn payload(&mut self, _path: &[u8], _offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

/// Packs the file or directory `path` below `root` into `out`, as a whole archive.
///
/// A file that shrinks meanwhile is filled up with zeros, one that grows is cut; what disappears meanwhile is left out.
///
/// # Errors
/// When `path` is not there, something cannot be read, or the archive cannot be written. Returns where the archive went.
pub fn pack_from<S: Sink>(
    root: BorrowedFd<'_>,
    path: &Path,
    out: S,
    options: &PackOptions,
) -> Result<S, Error> {
    let bytes = path.as_os_str().as_bytes();
    let follow = if options.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let top = open_in_root(root, bytes, OFlags::PATH | follow).map_err(Error::at("open", bytes))?;
    let stat = rustix::fs::fstat(&top).map_err(Error::at("look at", bytes))?;
    let name = match &options.name {
        Some(name) => name.clone().into_bytes(),
        None => components(bytes).last().map(|part| part.to_vec()).unwrap_or_default(),
    };
    let mut packer = Packer::new(out, options);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let directory =
            openat(&top, c".", DIRECTORY, Mode::empty()).map_err(Error::at("open", bytes))?;
        packer.directory(&name, &directory, &stat)?;
    } else {
        packer.single(&top, &name, &stat)?;
    }
    packer.out.finish().map_err(Error::Write)
}

struct Packer<'a, S> {
    out: Writer<S>,
    options: &'a PackOptions,
    /// The first name of files with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

impl<'a, S: Sink> Packer<'a, S> {
    fn new(out: S, options: &'a PackOptions) -> Self {
        Self { out: Writer::new(out), options, links: HashMap::new(), buffer: Vec::new() }
    }

    /// Packs a directory and what is in it; `path` is its name in the archive.
    fn directory(&mut self, path: &[u8], directory: &OwnedFd, stat: &Stat) -> Result<(), Error> {
        let is_layer_root = path.is_empty() && self.options.layer.is_some();
        let plain = stat.st_mode & 0o7777 == 0o755 && stat.st_uid == 0 && stat.st_gid == 0;
        if !path.is_empty() || is_layer_root && !plain {
            let mut entry = self.entry(path, Kind::Directory, stat);
            entry.path = if path.is_empty() { b"./".to_vec() } else { [path, b"/"].concat() };
            if path.is_empty() {
                // When the root was last changed is nobody's choice.
                entry.mtime = Time::default();
            }
            entry.xattrs = metadata::xattrs(directory.as_fd())
                .map_err(Error::at("read the attributes of", path))?;
            self.emit(&entry)?;
        }
        if let Some(overlay) = self.options.layer
            && whiteout::is_opaque(directory.as_fd(), overlay)
        {
            self.mark(&join(path, whiteout::OPAQUE))?;
        }
        for name in names(directory.as_fd()).map_err(Error::at("list", path))? {
            let below = join(path, &name);
            if !self.options.exclude.iter().any(|excluded| excluded.as_os_str().as_bytes() == below)
            {
                self.member(directory.as_fd(), &name, &below)?;
            }
        }
        Ok(())
    }

    fn member(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<(), Error> {
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Error::at("look at", path)(errno)),
        };
        if self.options.layer.is_some() && whiteout::is_whiteout(&stat) {
            let at = path.len() - name.len();
            return self.mark(&[&path[..at], whiteout::PREFIX, name].concat());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match openat(parent, name, DIRECTORY, Mode::empty()) {
                // What the kernel shows changes while it is read, and is nobody's file.
                Ok(directory) if is_kernels(&directory) => {
                    let name = [path, b"/"].concat();
                    self.emit(&self.entry(&name, Kind::Directory, &stat))
                }
                Ok(directory) => self.directory(path, &directory, &stat),
                Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(Error::at("open", path)(errno)),
            },
            FileType::RegularFile => {
                if self.hard_link(path, &stat)? {
                    return Ok(());
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                match openat(parent, name, flags, Mode::empty()) {
                    Ok(file) => self.file(path, &file, &stat),
                    Err(Errno::NOENT) => Ok(()),
                    Err(errno) => Err(Error::at("open", path)(errno)),
                }
            }
            FileType::Symlink => {
                let link = readlinkat(parent, name, Vec::new())
                    .map_err(Error::at("read the link", path))?;
                self.other(path, &stat, link.into_bytes())
            }
            _ => self.other(path, &stat, Vec::new()),
        }
    }

    /// Packs one thing that is no directory, of which only a descriptor is at hand.
    fn single(&mut self, top: &OwnedFd, path: &[u8], stat: &Stat) -> Result<(), Error> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = std::fs::File::open(super::root::proc_path(top.as_fd()))
                    .map_err(Error::at("open", path))?;
                self.file(path, &file.into(), stat)
            }
            FileType::Symlink => {
                let link =
                    readlinkat(top, c"", Vec::new()).map_err(Error::at("read the link", path))?;
                self.other(path, stat, link.into_bytes())
            }
            _ => self.other(path, stat, Vec::new()),
        }
    }

    /// Writes a link instead of a file whose content is in the archive already; returns whether it did.
    fn hard_link(&mut self, path: &[u8], stat: &Stat) -> Result<bool, Error> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) else {
            self.links.insert((stat.st_dev, stat.st_ino), path.to_vec());
            return Ok(false);
        };
        let link = first.clone();
        let entry = Entry { link, ..self.entry(path, Kind::HardLink, stat) };
        self.emit(&entry)?;
        Ok(true)
    }

    fn file(&mut self, path: &[u8], file: &OwnedFd, stat: &Stat) -> Result<(), Error> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let xattrs =
            metadata::xattrs(file.as_fd()).map_err(Error::at("read the attributes of", path))?;
        let entry = Entry { size, xattrs, ..self.entry(path, Kind::File, stat) };
        self.emit(&entry)?;
        if self.buffer.is_empty() {
            self.buffer = vec![0; 1 << 18];
        }
        let mut at = 0;
        while at < size {
            let most = usize::try_from(size - at).unwrap_or(usize::MAX).min(self.buffer.len());
            let mut got =
                rustix::io::retry_on_intr(|| rustix::io::read(file, &mut self.buffer[..most]))
                    .map_err(Error::at("read", path))?;
            if got == 0 {
                self.buffer[..most].fill(0);
                got = most;
            }
            self.out.output().payload(path, at, &self.buffer[..got]).map_err(Error::Write)?;
            at += got as u64;
        }
        Ok(())
    }

    fn other(&mut self, path: &[u8], stat: &Stat, link: Vec<u8>) -> Result<(), Error> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(()),
        };
        let mut entry = Entry { link, ..self.entry(path, kind, stat) };
        if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
            entry.device = (major(stat.st_rdev), minor(stat.st_rdev));
        }
        self.emit(&entry)
    }

    /// Writes the empty file that stands for a mark.
    fn mark(&mut self, path: &[u8]) -> Result<(), Error> {
        self.emit(&Entry { path: path.to_vec(), ..Entry::default() })
    }

    fn emit(&mut self, entry: &Entry) -> Result<(), Error> {
        self.out.output().member();
        self.out.entry(entry).map_err(Error::Write)
    }

    fn entry(&self, path: &[u8], kind: Kind, stat: &Stat) -> Entry {
        let (uid, gid) = self.options.owner.unwrap_or((stat.st_uid, stat.st_gid));
        let nanos = if self.options.nanoseconds {
            u32::try_from(stat.st_mtime_nsec).unwrap_or(0)
        } else {
            0
        };
        Entry {
            path: path.to_vec(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            mtime: Time { seconds: stat.st_mtime, nanos },
            ..Entry::default()
        }
    }
}

/// Tells whether a directory is of a file system that only shows the kernel's state (`linux/magic.h`).
fn is_kernels(directory: &OwnedFd) -> bool {
    const MAGICS: [u32; 6] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x1cd1, 0x1980_0202];
    rustix::fs::fstatfs(directory)
        .is_ok_and(|stat| MAGICS.iter().any(|magic| i64::from(*magic) == stat.f_type))
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// Returns the names in a directory, sorted.
pub(super) fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}
