//! What may leave the engine when something goes wrong.

use std::error::Error;

/// What sort of thing went wrong, whoever is asking.
///
/// The API turns a kind into an HTTP status, the CLI into an exit code.
/// Nobody else may match on it; inside the engine, match on the error itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The caller asked for something malformed.
    Invalid,
    /// The named object does not exist.
    NotFound,
    /// The object exists but is in the wrong state.
    Conflict,
    /// The caller, or this process, lacks the right to do it.
    Denied,
    /// Something we depend on did not answer; trying again may help.
    Unavailable,
    /// We have a bug, or the machine does.
    Internal,
}

/// An error that may leave the engine.
///
/// `Display` says what failed and to what, in lower case, without its source: whoever prints
/// the chain of sources does that once.
pub trait Fault: Error + Send + Sync + 'static {
    /// Returns what sort of error this is.
    fn kind(&self) -> Kind;

    /// Returns what the user can do about it, when we know.
    ///
    /// One imperative sentence, without a trailing period.
    fn hint(&self) -> Option<String> {
        None
    }
}
