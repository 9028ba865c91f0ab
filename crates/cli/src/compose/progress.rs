//! Progress on standard error, in Compose's words: a line per change, or on a terminal one line per thing that changes.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hako_project::{Progress, Status};

use crate::report::Failure;
use crate::terminal::{is_terminal, size};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Not at all.
    Quiet,
    /// A line per change.
    Plain,
    /// A JSON object per change.
    Json,
    /// One line per thing, written over.
    Terminal,
}

impl Mode {
    pub(super) fn parse(text: &str, ansi: &str) -> Result<Self, Failure> {
        match text {
            "quiet" => Ok(Self::Quiet),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            "tty" => Ok(Self::Terminal),
            "auto" | "" if ansi != "never" && is_terminal(rustix::stdio::stderr()) => {
                Ok(Self::Terminal)
            }
            "auto" | "" => Ok(Self::Plain),
            _ => Err(Failure::new(format!("unsupported --progress value \"{text}\""))),
        }
    }
}

#[derive(Debug)]
struct Line {
    subject: String,
    what: String,
    status: Status,
    since: Instant,
    took: Option<f64>,
}

/// Where progress goes.
#[derive(Debug)]
pub(super) struct Screen {
    mode: Mode,
    dry: bool,
    lines: Mutex<Vec<Line>>,
    flows: AtomicBool,
}

impl Screen {
    pub(super) fn new(mode: Mode, dry: bool) -> Self {
        Self { mode, dry, lines: Mutex::new(Vec::new()), flows: AtomicBool::new(false) }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Ends the block of lines that is written over: what follows stands below it.
    pub(super) fn settle(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Writes nothing over from here on: others write to the terminal as well.
    pub(super) fn flow(&self) {
        self.settle();
        self.flows.store(true, Ordering::SeqCst);
    }

    /// Tells whether so many lines can be written over.
    fn fits(&self, lines: usize) -> bool {
        let rows = size(rustix::stdio::stderr()).map_or(24, |(_, rows)| usize::from(rows));
        !self.flows.load(Ordering::SeqCst) && lines < rows
    }

    fn redraw(lines: &[Line], before: usize) -> String {
        let mut out = String::new();
        if before > 0 {
            out.push_str(&format!("\x1b[{before}A"));
        }
        let width = lines.iter().map(|line| line.subject.chars().count()).max().unwrap_or(0);
        for line in lines {
            let (mark, colour) = match line.status {
                Status::Done => ("✔", "32"),
                Status::Failed => ("✘", "31"),
                Status::Warning => ("!", "33"),
                Status::Working => ("⠿", "34"),
            };
            let took = line.took.unwrap_or_else(|| line.since.elapsed().as_secs_f64());
            out.push_str(&format!(
                "\x1b[2K \x1b[{colour}m{mark}\x1b[0m {:<width$}  \x1b[{colour}m{:<12}\x1b[0m {took:>6.1}s\n",
                line.subject, line.what
            ));
        }
        out
    }
}

impl Progress for Screen {
    fn tell(&self, subject: &str, what: &str, status: Status) {
        let dry = if self.dry { "DRY-RUN MODE - " } else { "" };
        let text = match self.mode {
            Mode::Quiet => return,
            Mode::Plain => format!(" {dry}{subject}  {what}\n"),
            Mode::Json => {
                let status = match status {
                    Status::Working => "Working",
                    Status::Done => "Done",
                    Status::Failed => "Error",
                    Status::Warning => "Warning",
                };
                format!(
                    "{}\n",
                    serde_json::json!({"dry-run": self.dry, "id": subject, "status": status, "text": what})
                )
            }
            Mode::Terminal => {
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let before = lines.len();
                let is_over = status != Status::Working;
                match lines.iter_mut().find(|line| line.subject == subject) {
                    Some(line) => {
                        if line.took.is_some() && !is_over {
                            line.since = Instant::now();
                        }
                        line.took = is_over.then(|| line.since.elapsed().as_secs_f64());
                        what.clone_into(&mut line.what);
                        line.status = status;
                    }
                    None => lines.push(Line {
                        subject: subject.to_owned(),
                        what: what.to_owned(),
                        status,
                        since: Instant::now(),
                        took: is_over.then_some(0.0),
                    }),
                }
                let text = if self.fits(lines.len()) {
                    Self::redraw(&lines, before)
                } else {
                    lines.retain(|line| line.subject == subject);
                    Self::redraw(&lines, 0)
                };
                io::stderr().lock().write_all(text.as_bytes()).ok();
                return;
            }
        };
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}
