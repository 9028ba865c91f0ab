//! Raw mode and size of a terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// Tells whether `file` is a terminal.
pub(crate) fn is_terminal(file: impl AsFd) -> bool {
    isatty(file)
}

/// Returns the columns and rows of the terminal that `file` is, where it is one and knows.
pub(crate) fn size(file: impl AsFd) -> Option<(u16, u16)> {
    let size = tcgetwinsize(file).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// A terminal in raw mode: keys arrive one by one and as they are. Dropping it brings the old mode back.
#[derive(Debug)]
pub(crate) struct Raw {
    file: OwnedFd,
    before: Termios,
}

impl Raw {
    /// Puts the terminal into raw mode; does nothing to what is no terminal.
    pub(crate) fn enter(file: BorrowedFd<'_>) -> Option<Self> {
        let before = tcgetattr(file).ok()?;
        let file = file.try_clone_to_owned().ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&file, OptionalActions::Now, &raw).ok()?;
        Some(Self { file, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        tcsetattr(&self.file, OptionalActions::Now, &self.before).ok();
    }
}
