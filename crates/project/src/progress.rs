//! What is told while work is done, in Compose's words.

/// How far something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Begun.
    Working,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Something a person should know.
    Warning,
}

/// Where progress goes. Called from several threads.
pub trait Progress: Sync {
    /// Tells that `subject` (`Container p-web-1`) is `what` (`Starting`, `Started`).
    fn tell(&self, subject: &str, what: &str, status: Status);
}

/// Progress that goes nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&self, _: &str, _: &str, _: Status) {}
}
