//! Reading logs: from the end back for `--tail`, onwards for `--follow`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hako_types::Moment;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use serde::Deserialize;

use super::writer::part;
use super::{Entry, Stream};

/// Which part of a log is wanted.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Whether to wait for more until the container ends.
    pub follow: bool,
    /// From this moment on.
    pub since: Option<Moment>,
    /// Up to this moment.
    pub until: Option<Moment>,
    /// Only this many of the last lines.
    pub tail: Option<usize>,
    /// Whether standard output is wanted.
    pub stdout: bool,
    /// Whether standard error is wanted.
    pub stderr: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { follow: false, since: None, until: None, tail: None, stdout: true, stderr: true }
    }
}

/// The entries of a log, oldest first.
pub struct Reader {
    path: PathBuf,
    options: LogOptions,
    older: VecDeque<PathBuf>,
    ready: VecDeque<Entry>,
    reader: Option<BufReader<File>>,
    line: Vec<u8>,
    watch: Option<std::os::fd::OwnedFd>,
    alive: Box<dyn FnMut() -> bool + Send>,
    is_last_look: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Line {
    log: String,
    stream: String,
    time: Moment,
}

fn parse(line: &[u8]) -> Option<Entry> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let stream = if line.stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
    Some(Entry { stream, time: line.time, line: line.log.into_bytes() })
}

impl Reader {
    /// Opens the log at `path`. `alive` tells a follower whether there can be more.
    ///
    /// # Errors
    /// When a file of it cannot be read.
    pub fn open(
        path: &Path,
        options: LogOptions,
        alive: impl FnMut() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            older: VecDeque::new(),
            ready: VecDeque::new(),
            reader: None,
            line: Vec::new(),
            watch: None,
            alive: Box::new(alive),
            is_last_look: false,
            options,
        };
        if reader.options.follow {
            reader.watch = path.parent().and_then(|directory| watch(directory).ok());
        }
        match reader.options.tail {
            Some(count) => reader.begin_at_tail(count)?,
            None => reader.begin_at_start()?,
        }
        Ok(reader)
    }

    fn begin_at_start(&mut self) -> io::Result<()> {
        let mut number = 1;
        while part(&self.path, number).exists() {
            self.older.push_front(part(&self.path, number));
            number += 1;
        }
        let first = self.older.pop_front().unwrap_or_else(|| self.path.clone());
        self.reader = open_part(&first)?;
        Ok(())
    }

    /// Collects the last lines from the end of the newest file back; then goes on at its end.
    fn begin_at_tail(&mut self, count: usize) -> io::Result<()> {
        let (mut number, mut lines) = (0, 0);
        let mut is_open = false;
        loop {
            let Some(file) = open_part(&part(&self.path, number))?.map(BufReader::into_inner)
            else {
                break;
            };
            let length = file.metadata()?.len();
            let mut back = Backwards::new(&file, length);
            while lines <= count {
                let Some(line) = back.next()? else { break };
                let Some(entry) = parse(&line).filter(|entry| self.wants_stream(entry)) else {
                    continue;
                };
                if self.options.until.is_some_and(|until| entry.time > until) {
                    continue;
                }
                if entry.line.ends_with(b"\n") || !is_open {
                    lines += 1;
                    is_open = true;
                }
                if lines > count {
                    break;
                }
                self.ready.push_front(entry);
            }
            if number == 0 {
                let mut file = file;
                file.seek(SeekFrom::Start(length))?;
                self.reader = Some(BufReader::new(file));
            }
            if lines > count {
                break;
            }
            number += 1;
        }
        let since = self.options.since;
        self.ready.retain(|entry| since.is_none_or(|since| entry.time >= since));
        Ok(())
    }

    fn wants_stream(&self, entry: &Entry) -> bool {
        match entry.stream {
            Stream::Stdout => self.options.stdout,
            Stream::Stderr => self.options.stderr,
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.wants_stream(entry)
            && self.options.since.is_none_or(|since| entry.time >= since)
            && self.options.until.is_none_or(|until| entry.time <= until)
    }

    /// Returns the next entry that is on disk already.
    fn on_disk(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let Some(reader) = &mut self.reader else {
                self.reader = open_part(&self.path)?;
                if self.reader.is_none() {
                    return Ok(None);
                }
                continue;
            };
            reader.read_until(b'\n', &mut self.line)?;
            if self.line.ends_with(b"\n") {
                let entry = parse(&self.line);
                self.line.clear();
                if entry.is_some() {
                    return Ok(entry);
                }
                continue;
            }
            if let Some(next) = self.older.pop_front() {
                self.line.clear();
                self.reader = open_part(&next)?;
            } else if !self.go_on()? {
                return Ok(None);
            }
        }
    }

    /// At the end of a file: goes on in the one that has taken its place, if one has.
    fn go_on(&mut self) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let here = reader.get_ref().metadata()?;
        if here.len() < reader.stream_position()? {
            reader.seek(SeekFrom::Start(0))?;
            self.line.clear();
            return Ok(true);
        }
        match std::fs::metadata(&self.path) {
            Ok(newest) if newest.ino() != here.ino() => {
                // The file was put aside. If more than one was meanwhile, begin with the oldest that is newer.
                let mut number = 1;
                while let Ok(meta) = std::fs::metadata(part(&self.path, number)) {
                    if meta.ino() == here.ino() {
                        break;
                    }
                    number += 1;
                }
                for newer in (1..number).rev() {
                    self.older.push_back(part(&self.path, newer));
                }
                self.older.push_back(self.path.clone());
                let next = self.older.pop_front().unwrap_or_else(|| self.path.clone());
                self.line.clear();
                self.reader = open_part(&next)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Waits until something changes, or a quarter of a second.
    fn wait(&self) {
        let pause = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        let Some(watch) = &self.watch else {
            std::thread::sleep(std::time::Duration::from_millis(50));
            return;
        };
        let mut fds = [PollFd::new(watch, PollFlags::IN)];
        if rustix::event::poll(&mut fds, Some(&pause)).is_ok_and(|ready| ready > 0) {
            let mut buffer = [0; 4096];
            let _drained = rustix::io::read(watch, &mut buffer);
        }
    }
}

fn open_part(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(64 << 10, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn watch(directory: &Path) -> io::Result<std::os::fd::OwnedFd> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = inotify::WatchFlags::MODIFY
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&fd, directory, what)?;
    Ok(fd)
}

impl Iterator for Reader {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            match self.on_disk() {
                Err(error) => return Some(Err(error)),
                Ok(Some(entry)) => {
                    if self.options.until.is_some_and(|until| entry.time > until) {
                        return None;
                    }
                    if self.wants(&entry) {
                        return Some(Ok(entry));
                    }
                }
                Ok(None) if !self.options.follow || self.is_last_look => return None,
                Ok(None) if self.options.until.is_some_and(|until| Moment::now() > until) => {
                    return None;
                }
                Ok(None) => {
                    // One more look after the end, for what was written just before it.
                    self.is_last_look = !(self.alive)();
                    if !self.is_last_look {
                        self.wait();
                    }
                }
            }
        }
    }
}

