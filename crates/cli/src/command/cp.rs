//! `cp`: files between a container and the host, or a stream of tar.
//!
//! Where things go is decided first, from what is there on both sides; then one side packs and the other unpacks, both
//! resolving every path from a descriptor of their root.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use hako_engine::Engine;
use hako_engine::container::Placement;
use hako_image::files::{Owner, PackOptions, Plain, UnpackOptions, pack_from, unpack_into};
use hako_types::Fault;

use super::{Command, complain};
use crate::args::{Flag, Parsed, Syntax, Words, switch};
use crate::report::{Failure, reason};
use crate::session::Session;
use crate::terminal::is_terminal;

const FLAGS: &[Flag] = &[
    switch("archive", "keep owners").short('a'),
    switch("follow-link", "follow a symbolic link at the end of SRC_PATH").short('L'),
    switch("quiet", "do not tell what was copied").short('q'),
];

pub(super) const COMMAND: Command = Command {
    names: &["cp", "container cp"],
    about: "Copy files between a container and the host",
    syntax: Syntax {
        words: "CONTAINER:SRC_PATH DEST_PATH|-  or  SRC_PATH|- CONTAINER:DEST_PATH",
        count: Words::Exactly(2),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

/// Splits `container:path`; nothing where the word is a path of the host.
fn in_container(word: &str) -> Option<(&str, String)> {
    if word.starts_with(['/', '.']) {
        return None;
    }
    let (name, path) = word.split_once(':').filter(|(name, _)| !name.is_empty())?;
    Some((name, if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }))
}

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let (from, to) = (parsed.words[0].as_str(), parsed.words[1].as_str());
    if from.is_empty() || to.is_empty() {
        return Err(Failure::new(format!(
            "{} can not be empty",
            if from.is_empty() { "source" } else { "destination" }
        )));
    }
    let job = Job {
        session,
        engine: session.engine()?,
        archive: parsed.on("archive"),
        follow: parsed.on("follow-link"),
    };
    match (in_container(from), in_container(to)) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("copying between containers is not supported"));
        }
        (None, None) => return Err(Failure::new("must specify at least one container source")),
        (Some((name, path)), None) => job.out(name, &path, to)?,
        (None, Some((name, path))) => job.bring(from, name, &path)?,
    }
    let streams = from == "-" || to == "-";
    if !streams && !parsed.on("quiet") && is_terminal(rustix::stdio::stderr()) {
        complain(&format!("Successfully copied to {to}\n"));
    }
    Ok(0)
}

/// What is at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum There {
    Nothing,
    Directory,
    Other,
}

/// What is copied.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Source {
    name: String,
    is_directory: bool,
    /// Whether only what is in the directory is meant (`dir/.`).
    content: bool,
}

/// Decides where a source goes: the directory to unpack in, and the name that it gets there (empty for a directory's content).
fn place(source: &Source, dest: &str, there: There) -> Result<(String, String), String> {
    let bare = dest.trim_end_matches('/');
    let (parent, name) = bare.rsplit_once('/').unwrap_or((".", bare));
    let parent = if parent.is_empty() { "/" } else { parent };
    match there {
        There::Directory if source.is_directory && source.content => {
            Ok((dest.to_owned(), String::new()))
        }
        There::Directory => Ok((dest.to_owned(), source.name.clone())),
        There::Other if source.is_directory => {
            Err(format!("cannot copy a directory to a file: {dest}"))
        }
        There::Other if dest.ends_with('/') => Err(format!("not a directory: {dest}")),
        There::Nothing if dest.ends_with('/') && !source.is_directory => {
            Err(format!("no such directory: {dest}"))
        }
        There::Other | There::Nothing => Ok((parent.to_owned(), name.to_owned())),
    }
}

/// Tells whether a path means what is in a directory.
fn means_content(path: &str) -> bool {
    path == "." || path.ends_with("/.")
}

struct Job<'a> {
    session: &'a Session,
    engine: &'a Engine,
    archive: bool,
    follow: bool,
}

