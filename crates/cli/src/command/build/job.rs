//! One build: from flags to an outcome.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use hako_build::event::{Event, Events, Step};
use hako_build::{Cancel, Request};
use hako_engine::build::{AROUND, BuildError, Exported, Job, Puller};
use hako_types::{Fault, Platform, Reference};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::display::Display;
use super::inputs::Inputs;
use super::output::Output;
use super::{asked, inspection, mistakes, secrets};
use crate::args::Parsed;
use crate::report::Failure;
use crate::session::Session;
use crate::{image, terminal};

/// Builds what the flags say, or only checks.
pub(super) fn run(session: &Session, parsed: &Parsed, only_check: bool) -> Result<u8, Failure> {
    let outputs = asked::outputs(session, parsed)?;
    let tags: Vec<Reference> =
        parsed.all("tag").map(asked::tagged).collect::<Result<_, Failure>>()?;
    let secrets = secrets::secrets(session, &parsed.list("secret"))?;
    let ssh = secrets::agents(session, &parsed.list("ssh"))?;
    let mut contexts = BTreeMap::new();
    let named = asked::named_contexts(session, parsed, &mut contexts)?;
    let Some(path) = parsed.words.first() else {
        return Err(Failure::new("\"hako build\" requires 1 argument")
            .with_hint("give it a directory: `hako build .`"));
    };
    let run = asked::run_defaults(parsed)?;
    let platform = asked::platform(parsed)?;
    asked::unsupported(parsed);
    let inputs = Inputs::read(session, path, parsed.text("file"))?;
    let host_network = run.network == hako_build::request::Network::Host;
    let request = Request {
        dockerfile: inputs.text.clone(),
        target: parsed.text("target").map(str::to_owned),
        arguments: asked::arguments(session, parsed),
        labels: asked::pairs(parsed, "label"),
        platform: platform.unwrap_or_else(Platform::host),
        contexts: named,
        no_cache: asked::no_cache(parsed),
        run,
        has_context: inputs.context.is_some(),
        project: format!("{} {}", session.around.absolute(path).display(), inputs.name),
    };
    contexts.extend(inputs.context.clone().map(|context| (String::new(), context)));
    if only_check || parsed.on("check") || parsed.text("call") == Some("check") {
        return inspection::check(&inputs);
    }
    if parsed.on("list-context") {
        return inspection::list_context(&inputs);
    }
    let display = Display::new(asked::mode(session, parsed)?);
    let cancel = Cancel::default();
    let job = Job {
        request,
        contexts,
        secrets,
        ssh,
        pull: parsed.on("pull"),
        allow_insecure: parsed.all("allow").any(|what| what.contains("security.insecure")),
        allow_host_network: host_network
            || parsed.all("allow").any(|what| what.contains("network.host")),
        puller: &Registries { session },
        events: &display,
        cancel: &cancel,
    };
    finish(session, (&job, &inputs, &display), (&outputs, &tags), parsed)
}

fn finish(
    session: &Session,
    (job, inputs, display): (&Job<'_>, &Inputs, &Display),
    (outputs, tags): (&[Output], &[Reference]),
    parsed: &Parsed,
) -> Result<u8, Failure> {
    let (ended, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| Failure::io("cannot watch for signals", &errno.into()))?;
    let signals = hako_sys::signal::descriptor(&ENDING)
        .map_err(|error| Failure::io("cannot watch for signals", &error))?;
    let (made, signal) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&signals, &ended, (display, job.cancel)));
        let made = build(session, job, display, (outputs, tags));
        drop(end);
        (made, watcher.join().ok().flatten())
    });
    let warnings = display.finish();
    if parsed.on("explain") {
        crate::command::complain(&display.explained());
    }
    let exported = match made {
        Ok(exported) => exported,
        Err(_) if signal.is_some() => {
            crate::command::complain("error: canceled\n");
            return Err(Failure::silent(u8::try_from(128 + signal.unwrap_or(0)).unwrap_or(1)));
        }
        Err(Ended::Failure(failure)) => return Err(failure),
        Err(Ended::Build(error)) => return Err(explained(*error, inputs, display)),
    };
    if !parsed.on("quiet") {
        warnings
            .iter()
            .for_each(|warning| crate::command::complain(&format!("warning: {warning}\n")));
    }
    tell(session, parsed, exported.as_ref(), tags)?;
    if parsed.on("quiet")
        && let Some(exported) = &exported
        && !outputs.iter().any(Output::is_stdout)
    {
        crate::command::say(&format!("{}\n", exported.image.id));
    }
    Ok(0)
}

/// The signals that end a build: hang-up, interrupt, termination.
const ENDING: [i32; 3] = [1, 2, 15];

