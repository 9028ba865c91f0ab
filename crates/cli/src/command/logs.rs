//! `logs`.

use std::io::{self, Write};

use hako_engine::log::{LogOptions, Stream};
use hako_types::Moment;

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::filter;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    switch("details", "show the labels and variables that the log keeps"),
    switch("follow", "go on with what comes").short('f'),
    value("since", "string", "from this moment on: a time, or an age such as 42m"),
    value("until", "string", "up to this moment: a time, or an age such as 42m"),
    value("tail", "string", "lines from the end (default all)").short('n'),
    switch("timestamps", "show when each line was printed").short('t'),
];

pub(super) const COMMAND: Command = Command {
    names: &["logs", "container logs"],
    about: "Fetch the logs of a container",
    syntax: Syntax {
        words: "CONTAINER",
        count: Words::Exactly(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let now = Moment::now();
    let tail = match parsed.text("tail") {
        None | Some("all" | "") => None,
        Some(text) => text.parse().ok(),
    };
    let options = LogOptions {
        follow: parsed.on("follow"),
        since: filter::moment(parsed, "since", now)?,
        until: filter::moment(parsed, "until", now)?,
        tail,
        stdout: true,
        stderr: true,
    };
    let reader = session.engine()?.containers().logs(&parsed.words[0], &options)?;
    let stamps = parsed.on("timestamps");
    let details = parsed.on("details");
    let mut out = Output {
        stdout: io::BufWriter::new(io::stdout().lock()),
        stderr: io::stderr().lock(),
        flush: parsed.on("follow"),
        open: [false, false],
    };
    for entry in reader {
        let entry = entry.map_err(|error| Failure::io("cannot read the log", &error))?;
        let mut line = Vec::with_capacity(entry.line.len() + 32);
        if stamps && out.starts_line(entry.stream) {
            line.extend_from_slice(entry.time.fixed().as_bytes());
            line.push(b' ');
        }
        if details {
            line.push(b' ');
        }
        line.extend_from_slice(&entry.line);
        if out.write(entry.stream, &line).is_err() {
            return Ok(0);
        }
    }
    out.stdout.flush().ok();
    Ok(0)
}

struct Output<O: Write, E: Write> {
    stdout: io::BufWriter<O>,
    stderr: E,
    flush: bool,
    /// Whether the last line of each stream has no end yet.
    open: [bool; 2],
}

impl<O: Write, E: Write> Output<O, E> {
    /// Tells whether what comes next on a stream begins a line: long lines come in pieces.
    fn starts_line(&self, stream: Stream) -> bool {
        !self.open[usize::from(stream == Stream::Stderr)]
    }

    /// Writes to the stream's own place; the order between the two is kept.
    fn write(&mut self, stream: Stream, line: &[u8]) -> io::Result<()> {
        self.open[usize::from(stream == Stream::Stderr)] = !line.ends_with(b"\n");
        match stream {
            Stream::Stdout => {
                self.stdout.write_all(line)?;
                if self.flush { self.stdout.flush() } else { Ok(()) }
            }
            Stream::Stderr => {
                self.stdout.flush()?;
                self.stderr.write_all(line)
            }
        }
    }
}
