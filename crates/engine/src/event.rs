//! What happened: a journal of events, one JSON object a line, appended by whoever caused them.
//!
//! A line is written with one `write(2)` in append mode under a lock, so lines never mix. When the journal has
//! grown too long its older half is dropped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use hako_types::Moment;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::model::Map;
use crate::{Engine, Error};

/// Something that happened to an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Event {
    /// `container`, `image`, `network` or `volume`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened (`start`, `die`, `health_status: healthy`).
    #[serde(rename = "Action")]
    pub action: String,
    /// The object's id, or its name where it has no id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, its labels and what belongs to the action (`exitCode`).
    #[serde(rename = "Attributes")]
    pub attributes: Map,
    /// When.
    #[serde(rename = "Time")]
    pub time: Moment,
}

/// Which part of the journal is wanted.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// From this moment on; none means from now on.
    pub since: Option<Moment>,
    /// Up to this moment; none means without end.
    pub until: Option<Moment>,
}

/// The journal of a state directory.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a>(&'a Engine);

/// The journal's length at which its older half is dropped.
const LONGEST: u64 = 8 << 20;

impl<'a> Events<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self(engine)
    }

    /// Appends an event about an image; `name` is how a person named it.
    pub fn image(self, action: &str, id: &str, name: &str) {
        self.emit("image", action, id, Map::from([("name".to_owned(), name.to_owned())]));
    }

    /// Appends an event. That it cannot be written is no reason to fail what has already happened, so errors are dropped.
    pub(crate) fn emit(self, kind: &str, action: &str, id: &str, attributes: Map) {
        let event = Event {
            kind: kind.to_owned(),
            action: action.to_owned(),
            id: id.to_owned(),
            attributes,
            time: Moment::now(),
        };
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        let path = self.0.paths().events();
        let Ok(mut file) =
            OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path)
        else {
            return;
        };
        if flock(&file, FlockOperation::LockExclusive).is_err() || file.write_all(&line).is_err() {
            return;
        }
        if file.metadata().is_ok_and(|meta| meta.len() > LONGEST) {
            let _dropped_at_the_next_event = halve(&mut file);
        }
    }

    /// Returns the events that `query` asks for, oldest first. Without an end the iterator waits for
    /// what happens next.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(self, query: &EventQuery) -> Result<EventStream, Error> {
        let path = self.0.paths().events();
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let mut reader = BufReader::new(file);
        if query.since.is_none() {
            reader.seek(SeekFrom::End(0)).map_err(Error::io("read", &path))?;
        }
        Ok(EventStream {
            reader,
            path,
            line: String::new(),
            since: query.since,
            until: query.until,
        })
    }
}

/// Drops the older half of the journal, in place: its inode stays, so that followers see it shrink.
fn halve(file: &mut File) -> std::io::Result<()> {
    let mut reader = BufReader::new(file.try_clone()?);
    reader.seek(SeekFrom::Start(LONGEST / 2))?;
    let mut rest = Vec::new();
    reader.read_until(b'\n', &mut rest)?;
    rest.clear();
    std::io::Read::read_to_end(&mut reader, &mut rest)?;
    file.set_len(0)?;
    file.write_all(&rest)
}

/// Events, as they come.
#[derive(Debug)]
pub struct EventStream {
    reader: BufReader<File>,
    path: PathBuf,
    line: String,
    since: Option<Moment>,
    until: Option<Moment>,
}

impl EventStream {
    /// Returns the next event that is in the journal already, without waiting.
    fn ready(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let before = self.line.len();
            self.reader.read_line(&mut self.line).map_err(Error::io("read", &self.path))?;
            if !self.line.ends_with('\n') {
                if self.line.len() == before && self.has_shrunk() {
                    self.line.clear();
                    self.reader.seek(SeekFrom::End(0)).map_err(Error::io("read", &self.path))?;
                }
                return Ok(None);
            }
            let event = serde_json::from_str::<Event>(&self.line);
            self.line.clear();
            match event {
                Ok(event) if self.since.is_none_or(|since| event.time >= since) => {
                    return Ok(Some(event));
                }
                _ => {}
            }
        }
    }

    fn has_shrunk(&mut self) -> bool {
        let position = self.reader.stream_position().unwrap_or(0);
        self.reader.get_ref().metadata().is_ok_and(|meta| meta.len() < position)
    }
}

impl Iterator for EventStream {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.ready() {
                Err(error) => return Some(Err(error)),
                Ok(Some(event)) if self.until.is_some_and(|until| event.time > until) => {
                    return None;
                }
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) if self.until.is_some_and(|until| Moment::now() > until) => return None,
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}
