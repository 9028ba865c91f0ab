//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::report::Failure;

/// Asks whether to go on; anything but `y` or `yes` means no. The end of input means no too.
pub(crate) fn confirm(warning: &str) -> bool {
    let mut out = io::stdout().lock();
    write!(out, "{warning}\nAre you sure you want to continue? [y/N] ")
        .and_then(|()| out.flush())
        .ok();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).ok();
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for one line, shown or hidden.
///
/// # Errors
/// When standard input is no terminal, or ends.
pub(crate) fn ask(question: &str, hidden: bool) -> Result<String, Failure> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(Failure::new("Cannot perform an interactive login from a non TTY device"));
    }
    let mut out = io::stderr().lock();
    write!(out, "{question}").and_then(|()| out.flush()).ok();
    let hide = if hidden { Hide::enter() } else { None };
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    if hide.is_some() {
        writeln!(out).ok();
    }
    match read {
        Ok(0) | Err(_) => Err(Failure::new("no answer")),
        Ok(_) => Ok(answer.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hide(rustix::termios::Termios);

impl Hide {
    fn enter() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &hidden).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hide {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
