//! Lines of several containers on one output, each with a name before it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use hako_engine::log::{Entry, Stream};
use hako_project::Actual;

/// The colours of names, one after the other.
const COLOURS: [&str; 12] =
    ["36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1", "31;1", "37;1"];

/// Prints lines of containers.
#[derive(Debug)]
pub(super) struct Printer {
    prefix: bool,
    colour: bool,
    timestamps: bool,
    /// Whether lines of standard error go to ours.
    split: bool,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    width: usize,
    colours: BTreeMap<String, &'static str>,
}

/// Returns what a container is called before its lines: its name without the project's.
pub(super) fn label(actual: &Actual) -> String {
    let prefix = format!("{}-", actual.project());
    actual.name.strip_prefix(&prefix).unwrap_or(&actual.name).to_owned()
}

impl Printer {
    pub(super) fn new(prefix: bool, colour: bool, timestamps: bool, split: bool) -> Self {
        Self { prefix, colour, timestamps, split, names: Mutex::default() }
    }

    /// Makes a container known, so that all names line up.
    pub(super) fn register(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.width = names.width.max(name.chars().count());
        let next = COLOURS[names.colours.len() % COLOURS.len()];
        names.colours.entry(name.to_owned()).or_insert(next);
    }

    fn head(&self, name: &str) -> String {
        if !self.prefix {
            return String::new();
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let width = names.width;
        match names.colours.get(name).filter(|_| self.colour) {
            Some(colour) => format!("\x1b[{colour}m{name:<width$}  | \x1b[0m"),
            None => format!("{name:<width$}  | "),
        }
    }

    /// Prints a line that a container wrote.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn entry(&self, name: &str, entry: &Entry) -> io::Result<()> {
        let mut line = self.head(name).into_bytes();
        if self.timestamps {
            line.extend_from_slice(entry.time.fixed().as_bytes());
            line.push(b' ');
        }
        line.extend_from_slice(&entry.line);
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        match entry.stream {
            Stream::Stderr if self.split => io::stderr().lock().write_all(&line),
            _ => {
                let mut out = io::stdout().lock();
                out.write_all(&line).and_then(|()| out.flush())
            }
        }
    }

    /// Prints a line about a container.
    pub(super) fn status(&self, name: &str, text: &str) {
        let line = if self.prefix { format!("{name} {text}\n") } else { format!("{text}\n") };
        io::stdout().lock().write_all(line.as_bytes()).ok();
    }
}