impl Job<'_> {
    fn out(&self, name: &str, path: &str, dest: &str) -> Result<(), Failure> {
        let containers = self.engine.containers();
        if dest == "-" {
            if is_terminal(rustix::stdio::stdout()) {
                return Err(Failure::new("refusing to write an archive to a terminal"));
            }
            return Ok(containers.copy_out(name, path, self.follow, &mut io::stdout())?);
        }
        let follow = self.follow || path.ends_with('/') || means_content(path);
        let mut stat = containers.stat(name, path)?;
        let own_name = stat.name.clone();
        if follow && let Some(target) = stat.link_target.clone() {
            stat = containers.stat(name, &target.to_string_lossy())?;
        }
        let source = Source {
            name: own_name,
            is_directory: stat.is_directory(),
            content: means_content(path),
        };
        let there = match self.session.around.absolute(dest).metadata() {
            Ok(meta) if meta.is_dir() => There::Directory,
            Ok(_) => There::Other,
            Err(_) => There::Nothing,
        };
        let (directory, called) = place(&source, dest, there).map_err(Failure::new)?;
        let directory = self.session.around.absolute(&directory);
        if !directory.is_dir() {
            return Err(Failure::new(format!(
                "invalid output path: directory \"{}\" does not exist",
                directory.display()
            )));
        }
        let owner = if self.archive {
            Owner::default()
        } else {
            Owner::Fixed(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
        };
        let options = UnpackOptions { owner, keep_kinds: true, ..UnpackOptions::default() };
        let root = open_root()?;
        let (packed, unpacked) = piped(
            |out| containers.copy_out_as(name, path, (Some(called), follow), out),
            |tar| unpack_into(root.as_fd(), &directory, tar, &options).map(drop),
        )?;
        settle(packed, unpacked)
    }

    fn bring(&self, from: &str, name: &str, path: &str) -> Result<(), Failure> {
        let containers = self.engine.containers();
        let container = containers.find(name)?;
        let name = container.id.as_str();
        if from == "-" {
            let mut input: Box<dyn Read + Send> = Box::new(io::stdin());
            return Ok(containers.copy_in(
                name,
                path,
                &mut input,
                Placement { keep_owners: true },
            )?);
        }
        let local = self.session.around.absolute(from);
        let follow = self.follow || from.ends_with('/') || means_content(from);
        let meta = if follow { local.metadata() } else { local.symlink_metadata() };
        let meta = meta.map_err(|error| {
            Failure::new(format!("lstat {}: {}", local.display(), reason(&error)))
        })?;
        if from.ends_with('/') && !meta.is_dir() {
            return Err(Failure::new(format!("lstat {from}: not a directory")));
        }
        let own_name =
            local.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let content = means_content(from) || from == "/";
        let source = Source { name: own_name, is_directory: meta.is_dir(), content };
        let (dest, there) = self.there(name, path);
        let (directory, called) = place(&source, &dest, there).map_err(Failure::new)?;
        let options =
            PackOptions { follow, name: Some(called), nanoseconds: true, ..PackOptions::default() };
        let root = open_root()?;
        let (unpacked, packed) = piped_back(
            |out| pack_from(root.as_fd(), &local, Plain(out), &options).map(drop),
            |tar| {
                containers.copy_in(name, &directory, tar, Placement { keep_owners: self.archive })
            },
        )?;
        settle(packed, unpacked)
    }

    /// Looks at the place in the container that is copied to; a link at its end is followed.
    fn there(&self, name: &str, path: &str) -> (String, There) {
        let containers = self.engine.containers();
        let kind = |path: &str| match containers.stat(name, path) {
            Ok(stat) if stat.is_directory() => There::Directory,
            Ok(_) => There::Other,
            Err(_) => There::Nothing,
        };
        match containers.stat(name, path) {
            Ok(stat) => match stat.link_target {
                Some(target) => {
                    let target = absolute_in(path, &target);
                    let there = kind(&target);
                    // A directory is named as the person named it.
                    if there == There::Directory {
                        (path.to_owned(), there)
                    } else {
                        (target, there)
                    }
                }
                None => (path.to_owned(), kind(path)),
            },
            Err(_) => (path.to_owned(), There::Nothing),
        }
    }
}

