//! `stop`.

use super::Command;
use super::each::each_printing;
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::report::Failure;
use crate::session::Session;

/// The flags of `stop` and `restart`.
pub(super) const FLAGS: &[Flag] = &[
    value("signal", "string", "signal that asks the program to stop").short('s'),
    value("timeout", "int", "seconds until it is killed, -1 for never").short('t'),
    value("time", "int", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["stop", "container stop"],
    about: "Stop one or more running containers",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

/// Returns the seconds that were asked for.
pub(super) fn timeout(parsed: &Parsed) -> Result<Option<i64>, Failure> {
    let flag = if parsed.given("timeout") { "timeout" } else { "time" };
    Ok(parsed.given(flag).then(|| parsed.integer(flag)).transpose()?)
}

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let timeout = timeout(parsed)?;
    let signal = parsed.text("signal").filter(|signal| !signal.is_empty());
    at_once(session, &parsed.words, |engine, name| {
        Ok(engine.containers().stop(name, signal, timeout)?)
    })
}

/// Does `work` to all containers at the same time, each with an engine of its own, and tells of each in order.
pub(super) fn at_once(
    session: &Session,
    names: &[String],
    work: impl Fn(&hako_engine::Engine, &str) -> Result<(), Failure> + Sync,
) -> Result<u8, Failure> {
    let engine = session.engine()?;
    if names.len() == 1 {
        return each_printing(names, |name| work(engine, name).map(|()| Some(name.to_owned())));
    }
    let settings = engine.settings();
    let mut results = std::thread::scope(|scope| {
        let start = |name: &String| {
            let (name, settings, work) = (name.clone(), settings.clone(), &work);
            scope.spawn(move || work(&hako_engine::Engine::open(settings)?, &name))
        };
        let running: Vec<_> = names.iter().map(start).collect();
        let joined = running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a thread of the command has ended early")))
        });
        joined.collect::<Vec<Result<(), Failure>>>().into_iter()
    });
    each_printing(names, |name| results.next().unwrap_or(Ok(())).map(|()| Some(name.to_owned())))
}
