//! Hooks of the runtime's own moments: after the start, after the end.

use hako_runtime::spec::{Hook, State};

use super::log::Log;

/// Runs hooks whose failure changes nothing any more; each is reported, and the next one runs.
pub(super) fn run_all(moment: &str, hooks: &[Hook], state: &State, log: &Log) {
    for hook in hooks {
        if let Err(why) = hako_runtime::hook::run(hook, state) {
            log.warn(&format!("{moment} hook `{}` failed: {why}", hook.path.display()));
        }
    }
}
