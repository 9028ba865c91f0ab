//! How a build is shown while it goes on.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hako_build::event::{Event, Events, Step};
use serde_json::json;

use super::terminal::Screen;

/// How much is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Nothing, unless it goes wrong.
    Quiet,
    /// Lines.
    Plain,
    /// Steps that are redrawn.
    Terminal,
    /// JSON, a line for each event.
    Json,
}

/// As much of what a step wrote is kept for when it fails.
const KEPT: usize = 64 << 10;

/// Shows events.
pub(super) struct Display {
    mode: Mode,
    board: Mutex<Board>,
}

/// One step as it is known.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) begun: Instant,
    pub(super) state: State,
    /// What it wrote last, whole lines and the beginning of the next.
    pub(super) log: Vec<u8>,
    partial: Vec<u8>,
    /// Why the cache did not have it.
    because: String,
}

/// What has become of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Running,
    Cached,
    Done(Duration),
    Failed,
    Canceled,
}

#[derive(Default)]
struct Board {
    rows: Vec<Row>,
    by_step: HashMap<Step, usize>,
    /// The step whose lines were printed last and that has not ended.
    open: Option<usize>,
    screen: Option<Screen>,
    failed: Option<usize>,
    warnings: Vec<String>,
}

impl Display {
    pub(super) fn new(mode: Mode) -> Self {
        let mut board = Board::default();
        if mode == Mode::Terminal {
            board.screen = Some(Screen::new());
        }
        Self { mode, board: Mutex::new(board) }
    }

    /// Returns what the failed step was and what it wrote.
    pub(super) fn failure(&self) -> Option<(String, String)> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let row = &board.rows[board.failed?];
        Some((row.name.clone(), String::from_utf8_lossy(&row.log).into_owned()))
    }

    /// Returns for each step of the graph whether the cache had it, and if not, why.
    pub(super) fn explained(&self) -> String {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for row in &board.rows {
            if row.state == State::Cached {
                text.push_str(&format!("hit   {}\n", row.name));
            } else if !row.because.is_empty() {
                text.push_str(&format!("miss  {}\n      because {}\n", row.name, row.because));
            }
        }
        text
    }

    /// Draws what is shown for the last time; returns the warnings.
    pub(super) fn finish(&self) -> Vec<String> {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let board = &mut *board;
        if let Some(screen) = &mut board.screen {
            screen.draw(&board.rows, true);
        }
        std::mem::take(&mut board.warnings)
    }

    /// Draws again, so that times go on.
    pub(super) fn tick(&self) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let board = &mut *board;
        if let Some(screen) = &mut board.screen {
            screen.draw(&board.rows, false);
        }
    }

    /// Tells whether [`tick`](Self::tick) does something.
    pub(super) fn is_drawn(&self) -> bool {
        self.mode == Mode::Terminal
    }
}

impl Events for Display {
    fn event(&self, step: Step, event: Event) {
        if let (Mode::Json, Some(line)) = (self.mode, as_json(step, &event)) {
            io::stderr().lock().write_all(format!("{line}\n").as_bytes()).ok();
        }
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let board = &mut *board;
        let plain = self.mode == Mode::Plain;
        match event {
            Event::Warning { message } => board.warnings.push(message),
            Event::Started { name } => {
                let at = board.row(step);
                board.rows[at].name = name;
                if plain {
                    board.head(at);
                }
            }
            Event::Log { bytes, .. } => {
                let at = board.row(step);
                board.log(at, &bytes, plain);
            }
            Event::Progress { .. } => {}
            Event::Missed { because } => {
                let at = board.row(step);
                board.rows[at].because = because;
            }
            Event::Cached => board.end(step, State::Cached, "CACHED", plain),
            Event::Done { took } => {
                board.end(
                    step,
                    State::Done(took),
                    &format!("DONE {:.1}s", took.as_secs_f64()),
                    plain,
                );
            }
            Event::Failed { message } => {
                let at = board.row(step);
                board.failed = Some(at);
                board.end(step, State::Failed, &format!("ERROR: {message}"), plain);
            }
            Event::Canceled => {
                if board.by_step.contains_key(&step) {
                    board.end(step, State::Canceled, "CANCELED", plain);
                }
            }
        }
        if let Some(screen) = &mut board.screen {
            screen.draw(&board.rows, false);
        }
    }
}

impl Board {
    fn row(&mut self, step: Step) -> usize {
        let next = self.rows.len();
        let at = *self.by_step.entry(step).or_insert(next);
        if at == next {
            self.rows.push(Row {
                number: next + 1,
                name: String::new(),
                begun: Instant::now(),
                state: State::Running,
                log: Vec::new(),
                partial: Vec::new(),
                because: String::new(),
            });
        }
        at
    }

    /// Prints the headline of a step whose lines come next, when other lines came before.
    fn head(&mut self, at: usize) {
        if self.open == Some(at) {
            return;
        }
        let mut text = String::new();
        if let Some(open) = self.open.replace(at) {
            text.push_str(&format!("#{} ...\n\n", self.rows[open].number));
        }
        let row = &self.rows[at];
        text.push_str(&format!("#{} {}\n", row.number, row.name));
        print(&text);
    }

    fn log(&mut self, at: usize, bytes: &[u8], plain: bool) {
        let row = &mut self.rows[at];
        row.log.extend_from_slice(bytes);
        if row.log.len() > 2 * KEPT {
            row.log.drain(..row.log.len() - KEPT);
        }
        if !plain {
            return;
        }
        row.partial.extend_from_slice(bytes);
        let Some(end) = row.partial.iter().rposition(|byte| *byte == b'\n') else { return };
        let lines: Vec<u8> = row.partial.drain(..=end).collect();
        self.lines(at, &lines);
    }

    fn lines(&mut self, at: usize, lines: &[u8]) {
        self.head(at);
        let row = &self.rows[at];
        let time = row.begun.elapsed().as_secs_f64();
        let mut text = String::new();
        for line in String::from_utf8_lossy(lines).lines() {
            text.push_str(&format!("#{} {time:.3} {}\n", row.number, line.trim_end_matches('\r')));
        }
        print(&text);
    }

    fn end(&mut self, step: Step, state: State, word: &str, plain: bool) {
        let at = self.row(step);
        let rest = std::mem::take(&mut self.rows[at].partial);
        self.rows[at].state = state;
        if plain {
            if !rest.is_empty() {
                self.lines(at, &rest);
            }
            self.head(at);
            print(&format!("#{} {word}\n\n", self.rows[at].number));
            self.open = None;
        }
    }
}

fn print(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

fn as_json(step: Step, event: &Event) -> Option<String> {
    let vertex = step.0;
    let value = match event {
        Event::Started { name } => json!({"vertex": vertex, "event": "started", "name": name}),
        Event::Cached => json!({"vertex": vertex, "event": "cached"}),
        Event::Missed { because } => {
            json!({"vertex": vertex, "event": "missed", "because": because})
        }
        Event::Log { bytes, .. } => {
            json!({"vertex": vertex, "event": "log", "data": String::from_utf8_lossy(bytes)})
        }
        Event::Progress { name, current, total } => {
            json!({"vertex": vertex, "event": "progress", "name": name, "current": current, "total": total})
        }
        Event::Done { took } => {
            json!({"vertex": vertex, "event": "done", "seconds": took.as_secs_f64()})
        }
        Event::Failed { message } => json!({"vertex": vertex, "event": "error", "error": message}),
        Event::Canceled => json!({"vertex": vertex, "event": "canceled"}),
        Event::Warning { message } => json!({"event": "warning", "message": message}),
    };
    Some(value.to_string())
}
