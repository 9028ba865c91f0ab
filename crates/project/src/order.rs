//! Work on services in dependency order, side by side where they do not need one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// Which end comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// What is needed comes first.
    Up,
    /// What needs others comes first.
    Down,
}

struct State<E> {
    waiting: BTreeMap<String, BTreeSet<String>>,
    running: usize,
    failed: Option<E>,
}

/// Calls `work` once for each key of `needs`, after the calls for what it needs (or, downwards, for what needs it) have
/// ended, at most `parallel` at a time. After a failure nothing new begins.
///
/// # Errors
/// The first failure.
pub fn in_order<E: Send>(
    needs: &BTreeMap<String, BTreeSet<String>>,
    direction: Direction,
    parallel: usize,
    work: &(dyn Fn(&str) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let waiting = blockers(needs, direction);
    let state = Mutex::new(State { waiting, running: 0, failed: None });
    let changed = Condvar::new();
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        loop {
            let mut guard = lock();
            let next = loop {
                if guard.failed.is_some() || guard.waiting.is_empty() {
                    return;
                }
                let ready = guard
                    .waiting
                    .iter()
                    .find(|(_, blockers)| blockers.is_empty())
                    .map(|(name, _)| name.clone());
                match ready {
                    Some(name) if guard.running < parallel.max(1) => break name,
                    None if guard.running == 0 => return,
                    _ => guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                }
            };
            guard.waiting.remove(&next);
            guard.running += 1;
            drop(guard);
            let (lock, changed) = (&lock, &changed);
            scope.spawn(move || {
                let result = work(&next);
                let mut guard = lock();
                guard.running -= 1;
                match result {
                    Ok(()) => guard.waiting.values_mut().for_each(|blockers| {
                        blockers.remove(&next);
                    }),
                    Err(error) => {
                        guard.failed.get_or_insert(error);
                    }
                }
                changed.notify_all();
            });
        }
    });
    match state.into_inner().unwrap_or_else(PoisonError::into_inner).failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Turns "needs" into "has to wait for", among the keys alone.
fn blockers(
    needs: &BTreeMap<String, BTreeSet<String>>,
    direction: Direction,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> =
        needs.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
    for (name, others) in needs {
        for other in others.iter().filter(|other| needs.contains_key(*other) && *other != name) {
            let (waits, first) = match direction {
                Direction::Up => (name, other),
                Direction::Down => (other, name),
            };
            out.entry(waits.clone()).or_default().insert(first.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> BTreeMap<String, BTreeSet<String>> {
        [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec![]), ("d", vec!["c", "gone"])]
            .into_iter()
            .map(|(name, others)| {
                (name.to_owned(), others.into_iter().map(str::to_owned).collect())
            })
            .collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_goes_last() {
        for (direction, earlier, later) in [(Direction::Up, "c", "a"), (Direction::Down, "a", "c")]
        {
            let seen = Mutex::new(Vec::new());
            in_order::<()>(&needs(), direction, 4, &|name| {
                seen.lock().unwrap().push(name.to_owned());
                Ok(())
            })
            .unwrap();
            let seen = seen.into_inner().unwrap();
            let at = |name: &str| seen.iter().position(|found| found == name).unwrap();
            assert_eq!(seen.len(), 4);
            assert!(at(earlier) < at("b") && at("b") < at(later));
        }
    }

    #[test]
    fn after_a_failure_nothing_new_begins() {
        let seen = Mutex::new(Vec::new());
        let result = in_order(&needs(), Direction::Up, 1, &|name| {
            seen.lock().unwrap().push(name.to_owned());
            if name == "b" { Err("no") } else { Ok(()) }
        });
        assert_eq!(result, Err("no"));
        assert_eq!(*seen.lock().unwrap(), ["c", "b"]);
    }
}
