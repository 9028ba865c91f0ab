//! Steps that are the same are done once: the second waits for the first.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::cache::Record;
use crate::key::Key;

/// The steps that are being done or were done in this build, by key.
#[derive(Debug, Default)]
pub(super) struct Flights {
    known: Mutex<HashMap<Key, Option<Record>>>,
    landed: Condvar,
}

/// What to do about a step.
#[derive(Debug)]
pub(super) enum Turn {
    /// Do it, and [`land`](Flights::land).
    Mine,
    /// Somebody has done it.
    Done(Record),
}

impl Flights {
    /// Waits until nobody else does the step; says whether it has been done.
    pub(super) fn turn(&self, key: &Key) -> Turn {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match known.get(key) {
                None => {
                    known.insert(key.clone(), None);
                    return Turn::Mine;
                }
                Some(Some(record)) => return Turn::Done(record.clone()),
                Some(None) => {
                    known = self.landed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Says how the step ended; one that failed may be tried by the next.
    pub(super) fn land(&self, key: &Key, record: Option<&Record>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match record {
            Some(record) => known.insert(key.clone(), Some(record.clone())),
            None => known.remove(key),
        };
        self.landed.notify_all();
    }
}
