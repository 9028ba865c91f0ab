//! Commands on containers that are there: start, stop, restart, kill, pause, unpause, rm, wait.

use std::collections::BTreeSet;

use hako_engine::container::Wait;
use hako_engine::model::Status;
use hako_project::apply::{self, ApplyOptions, Chosen, Work, wait_ready};

use super::Command;
use super::context::Context;
use super::scene::Scene;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::command::{complain, say};
use crate::report::Failure;

const TIMEOUT: Flag = value("timeout", "int", "seconds that containers have to stop").short('t');
const RESTART_FLAGS: &[Flag] =
    &[switch("no-deps", "leave what depends on the services alone"), TIMEOUT];
const KILL_FLAGS: &[Flag] = &[
    switch("remove-orphans", ""),
    value("signal", "string", "signal to send (default SIGKILL)").short('s'),
];
const RM_FLAGS: &[Flag] = &[
    switch("all", ""),
    switch("force", "do not ask").short('f'),
    switch("stop", "stop them first").short('s'),
    switch("volumes", "remove their anonymous volumes, too").short('v'),
];
const START_FLAGS: &[Flag] = &[
    switch("wait", "wait until the services run and are healthy"),
    value("wait-timeout", "int", "seconds to wait at most"),
];
const WAIT_FLAGS: &[Flag] =
    &[switch("down-project", "take the project down when the first container ends")];

const fn syntax(flags: &'static [&'static [Flag]]) -> Syntax {
    Syntax { words: "[SERVICE...]", count: Words::AtLeast(0), program: false, flags }
}

pub(super) const START: Command = Command {
    names: &["start"],
    about: "Start containers that are there",
    syntax: syntax(&[START_FLAGS]),
    run: start,
};
pub(super) const STOP: Command = Command {
    names: &["stop"],
    about: "Stop containers",
    syntax: syntax(&[&[TIMEOUT]]),
    run: stop,
};
pub(super) const RESTART: Command = Command {
    names: &["restart"],
    about: "Restart containers",
    syntax: syntax(&[RESTART_FLAGS]),
    run: restart,
};
pub(super) const KILL: Command = Command {
    names: &["kill"],
    about: "Send a signal to containers",
    syntax: syntax(&[KILL_FLAGS]),
    run: kill,
};
pub(super) const PAUSE: Command =
    Command { names: &["pause"], about: "Freeze containers", syntax: syntax(&[]), run: pause };
pub(super) const UNPAUSE: Command = Command {
    names: &["unpause"],
    about: "Let frozen containers go on",
    syntax: syntax(&[]),
    run: unpause,
};
pub(super) const RM: Command = Command {
    names: &["rm"],
    about: "Remove stopped containers",
    syntax: syntax(&[RM_FLAGS]),
    run: rm,
};
pub(super) const WAIT: Command = Command {
    names: &["wait"],
    about: "Wait until containers end, then print their exit codes",
    syntax: Syntax {
        words: "SERVICE [SERVICE...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[WAIT_FLAGS],
    },
    run: wait,
};

fn options(context: &Context<'_>, parsed: &Parsed) -> Result<ApplyOptions, Failure> {
    let timeout = parsed.given("timeout").then(|| parsed.integer("timeout")).transpose()?;
    Ok(ApplyOptions { timeout, ..context.apply_options()? })
}

/// Does something to the containers of the services that are named.
fn act(
    context: &Context<'_>,
    parsed: &Parsed,
    keep: &dyn Fn(Status) -> bool,
    work: &dyn Fn(&Work<'_>, &Chosen) -> Result<(), hako_project::Error>,
) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let mut chosen = scene.chosen(context, &parsed.words, false)?;
    chosen.containers.retain(|actual| keep(actual.status));
    let options = options(context, parsed)?;
    work(&scene.work(context, &options)?, &chosen)?;
    Ok(0)
}

fn stop(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    act(context, parsed, &|_| true, &apply::stop)
}

fn kill(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let signal =
        parsed.text("signal").filter(|signal| !signal.is_empty()).unwrap_or("SIGKILL").to_owned();
    let is_up = |status| matches!(status, Status::Running | Status::Paused | Status::Restarting);
    act(context, parsed, &is_up, &|work, chosen| apply::kill(work, chosen, &signal))
}

