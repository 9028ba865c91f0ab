//! The steps of a build on a terminal, redrawn in place.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::display::{Row, State};

/// Lines of a running step's output that are shown.
const TAIL: usize = 6;
/// Time between two drawings.
const PAUSE: Duration = Duration::from_millis(60);

/// What is drawn on the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    begun: Instant,
    last: Option<Instant>,
    lines: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), last: None, lines: 0 }
    }

    /// Draws all steps over what was drawn before; not too often, unless it is the `last` time.
    pub(super) fn draw(&mut self, rows: &[Row], last: bool) {
        if !last && self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        let (width, height) = crate::terminal::size(rustix::stdio::stderr())
            .map_or((80, 24), |(w, h)| (usize::from(w), usize::from(h)));
        let ended = rows.iter().filter(|row| row.state != State::Running).count();
        let word = if last { "FINISHED" } else { "" };
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut lines = vec![format!("[+] Building {seconds:.1}s ({ended}/{}) {word}", rows.len())];
        for row in rows {
            lines.push(line(row, width));
            if row.state == State::Running && !last {
                let text = String::from_utf8_lossy(&row.log);
                let tail: Vec<&str> = text.lines().rev().take(TAIL).collect();
                lines.extend(
                    tail.into_iter()
                        .rev()
                        .map(|text| cut(&format!(" => => # {}", clean(text)), width)),
                );
            }
        }
        if !last && lines.len() + 1 > height {
            let surplus = lines.len() + 1 - height;
            lines.drain(1..=surplus.min(lines.len() - 1));
        }
        let mut text = String::new();
        if self.lines > 0 {
            text.push_str(&format!("\x1b[{}A\x1b[J", self.lines));
        }
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        self.lines = lines.len();
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

fn line(row: &Row, width: usize) -> String {
    let time = match &row.state {
        State::Done(took) => took.as_secs_f64(),
        State::Running => row.begun.elapsed().as_secs_f64(),
        _ => 0.0,
    };
    let word = match row.state {
        State::Cached => "CACHED ",
        State::Failed => "ERROR ",
        State::Canceled => "CANCELED ",
        _ => "",
    };
    let time = format!("{time:.1}s");
    let head = cut(&format!(" => {word}{}", row.name), width.saturating_sub(time.len() + 2));
    let filled = head.chars().count() + time.len() + 1;
    let text = format!("{head} {}{time}", " ".repeat(width.saturating_sub(filled + 1)));
    match row.state {
        State::Running => text,
        State::Failed => format!("\x1b[31m{text}\x1b[0m"),
        _ => format!("\x1b[34m{text}\x1b[0m"),
    }
}

/// Returns as much of a line as fits.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width.max(10)).collect()
}

/// Returns a line without what would move the cursor.
fn clean(text: &str) -> String {
    text.rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default()
        .chars()
        .filter(|ch| !ch.is_control())
        .collect()
}
