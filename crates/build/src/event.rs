//! What is told while a build goes on. Whoever shows it decides how.

use std::time::Duration;

/// A step in the order of being told: the solver's vertices, and what is around them (loading, exporting).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Step(pub usize);

/// Which of a command's outputs a piece of text came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// The standard output.
    Out,
    /// The standard error output.
    Error,
}

/// Something that happened to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It begins.
    Started {
        /// What people see.
        name: String,
    },
    /// Its result was there.
    Cached,
    /// Its result was not there.
    Missed {
        /// What was different the last time, where there was one.
        because: String,
    },
    /// It wrote something.
    Log {
        /// Where to.
        stream: Stream,
        /// What: any bytes, not whole lines.
        bytes: Vec<u8>,
    },
    /// Something within it goes on.
    Progress {
        /// What.
        name: String,
        /// How much is done.
        current: u64,
        /// How much there is, where that is known.
        total: Option<u64>,
    },
    /// It is done.
    Done {
        /// How long it took.
        took: Duration,
    },
    /// It went wrong.
    Failed {
        /// Why.
        message: String,
    },
    /// It was given up because another one went wrong.
    Canceled,
    /// Something to look at.
    Warning {
        /// What.
        message: String,
    },
}

/// Where events go. Several threads call it at once.
pub trait Events: Sync {
    /// Takes one event.
    fn event(&self, step: Step, event: Event);
}

/// Nobody is listening.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: Step, _: Event) {}
}
