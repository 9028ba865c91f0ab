//! `up` without `--detach`: the containers' output on ours until they end, one of them ends the rest, or a signal does.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use hako_engine::log::LogOptions;
use hako_engine::model::Status;
use hako_project::apply::{ApplyOptions, Chosen, Work, stop};
use hako_project::{Actual, containers};
use hako_types::Moment;

use super::context::Context;
use super::logs::stream;
use super::printer::{Printer, label};
use super::up::Raised;
use crate::command::{complain, say};
use crate::report::Failure;
use crate::terminal::is_terminal;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// How `up` stays.
#[derive(Debug)]
pub(super) struct Attached<'a> {
    /// The services that are started.
    pub(super) services: &'a BTreeSet<String>,
    /// Those whose output is shown.
    pub(super) shown: &'a BTreeSet<String>,
    pub(super) colour: bool,
    pub(super) prefix: bool,
    pub(super) timestamps: bool,
    /// Stop all when one ends.
    pub(super) abort: bool,
    /// Stop all when one ends with another code than 0.
    pub(super) abort_on_failure: bool,
    pub(super) exit_from: Option<&'a str>,
}

/// Why it is over.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Over {
    /// No container runs any more.
    AllEnded,
    /// A container ended with this code.
    Ended(i32),
    /// A signal came.
    Signal(i32),
}

pub(super) fn run(
    context: &Context<'_>,
    raised: &Raised,
    attached: &Attached<'_>,
) -> Result<u8, Failure> {
    let colour = attached.colour && is_terminal(rustix::stdio::stdout());
    let printer = Printer::new(attached.prefix, colour, attached.timestamps, true);
    let signals = hako_sys::signal::descriptor(&[SIGINT, SIGTERM])
        .map_err(|error| Failure::io("signals cannot be waited for", &error))?;
    let since = Moment::now();
    context.screen.flow();
    say(&format!("Attaching to {}\n", names(context, raised, attached)?.join(", ")));
    let work = raised.work(context)?;
    std::thread::scope(|scope| {
        let mut follower =
            Follower { context, raised, attached, printer: &printer, since, seen: BTreeMap::new() };
        follower.look(scope)?;
        let starter = scope.spawn(|| work.start(attached.services, Some(&raised.plan)));
        let over = loop {
            if starter.is_finished() {
                break None;
            }
            if let Some(signal) = pending(&signals)? {
                break Some(Over::Signal(signal));
            }
            follower.look(scope)?;
            sleep(Duration::from_millis(20));
        };
        match over {
            Some(over) => finish(context, raised, attached, &over, &signals),
            None => match starter.join().unwrap_or(Ok(())) {
                Err(error) => Err(error.into()),
                Ok(()) => {
                    let over = wait(&mut follower, scope, &signals)?;
                    finish(context, raised, attached, &over, &signals)
                }
            },
        }
    })
}

/// Returns what the containers are called whose output is shown.
fn names(
    context: &Context<'_>,
    raised: &Raised,
    attached: &Attached<'_>,
) -> Result<Vec<String>, Failure> {
    let all = containers(context.engine()?, &raised.wanted.project.name)?;
    Ok(all
        .iter()
        .filter(|actual| !actual.oneoff && attached.shown.contains(&actual.service))
        .map(label)
        .collect())
}

fn pending(signals: &OwnedFd) -> Result<Option<i32>, Failure> {
    hako_sys::signal::next(signals).map_err(|error| Failure::io("signals cannot be read", &error))
}

/// Follows the output of containers as they appear.
struct Follower<'a> {
    context: &'a Context<'a>,
    raised: &'a Raised,
    attached: &'a Attached<'a>,
    printer: &'a Printer,
    since: Moment,
    /// How often each container had been started when it was looked at last.
    seen: BTreeMap<String, Moment>,
}

impl<'a> Follower<'a> {
    fn containers(&self) -> Result<Vec<Actual>, Failure> {
        let all = containers(self.context.engine()?, &self.raised.wanted.project.name)?;
        Ok(all
            .into_iter()
            .filter(|actual| !actual.oneoff && self.attached.services.contains(&actual.service))
            .collect())
    }