/// The lines of a file from its end back, read in blocks.
struct Backwards<'a> {
    file: &'a File,
    position: u64,
    block: Vec<u8>,
}

impl<'a> Backwards<'a> {
    fn new(file: &'a File, length: u64) -> Self {
        Self { file, position: length, block: Vec::new() }
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        const STEP: u64 = 64 << 10;
        loop {
            let end = self.block.len().saturating_sub(1);
            if let Some(at) = self.block[..end].iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(self.block.split_off(at + 1)));
            }
            if self.position == 0 {
                let line = std::mem::take(&mut self.block);
                return Ok((!line.is_empty()).then_some(line));
            }
            let step = STEP.min(self.position);
            self.position -= step;
            let mut piece = Vec::new();
            let mut file = self.file;
            file.seek(SeekFrom::Start(self.position))?;
            file.take(step).read_to_end(&mut piece)?;
            piece.extend_from_slice(&self.block);
            self.block = piece;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, Writer};
    use super::*;

    fn read(path: &Path, options: LogOptions) -> Vec<String> {
        let reader = Reader::open(path, options, || false).unwrap();
        reader.map(|entry| String::from_utf8(entry.unwrap().line).unwrap()).collect()
    }

    #[test]
    fn the_tail_counts_lines_and_not_pieces_over_all_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer =
            Writer::open(&path, Policy { kept: true, max_size: 2000, max_file: 50 }).unwrap();
        for number in 0..100 {
            writer.write(Stream::Stdout, format!("{number}\n").as_bytes()).unwrap();
        }
        writer.write(Stream::Stderr, b"err\n").unwrap();
        writer.write(Stream::Stdout, b"end").unwrap();
        writer.finish().unwrap();
        assert_eq!(read(&path, LogOptions::default()).len(), 102);
        let tail = |count| LogOptions { tail: Some(count), ..LogOptions::default() };
        assert_eq!(read(&path, tail(3)), ["99\n", "err\n", "end"]);
        assert_eq!(read(&path, tail(0)).len(), 0);
        assert_eq!(read(&path, tail(50)).len(), 50);
        assert_eq!(read(&path, LogOptions { stdout: false, ..tail(5) }), ["err\n"]);
    }

    #[test]
    fn a_long_line_is_one_line_for_the_tail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer =
            Writer::open(&path, Policy { kept: true, max_size: 0, max_file: 1 }).unwrap();
        writer
            .write(Stream::Stdout, &[vec![b'x'; 100_000], b"\nlast\n".to_vec()].concat())
            .unwrap();
        let all = read(&path, LogOptions { tail: Some(2), ..LogOptions::default() });
        assert_eq!(all.concat().len(), 100_006);
    }
}