fn pause(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    act(context, parsed, &|status| status == Status::Running, &apply::pause)
}

fn unpause(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    act(context, parsed, &|status| status == Status::Paused, &apply::unpause)
}

fn start(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, false)?;
    let there: BTreeSet<String> =
        chosen.containers.iter().map(|actual| actual.service.clone()).collect();
    if let Some(name) = parsed.words.iter().find(|name| !there.contains(*name)) {
        return Err(Failure::new(format!("service \"{name}\" has no container to start")));
    }
    let services = match &scene.loaded {
        Some(loaded) => {
            with_needs(loaded, scene.containers(context, false)?.iter().map(|a| &a.service), &there)
        }
        None => there.clone(),
    };
    let options = options(context, parsed)?;
    let work = scene.work(context, &options)?;
    work.start(&services, None)?;
    if parsed.on("wait") {
        let limit =
            parsed.given("wait-timeout").then(|| parsed.integer("wait-timeout")).transpose()?;
        let limit =
            limit.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        wait_ready(&work, &there, limit.map(std::time::Duration::from_secs))?;
    }
    Ok(0)
}

/// Returns services and what they need, as far as there are containers.
fn with_needs<'n>(
    loaded: &hako_compose::Loaded,
    existing: impl Iterator<Item = &'n String>,
    services: &BTreeSet<String>,
) -> BTreeSet<String> {
    let existing: BTreeSet<&String> = existing.collect();
    let mut out = BTreeSet::new();
    let mut rest: Vec<String> = services.iter().cloned().collect();
    while let Some(name) = rest.pop() {
        if existing.contains(&name) && out.insert(name.clone()) {
            rest.extend(
                loaded
                    .service(&name)
                    .into_iter()
                    .flat_map(|service| service.depends_on.keys().cloned()),
            );
        }
    }
    out
}

fn restart(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let mut chosen = scene.chosen(context, &parsed.words, false)?;
    let options = options(context, parsed)?;
    let work = scene.work(context, &options)?;
    if !parsed.words.is_empty() && !parsed.on("no-deps") {
        let names: BTreeSet<String> = parsed.words.iter().cloned().collect();
        let more: Vec<String> = apply::restart_dependents(&work, &names).into_iter().collect();
        let all = scene.containers(context, false)?;
        chosen.containers = all
            .into_iter()
            .filter(|actual| {
                names.contains(&actual.service)
                    || (more.contains(&actual.service) && actual.is_up())
            })
            .collect();
    }
    apply::restart(&work, &chosen)?;
    Ok(0)
}

fn rm(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let mut chosen = scene.chosen(context, &parsed.words, true)?;
    let options = options(context, parsed)?;
    let work = scene.work(context, &options)?;
    if parsed.on("stop") {
        apply::stop(&work, &chosen)?;
    } else {
        chosen.containers.retain(|actual| !actual.is_up());
    }
    if chosen.containers.is_empty() {
        complain("No stopped containers\n");
        return Ok(0);
    }
    if !parsed.on("force") && !context.is_dry() {
        let names: Vec<&str> =
            chosen.containers.iter().map(|actual| actual.name.as_str()).collect();
        if !confirmed(&format!("Going to remove {}", names.join(", ")))? {
            return Ok(0);
        }
    }
    apply::remove(&work, &chosen, parsed.on("volumes"))?;
    Ok(0)
}

/// Asks for a yes.
fn confirmed(question: &str) -> Result<bool, Failure> {
    complain(&format!("? {question} (y/N) "));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::io("the answer cannot be read", &error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn wait(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, false)?;
    if chosen.containers.is_empty() {
        return Err(Failure::new(format!(
            "no containers for project \"{}\"",
            scene.wanted.project.name
        )));
    }
    let engine = context.engine()?;
    let mut last = 0;
    for actual in &chosen.containers {
        let code = engine.containers().wait(&actual.id, Wait::NotRunning)?;
        say(&format!("container \"{}\" exited with status code {code}\n", actual.name));
        last = code;
        if parsed.on("down-project") {
            break;
        }
    }
    if parsed.on("down-project") {
        let options = options(context, parsed)?;
        apply::down(&scene.work(context, &options)?, &apply::DownOptions::default())?;
    }
    Ok(u8::try_from(last & 0xff).unwrap_or(255))
}
