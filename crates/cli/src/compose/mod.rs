//! `hako compose`: projects.

use crate::report::Failure;
use crate::session::Session;

/// Runs `hako compose` with the words after `compose`; returns the exit code.
///
/// # Errors
/// When the command fails.
pub(crate) fn main(_session: &Session, _words: &[String]) -> Result<u8, Failure> {
    Err(Failure::new("`hako compose` is not built into this hako"))
}
