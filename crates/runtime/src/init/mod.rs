//! The init stage: this binary, executed again inside the container's namespaces.

use std::process::ExitCode;

/// Performs the plan that arrives on the descriptor named by the second argument, then becomes the
/// user's program.
///
/// The binary calls it, first thing in `main`, when its first argument is `init`. It returns only
/// when something went wrong, after the caller has been told.
#[must_use]
pub fn init() -> ExitCode {
    ExitCode::FAILURE
}
