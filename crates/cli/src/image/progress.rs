//! The progress of a pull or a push: a line for each layer that is redrawn on a terminal, plain lines elsewhere.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hako_image::transfer::{self, Event, Status};
use hako_types::Bytes;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Not at all.
    Quiet,
    /// As lines on standard output.
    Stdout,
    /// As lines on standard error.
    Stderr,
}

/// The time between two drawings of the same thing.
const PAUSE: Duration = Duration::from_millis(80);
/// The width of a bar.
const BAR: u64 = 50;

/// Shows what a transfer reports.
#[derive(Debug)]
pub(crate) struct Progress {
    mode: Mode,
    redraws: bool,
    board: Mutex<Board>,
}

/// What is drawn.
#[derive(Debug, Default)]
struct Board {
    lines: Vec<Line>,
    drawn: usize,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Line {
    id: String,
    words: String,
    bar: String,
}

impl Progress {
    /// Returns progress that is shown in `mode`.
    pub(crate) fn new(mode: Mode) -> Self {
        let redraws = match mode {
            Mode::Quiet => false,
            Mode::Stdout => crate::terminal::is_terminal(rustix::stdio::stdout()),
            Mode::Stderr => crate::terminal::is_terminal(rustix::stdio::stderr()),
        };
        Self { mode, redraws, board: Mutex::default() }
    }

    /// Prints a line of its own; the layers before it stay as they are.
    pub(crate) fn say(&self, line: &str) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if self.redraws {
            self.draw(&mut board, true);
        }
        *board = Board::default();
        self.write(&format!("{line}\n"));
    }

    fn write(&self, text: &str) {
        match self.mode {
            Mode::Quiet => {}
            Mode::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
            }
            Mode::Stderr => {
                io::stderr().lock().write_all(text.as_bytes()).ok();
            }
        }
    }

    fn layer(&self, id: &str, status: Status<'_>, current: u64, total: u64) {
        let words = status.words();
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let position = board.lines.iter().position(|line| line.id == id);
        let changed = position.is_none_or(|at| board.lines[at].words != words);
        if !self.redraws {
            if changed
                && !matches!(status, Status::Downloading | Status::Extracting | Status::Pushing)
            {
                self.write(&format!("{id}: {words}\n"));
            }
            if changed {
                set(&mut board, position, Line { id: id.to_owned(), words, bar: String::new() });
            }
            return;
        }
        let moving = matches!(status, Status::Downloading | Status::Extracting | Status::Pushing);
        let bar = if moving { bar(current, total) } else { String::new() };
        set(&mut board, position, Line { id: id.to_owned(), words, bar });
        if changed || board.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.draw(&mut board, false);
        }
    }

    /// Draws the lines anew, over those that were drawn before: all of them, or those that move where the terminal is too
    /// low for all.
    fn draw(&self, board: &mut Board, last: bool) {
        let rows = crate::terminal::size(rustix::stdio::stderr())
            .map_or(24, |(_, rows)| usize::from(rows));
        let room = if last { usize::MAX } else { rows.saturating_sub(2).max(1) };
        let crowded = board.lines.len() > room;
        let shown = board.lines.iter().filter(|line| !crowded || !line.bar.is_empty()).take(room);
        let mut text = String::new();
        if board.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", board.drawn));
        }
        let mut count = 0;
        for line in shown {
            text.push_str(&format!("\r\x1b[2K{}: {} {}\n", line.id, line.words, line.bar));
            count += 1;
        }
        // What was drawn before and is not now is wiped out, so that the place stays the same.
        for _ in count..board.drawn {
            text.push_str("\r\x1b[2K\n");
        }
        board.drawn = count.max(board.drawn);
        board.last = Some(Instant::now());
        self.write(&text);
    }
}

fn set(board: &mut Board, position: Option<usize>, line: Line) {
    match position {
        Some(at) => board.lines[at] = line,
        None => board.lines.push(line),
    }
}

/// Returns `[=====>     ]  1.2MB/33MB`.
fn bar(current: u64, total: u64) -> String {
    if total == 0 {
        return Bytes(current).human3();
    }
    let done = usize::try_from(current.min(total).saturating_mul(BAR) / total).unwrap_or(0);
    let width = usize::try_from(BAR).unwrap_or(0);
    let head = if done < width { ">" } else { "" };
    let line = format!("{}{head}", "=".repeat(done));
    format!("[{line:width$}]  {:>8}/{}", Bytes(current).human3(), Bytes(total).human3())
}

impl transfer::Progress for Progress {
    fn report(&self, event: &Event<'_>) {
        if self.mode == Mode::Quiet {
            return;
        }
        match event {
            Event::Layer { id, status, current, total } => {
                self.layer(id.short(), *status, *current, *total);
            }
            Event::Resolving { .. } | Event::Resolved { .. } | Event::Pushed { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow() {
        assert_eq!(bar(0, 100), format!("[>{}]        0B/100B", " ".repeat(49)));
        assert_eq!(bar(100, 100), format!("[{}]      100B/100B", "=".repeat(50)));
        assert_eq!(bar(1500, 0), "1.5kB");
    }
}
