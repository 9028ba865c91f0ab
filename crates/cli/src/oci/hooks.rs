//! Hooks of the runtime's own moments: after the start, after the end.

use hako_runtime::spec::{Hook, State};

use super::Failure;
use super::log::Log;

/// Runs the hooks after the start up to the first that fails: the container then has to end.
pub(super) fn run_poststart(hooks: &[Hook], state: &State) -> Result<(), Failure> {
    for (number, hook) in hooks.iter().enumerate() {
        hako_runtime::hook::run(hook, state).map_err(|why| {
            Failure::new(format!("error running poststart hook #{number}: {why}"))
        })?;
    }
    Ok(())
}

/// Runs hooks whose failure changes nothing any more; each is reported, and the next one runs.
pub(super) fn run_poststop(hooks: &[Hook], state: &State, log: &Log) {
    for (number, hook) in hooks.iter().enumerate() {
        if let Err(why) = hako_runtime::hook::run(hook, state) {
            log.warn(&format!("error running poststop hook #{number}: {why}"));
        }
    }
}
