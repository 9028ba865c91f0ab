//! Writing output to the log's files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hako_types::Moment;

use super::{PIECE, Policy, Stream};

/// The log of one container, being written.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    policy: Policy,
    file: Option<File>,
    size: u64,
    pending: [Vec<u8>; 2],
    text: Vec<u8>,
}

impl Writer {
    /// Opens the log at `path`, to go on where it ends.
    pub(crate) fn open(path: &Path, policy: Policy) -> io::Result<Self> {
        let mut writer = Self {
            path: path.to_owned(),
            policy,
            file: None,
            size: 0,
            pending: [Vec::new(), Vec::new()],
            text: Vec::new(),
        };
        if writer.policy.kept {
            writer.reopen()?;
        }
        Ok(writer)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Takes output: whole lines are written, the rest waits for more.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if !self.policy.kept {
            return Ok(());
        }
        // One moment for all lines that come together: writing it out costs more than copying a line.
        let now = Moment::now().fixed();
        let mut pending = std::mem::take(&mut self.pending[index(stream)]);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PIECE - pending.len();
            let window = &rest[..rest.len().min(room)];
            let end = window.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let take = end.unwrap_or(window.len());
            let (piece, after) = rest.split_at(take);
            rest = after;
            if end.is_none() && pending.len() + piece.len() < PIECE {
                pending.extend_from_slice(piece);
                break;
            }
            if pending.is_empty() {
                self.entry(stream, piece, &now);
            } else {
                pending.extend_from_slice(piece);
                self.entry(stream, &pending, &now);
                pending.clear();
            }
        }
        self.pending[index(stream)] = pending;
        self.flush()
    }

    /// Writes what waits for the end of its line.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let pending = std::mem::take(&mut self.pending[index(stream)]);
            if !pending.is_empty() {
                self.entry(stream, &pending, &Moment::now().fixed());
            }
        }
        self.flush()
    }

    fn entry(&mut self, stream: Stream, line: &[u8], now: &str) {
        self.text.extend_from_slice(b"{\"log\":\"");
        escape(line, &mut self.text);
        self.text.extend_from_slice(match stream {
            Stream::Stdout => b"\",\"stream\":\"stdout\",\"time\":\"",
            Stream::Stderr => b"\",\"stream\":\"stderr\",\"time\":\"",
        });
        self.text.extend_from_slice(now.as_bytes());
        self.text.extend_from_slice(b"\"}\n");
        let is_long = self.text.len() >= 64 << 10;
        let is_full =
            self.policy.max_size > 0 && self.size + self.text.len() as u64 >= self.policy.max_size;
        if is_long || is_full {
            // What the log loses is no reason to stop the container.
            let _lost = self.flush();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        if let Some(file) = &mut self.file {
            let result = file.write_all(&self.text);
            self.size += self.text.len() as u64;
            self.text.clear();
            result?;
        }
        if self.policy.max_size > 0 && self.size >= self.policy.max_size {
            self.rotate()?;
        }
        Ok(())
    }

    /// Puts the full file aside and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        if self.policy.max_file < 2 {
            // A single file begins anew; the newest line stays, so that the log's end is never lost.
            if let Some(file) = &self.file {
                file.set_len(0)?;
                self.size = 0;
            }
            return Ok(());
        }
        for number in (1..self.policy.max_file - 1).rev() {
            match std::fs::rename(part(&self.path, number), part(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, part(&self.path, 1))?;
        self.reopen()
    }
}

/// Returns the path of an older part of a log; 0 is the newest.
pub(super) fn part(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

/// Appends `line` as the inside of a JSON string. What is not UTF-8 becomes U+FFFD, as with Docker.
fn escape(line: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for chunk in line.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while !rest.is_empty() {
            // Most bytes stand for themselves: those are copied in one piece.
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
                .unwrap_or(rest.len());
            out.extend_from_slice(&rest[..plain]);
            let Some(byte) = rest.get(plain) else { break };
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                byte => {
                    out.extend_from_slice(b"\\u00");
                    out.push(DIGITS[usize::from(byte >> 4)]);
                    out.push(DIGITS[usize::from(byte & 15)]);
                }
            }
            rest = &rest[plain + 1..];
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let log = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["log"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        text.lines().map(log).collect()
    }

    #[test]
    fn lines_are_whole_and_the_last_one_may_lack_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let policy = Policy { kept: true, max_size: 0, max_file: 1 };
        let mut writer = Writer::open(&path, policy).unwrap();
        writer.write(Stream::Stdout, b"one\ntw").unwrap();
        writer.write(Stream::Stderr, b"err \"q\"\t\xff\n").unwrap();
        writer.write(Stream::Stdout, b"o\nend").unwrap();
        writer.finish().unwrap();
        assert_eq!(logs(&path), ["one\n", "err \"q\"\t\u{fffd}\n", "two\n", "end"]);
    }

    #[test]
    fn long_lines_are_cut_into_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer =
            Writer::open(&path, Policy { kept: true, max_size: 0, max_file: 1 }).unwrap();
        writer.write(Stream::Stdout, &[b'x'; 40_000]).unwrap();
        writer.write(Stream::Stdout, b"\n").unwrap();
        let lengths: Vec<usize> = logs(&path).iter().map(String::len).collect();
        assert_eq!(lengths, [PIECE, PIECE, 40_001 - 2 * PIECE]);
    }

    #[test]
    fn full_files_are_put_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer =
            Writer::open(&path, Policy { kept: true, max_size: 1000, max_file: 3 }).unwrap();
        for number in 0..100 {
            writer.write(Stream::Stdout, format!("{number}\n").as_bytes()).unwrap();
        }
        assert!(part(&path, 2).exists() && !part(&path, 3).exists());
        let oldest = logs(&part(&path, 2)).len() + logs(&part(&path, 1)).len() + logs(&path).len();
        assert!(oldest < 60, "{oldest}");
    }
}