/// Returns the path that a link at `path` leads to.
fn absolute_in(path: &str, target: &Path) -> String {
    let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
    parent.join(target).to_string_lossy().into_owned()
}

fn open_root() -> Result<File, Failure> {
    File::open(PathBuf::from("/")).map_err(|error| Failure::io("cannot open `/`", &error))
}

/// Runs `write` here and `read` in a thread, with a pipe between them.
fn piped<W, R: Send>(
    write: impl FnOnce(&mut (dyn Write + Send)) -> W,
    read: impl FnOnce(&mut (dyn Read + Send)) -> R + Send,
) -> Result<(W, R), Failure> {
    let (mut reader, writer) =
        io::pipe().map_err(|error| Failure::io("cannot make a pipe", &error))?;
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read(&mut reader));
        let mut writer = io::BufWriter::with_capacity(1 << 17, writer);
        let written = write(&mut writer);
        writer.flush().ok();
        drop(writer);
        let read =
            reading.join().map_err(|_| Failure::new("a thread of the command has ended early"))?;
        Ok((written, read))
    })
}

/// Runs `read` here and `write` in a thread, with a pipe between them.
fn piped_back<W: Send, R>(
    write: impl FnOnce(&mut (dyn Write + Send)) -> W + Send,
    read: impl FnOnce(&mut (dyn Read + Send)) -> R,
) -> Result<(R, W), Failure> {
    let (mut reader, writer) =
        io::pipe().map_err(|error| Failure::io("cannot make a pipe", &error))?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut writer = io::BufWriter::with_capacity(1 << 17, writer);
            let written = write(&mut writer);
            writer.flush().ok();
            written
        });
        let read = read(&mut reader);
        drop(reader);
        let written =
            writing.join().map_err(|_| Failure::new("a thread of the command has ended early"))?;
        Ok((read, written))
    })
}

/// Returns the failure that came first: a packer whose reader has gone only followed the unpacker.
fn settle<P: Fault, U: Fault>(
    packed: Result<(), P>,
    unpacked: Result<(), U>,
) -> Result<(), Failure> {
    match (packed, unpacked) {
        (Ok(()), Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(error.into()),
        (Err(packing), Err(unpacking)) => {
            let broken = crate::report::chain(&packing).to_lowercase().contains("broken pipe");
            Err(if broken { unpacking.into() } else { packing.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_docker() {
        let file = Source { name: "f".into(), is_directory: false, content: false };
        let directory = Source { name: "d".into(), is_directory: true, content: false };
        let content = Source { content: true, ..directory.clone() };
        let at = |source: &Source, dest: &str, there| place(source, dest, there).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(at(&file, "/x/new", There::Nothing), pair("/x", "new"));
        assert_eq!(at(&file, "/x", There::Directory), pair("/x", "f"));
        assert_eq!(at(&file, "/x", There::Other), pair("/", "x"));
        assert_eq!(at(&file, "one", There::Nothing), pair(".", "one"));
        assert_eq!(at(&directory, "/x", There::Directory), pair("/x", "d"));
        assert_eq!(at(&directory, "/x", There::Nothing), pair("/", "x"));
        assert_eq!(at(&content, "/x/", There::Directory), pair("/x/", ""));
        assert_eq!(at(&content, "/x", There::Nothing), pair("/", "x"));
        assert!(place(&directory, "/x", There::Other).is_err());
        assert!(place(&file, "/x/", There::Nothing).is_err());
    }

    #[test]
    fn containers_are_told_from_paths() {
        assert_eq!(in_container("c:/x"), Some(("c", "/x".into())));
        assert_eq!(in_container("c:x"), Some(("c", "/x".into())));
        assert_eq!(in_container("./c:x"), None);
        assert_eq!(in_container("/c:x"), None);
        assert_eq!(in_container("x"), None);
    }
}
