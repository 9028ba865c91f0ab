//! The init stage: this binary, executed again inside the container's namespaces.
//!
//! It performs the steps of a plan, one after the other, and then becomes the user's program. It
//! has one thread, all signals blocked, and no environment.

mod copy;
mod cover;
mod device;
mod inside;
mod kernel;
mod mount;
mod perform;
mod privilege;
mod program;
mod root;
mod stage;
mod terminal;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

use crate::channel::{self, Order};
use crate::plan::{Plan, Step};
pub(crate) use perform::flag;
use stage::Stage;

/// Performs the plan that arrives on the descriptor named by the second argument, then becomes the
/// user's program.
///
/// The binary calls it, first thing in `main`, when its first argument is `init`. It returns only
/// when something went wrong, after the caller has been told.
#[must_use]
pub fn init() -> ExitCode {
    let mut numbers = std::env::args().skip(2).map(|text| text.parse::<i32>().ok());
    let mut next =
        || numbers.next().flatten().and_then(|number| hako_sys::descriptor::inherit(number).ok());
    let Some(channel) = next() else { return ExitCode::FAILURE };
    let (gate, target) = (next(), next());
    let Ok(Some((Order::Begin(plan, filter), _))) = channel::receive(&channel) else {
        return ExitCode::FAILURE;
    };
    if close_others(&plan, &[Some(&channel), gate.as_ref(), target.as_ref()]).is_err() {
        return ExitCode::FAILURE;
    }
    run(Stage::new(channel, gate, target, filter), &plan)
}

/// Closes what the caller left open and the program is not to have: a container may wait for its
/// start for a long time, and `/proc` shows what init holds.
fn close_others(plan: &Plan, own: &[Option<&OwnedFd>]) -> io::Result<()> {
    let first = plan.inside.iter().find_map(|step| match step {
        Step::CloseFrom(first) => i32::try_from(*first).ok(),
        _ => None,
    });
    let own = own.iter().flatten().map(|file| file.as_raw_fd());
    let kept: Vec<_> = (0..first.unwrap_or(3)).chain(own).collect();
    hako_sys::descriptor::close_all_but(&kept)
}

/// Performs the steps of `plan`; the last of them does not return.
fn run(mut stage: Stage, plan: &Plan) -> ExitCode {
    // CAP_DAC_OVERRIDE; until it is executed, nothing is effective.
    stage.overrides = plan
        .inside
        .iter()
        .any(|step| matches!(step, Step::Capabilities(sets) if sets.effective & 1 << 1 != 0));
    for step in &plan.inside {
        if let Err(failure) = perform::perform(&mut stage, step) {
            stage.tell_failure(failure);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::FAILURE
}
