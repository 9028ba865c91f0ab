//! `logs`: what containers wrote, and write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use hako_engine::Engine;
use hako_engine::log::{Entry, LogOptions};
use hako_project::{Actual, containers};
use hako_types::Moment;

use super::Command;
use super::context::Context;
use super::printer::{Printer, label};
use super::scene::Scene;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::filter;
use crate::report::Failure;
use crate::terminal::is_terminal;

const FLAGS: &[Flag] = &[
    switch("follow", "go on with what comes").short('f'),
    value("index", "int", "the number of the service's container"),
    switch("no-color", "show no colours"),
    switch("no-log-prefix", "show no names before the lines"),
    value("since", "string", "from this moment on: a time, or an age such as 42m"),
    value("tail", "string", "lines from the end of each container (default all)").short('n'),
    switch("timestamps", "show when each line was printed").short('t'),
    value("until", "string", "up to this moment: a time, or an age such as 42m"),
];

pub(super) const COMMAND: Command = Command {
    names: &["logs"],
    about: "Show what containers write",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let now = Moment::now();
    let tail = match parsed.text("tail") {
        None | Some("all" | "") => None,
        Some(text) => {
            let bad = |_| Failure::new(format!("invalid value for \"tail\": {text}"));
            Some(text.parse::<usize>().map_err(bad)?)
        }
    };
    let options = LogOptions {
        follow: parsed.on("follow"),
        since: filter::moment(parsed, "since", now)?,
        until: filter::moment(parsed, "until", now)?,
        tail,
        stdout: true,
        stderr: true,
    };
    let scene = Scene::find(context)?;
    let mut chosen = scene.chosen(context, &parsed.words, false)?.containers;
    if parsed.given("index") {
        let index = parsed.integer("index")?;
        chosen.retain(|actual| i64::from(actual.number) == index);
    }
    let colour = match context.globals.text("ansi") {
        Some("always") => true,
        Some("never") => false,
        _ => is_terminal(rustix::stdio::stdout()),
    };
    let printer = Printer::new(
        !parsed.on("no-log-prefix"),
        colour && !parsed.on("no-color"),
        parsed.on("timestamps"),
        false,
    );
    chosen.iter().for_each(|actual| printer.register(&label(actual)));
    if options.follow {
        return follow(context, &scene, &parsed.words, (&printer, &options), chosen);
    }
    print_all(context.engine()?, &printer, &options, &chosen)
}

/// Prints what is there, oldest first over all containers.
fn print_all(
    engine: &Engine,
    printer: &Printer,
    options: &LogOptions,
    chosen: &[Actual],
) -> Result<u8, Failure> {
    let mut all: Vec<(usize, Entry)> = Vec::new();
    for (at, actual) in chosen.iter().enumerate() {
        for entry in engine.containers().logs(&actual.id, options)? {
            all.push((at, entry.map_err(|error| Failure::io("cannot read the log", &error))?));
        }
    }
    all.sort_by_key(|(_, entry)| entry.time);
    for (at, entry) in &all {
        if printer.entry(&label(&chosen[*at]), entry).is_err() {
            break;
        }
    }
    Ok(0)
}

/// Follows containers, and those that come later, until none is left that runs.
fn follow(
    context: &Context<'_>,
    scene: &Scene,
    names: &[String],
    (printer, options): (&Printer, &LogOptions),
    mut fresh: Vec<Actual>,
) -> Result<u8, Failure> {
    let engine = context.engine()?;
    let gone = AtomicBool::new(false);
    let running = std::sync::atomic::AtomicUsize::new(0);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    std::thread::scope(|scope| -> Result<(), Failure> {
        loop {
            for actual in fresh.drain(..).filter(|actual| seen.insert(actual.id.clone())) {
                printer.register(&label(&actual));
                running.fetch_add(1, Ordering::SeqCst);
                let (running, gone) = (&running, &gone);
                let (settings, options) = (engine.settings().clone(), options.clone());
                scope.spawn(move || {
                    if stream(settings, printer, &options, &actual).is_err() {
                        gone.store(true, Ordering::SeqCst);
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
            if gone.load(Ordering::SeqCst) || running.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
            let all = containers(engine, &scene.wanted.project.name)?;
            let meant = |actual: &Actual| {
                !actual.oneoff && (names.is_empty() || names.contains(&actual.service))
            };
            fresh = all.into_iter().filter(|actual| meant(actual) && actual.is_up()).collect();
        }
    })?;
    Ok(0)
}

/// Prints one container's lines until it ends.
pub(super) fn stream(
    settings: hako_engine::Settings,
    printer: &Printer,
    options: &LogOptions,
    actual: &Actual,
) -> std::io::Result<()> {
    let name = label(actual);
    let Ok(engine) = Engine::open(settings) else { return Ok(()) };
    let Ok(reader) = engine.containers().logs(&actual.id, options) else { return Ok(()) };
    for entry in reader {
        let Ok(entry) = entry else { return Ok(()) };
        printer.entry(&name, &entry)?;
    }
    Ok(())
}