/// Waits until `ended` hangs up; redraws meanwhile, and ends the build at a signal, whose number is returned.
fn watch(
    signals: &OwnedFd,
    ended: &OwnedFd,
    (display, cancel): (&Display, &Cancel),
) -> Option<i32> {
    let pause = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut signal = None;
    loop {
        let mut ends = [PollFd::new(signals, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        let pause = display.is_drawn().then_some(&pause);
        match poll(&mut ends, pause) {
            Ok(0) => display.tick(),
            Ok(_) if !ends[1].revents().is_empty() => return signal,
            Ok(_) => {
                signal = signal.or(hako_sys::signal::next(signals).ok().flatten());
                cancel.cancel();
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return signal,
        }
    }
}

/// Why there is no result.
enum Ended {
    Build(Box<BuildError>),
    Failure(Failure),
}

fn build(
    session: &Session,
    job: &Job<'_>,
    display: &Display,
    (outputs, tags): (&[Output], &[Reference]),
) -> Result<Option<Exported>, Ended> {
    let engine = session.engine().map_err(Ended::Failure)?;
    let outcome =
        hako_engine::build::build(engine, job).map_err(|error| Ended::Build(Box::new(error)))?;
    session.mark("build");
    let step = Step(2 * AROUND);
    let begin = std::time::Instant::now();
    display.event(step, Event::Started { name: "exporting".into() });
    let mut exported = None;
    for output in outputs {
        let made = output.make(session, &outcome, tags).map_err(Ended::Failure)?;
        exported = exported.or(made);
    }
    if let Some(exported) = &exported {
        let mut bytes = format!("writing image {}\n", exported.image.id).into_bytes();
        for tag in tags {
            bytes.extend_from_slice(format!("naming to {tag}\n").as_bytes());
        }
        display.event(step, Event::Log { stream: hako_build::Stream::Out, bytes });
    }
    display.event(step, Event::Done { took: begin.elapsed() });
    session.mark("export");
    Ok(exported)
}

/// Shows where and why a build failed.
fn explained(error: BuildError, inputs: &Inputs, display: &Display) -> Failure {
    let colours = terminal::is_terminal(rustix::stdio::stderr());
    if let BuildError::Problems(problems) = &error {
        crate::command::complain(&mistakes::shown(&inputs.text, &inputs.name, problems, colours));
        let count =
            problems.iter().filter(|p| p.severity == hako_dockerfile::Severity::Error).count();
        let word = if count == 1 { "an error".into() } else { format!("{count} errors") };
        return Failure::new(format!("the Dockerfile has {word}"));
    }
    if let (BuildError::Step { .. }, Some((name, log))) = (&error, display.failure()) {
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        let end = if tail.is_empty() { "" } else { "\n" };
        crate::command::complain(&format!("------\n > {name}:\n{tail}{end}------\n"));
    }
    if let Some(span) = error.span() {
        let message = match &error {
            BuildError::Step { name, .. } => format!("the step failed: {name}"),
            other => other.to_string(),
        };
        crate::command::complain(&mistakes::place(
            &inputs.text,
            &inputs.name,
            span,
            &message,
            colours,
        ));
    }
    Failure::from(error)
}

/// Writes `--iidfile` and `--metadata-file`.
fn tell(
    session: &Session,
    parsed: &Parsed,
    exported: Option<&Exported>,
    tags: &[Reference],
) -> Result<(), Failure> {
    let write = |path: &str, text: String| {
        std::fs::write(session.around.absolute(path), text)
            .map_err(|error| Failure::io(format!("cannot write `{path}`"), &error))
    };
    if let (Some(path), Some(exported)) = (parsed.text("iidfile"), exported) {
        write(path, exported.image.id.to_string())?;
    }
    if let Some(path) = parsed.text("metadata-file") {
        let mut all = serde_json::Map::new();
        if let Some(exported) = exported {
            all.insert("containerimage.config.digest".into(), json!(exported.image.id));
            all.insert("containerimage.digest".into(), json!(exported.image.id));
            if !tags.is_empty() {
                let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
                all.insert("image.name".into(), json!(names.join(",")));
            }
        }
        write(path, serde_json::to_string_pretty(&all).unwrap_or_default())?;
    }
    Ok(())
}

/// Pulls images with the user's credentials.
struct Registries<'a> {
    session: &'a Session,
}

/// A failure of a pull, in the engine's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotPulled(String);

impl Fault for NotPulled {
    fn kind(&self) -> hako_types::Kind {
        hako_types::Kind::Unavailable
    }
}

impl Puller for Registries<'_> {
    fn pull(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<(), Box<dyn Fault>> {
        let client = image::client(self.session);
        image::pull_named(self.session, &client, (reference, platform), image::Mode::Quiet)
            .map(drop)
            .map_err(|failure| {
                let mut text = Vec::new();
                failure.write(&mut text).ok();
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<&str> = text
                    .lines()
                    .map(|line| {
                        line.trim().trim_start_matches("error: ").trim_start_matches("because: ")
                    })
                    .collect();
                Box::new(NotPulled(lines.join(": "))) as Box<dyn Fault>
            })
    }
}