    /// Begins to follow what has been started since the last look.
    fn look<'scope>(
        &mut self,
        scope: &'scope std::thread::Scope<'scope, 'a>,
    ) -> Result<Vec<Actual>, Failure>
    where
        'a: 'scope,
    {
        let all = self.containers()?;
        for actual in all.iter().filter(|actual| self.attached.shown.contains(&actual.service)) {
            self.printer.register(&label(actual));
            let started = actual.container.live.state.started_at;
            let is_new = started > Moment::NEVER && self.seen.get(&actual.id) != Some(&started);
            if !is_new || (!actual.is_up() && started < self.since) {
                continue;
            }
            self.seen.insert(actual.id.clone(), started);
            let from = if started < self.since { self.since } else { started };
            let options = LogOptions {
                follow: true,
                since: Some(from),
                until: None,
                tail: None,
                stdout: true,
                stderr: true,
            };
            let (settings, actual, printer) =
                (self.context.engine()?.settings().clone(), actual.clone(), self.printer);
            scope.spawn(move || stream(settings, printer, &options, &actual));
        }
        Ok(all)
    }
}

/// Waits until it is over, and tells of every container that ends.
fn wait<'scope, 'a: 'scope>(
    follower: &mut Follower<'a>,
    scope: &'scope std::thread::Scope<'scope, 'a>,
    signals: &OwnedFd,
) -> Result<Over, Failure> {
    let mut told: BTreeSet<(String, Moment)> = BTreeSet::new();
    loop {
        if let Some(signal) = pending(signals)? {
            return Ok(Over::Signal(signal));
        }
        let all = follower.look(scope)?;
        for actual in all.iter().filter(|actual| actual.status == Status::Exited) {
            let state = &actual.container.live.state;
            if !told.insert((actual.id.clone(), state.finished_at)) {
                continue;
            }
            // The last lines come from another thread: they go first.
            sleep(Duration::from_millis(60));
            if follower.attached.shown.contains(&actual.service) {
                follower
                    .printer
                    .status(&label(actual), &format!("exited with code {}", state.exit_code));
            }
            let attached = follower.attached;
            let is_named = attached.exit_from.is_none_or(|name| name == actual.service);
            if (attached.abort && is_named) || (attached.abort_on_failure && state.exit_code != 0) {
                return Ok(Over::Ended(state.exit_code));
            }
            if attached.abort {
                return Ok(Over::Ended(0));
            }
        }
        if all.iter().all(|actual| !actual.is_up()) {
            return Ok(Over::AllEnded);
        }
        sleep(Duration::from_millis(40));
    }
}

/// Stops what still runs and returns the exit code.
fn finish(
    context: &Context<'_>,
    raised: &Raised,
    attached: &Attached<'_>,
    over: &Over,
    signals: &OwnedFd,
) -> Result<u8, Failure> {
    if *over == Over::AllEnded {
        return Ok(0);
    }
    if matches!(over, Over::Signal(_)) {
        complain("Gracefully Stopping... press Ctrl+C again to force\n");
    } else {
        complain("Aborting on container exit...\n");
    }
    let all = containers(context.engine()?, &raised.wanted.project.name)?;
    let meant = |actual: &Actual| !actual.oneoff && attached.services.contains(&actual.service);
    let chosen = Chosen { containers: all.into_iter().filter(meant).collect() };
    let done = AtomicBool::new(false);
    let options = raised.apply.clone();
    let forced = ApplyOptions { timeout: Some(0), ..options.clone() };
    let settings = context.engine()?.settings().clone();
    let work = |options| Work {
        settings: &settings,
        wanted: &raised.wanted,
        options,
        progress: context.screen.as_ref(),
    };
    let (gentle, hard) = (work(&options), work(&forced));
    std::thread::scope(|scope| -> Result<(), Failure> {
        let stopper = scope.spawn(|| {
            let result = stop(&gentle, &chosen);
            done.store(true, Ordering::SeqCst);
            result
        });
        while !done.load(Ordering::SeqCst) {
            if pending(signals)?.is_some() {
                stop(&hard, &chosen)?;
            }
            sleep(Duration::from_millis(20));
        }
        Ok(stopper.join().unwrap_or(Ok(()))?)
    })?;
    exit_code(context, raised, attached, over)
}

fn exit_code(
    context: &Context<'_>,
    raised: &Raised,
    attached: &Attached<'_>,
    over: &Over,
) -> Result<u8, Failure> {
    let to_code = |code: i32| u8::try_from(code & 0xff).unwrap_or(255);
    match (over, attached.exit_from) {
        (Over::Signal(SIGINT | SIGTERM), None) => Ok(130),
        (_, Some(name)) => {
            let all = containers(context.engine()?, &raised.wanted.project.name)?;
            let found = all.iter().find(|actual| actual.service == name && !actual.oneoff);
            Ok(found.map_or(0, |actual| to_code(actual.container.live.state.exit_code)))
        }
        (Over::Ended(code), None) => Ok(to_code(*code)),
        _ => Ok(0),
    }
}
