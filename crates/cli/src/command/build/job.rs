//! One build: from flags to an outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use hako_build::event::{Event, Events, Step};
use hako_build::{Cancel, NamedContext, Network, NoCache, Request, RunDefaults};
use hako_engine::build::{AROUND, BuildError, Context, Exported, Job, Puller};
use hako_types::{Bytes, Fault, Platform, Reference};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::display::{Display, Mode};
use super::inputs::Inputs;
use super::output::Output;
use super::{mistakes, secrets};
use crate::args::Parsed;
use crate::report::Failure;
use crate::session::Session;
use crate::{image, terminal};

/// Builds what the flags say, or only checks.
pub(super) fn run(session: &Session, parsed: &Parsed, only_check: bool) -> Result<u8, Failure> {
    let outputs = outputs(session, parsed)?;
    let tags: Vec<Reference> =
        parsed.all("tag").map(|tag| tagged(tag)).collect::<Result<_, Failure>>()?;
    let secrets = secrets::secrets(session, &parsed.list("secret"))?;
    let ssh = secrets::agents(session, &parsed.list("ssh"))?;
    let mut contexts = BTreeMap::new();
    let named = named_contexts(session, parsed, &mut contexts)?;
    let Some(path) = parsed.words.first() else {
        return Err(Failure::new("\"hako build\" requires 1 argument")
            .with_hint("give it a directory: `hako build .`"));
    };
    let run = run_defaults(parsed)?;
    let platform = platform(parsed)?;
    let inputs = Inputs::read(session, path, parsed.text("file"))?;
    let request = Request {
        dockerfile: inputs.text.clone(),
        target: parsed.text("target").map(str::to_owned),
        arguments: arguments(session, parsed),
        labels: pairs(parsed, "label"),
        platform: platform.unwrap_or_else(Platform::host),
        contexts: named,
        no_cache: no_cache(parsed),
        run,
        has_context: inputs.context.is_some(),
    };
    contexts.extend(inputs.context.clone().map(|context| (String::new(), context)));
    if only_check || parsed.on("check") || parsed.text("call") == Some("check") {
        return check(&inputs);
    }
    if parsed.on("list-context") {
        return list_context(&inputs);
    }
    let display = Display::new(mode(session, parsed)?);
    let cancel = Cancel::default();
    let job = Job {
        request,
        contexts,
        secrets,
        ssh,
        pull: parsed.on("pull"),
        allow_insecure: parsed.all("allow").any(|what| what.contains("security.insecure")),
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
    let signals = hako_sys::signal::descriptor(&ENDING).map_err(|error| Failure::io("cannot watch for signals", &error))?;
    let (made, signal) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&signals, &ended, (display, job.cancel)));
        let made = build(session, job, display, (outputs, tags));
        drop(end);
        (made, watcher.join().ok().flatten())
    });
    let warnings = display.finish();
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
fn watch(signals: &OwnedFd, ended: &OwnedFd, (display, cancel): (&Display, &Cancel)) -> Option<i32> {
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

fn tagged(text: &str) -> Result<Reference, Failure> {
    let reference: Reference =
        text.parse().map_err(|error: hako_types::reference::InvalidReference| {
            Failure::new(format!("invalid tag \"{text}\": {error}"))
        })?;
    Ok(reference.tagged())
}

fn outputs(session: &Session, parsed: &Parsed) -> Result<Vec<Output>, Failure> {
    let mut all: Vec<Output> = parsed
        .list("output")
        .iter()
        .map(|text| Output::read(session, text))
        .collect::<Result<_, _>>()?;
    if parsed.on("push") {
        all.push(Output::Image { names: Vec::new(), push: true });
    }
    if all.is_empty() || parsed.on("load") {
        all.push(Output::Image { names: Vec::new(), push: false });
    }
    Ok(all)
}

fn mode(session: &Session, parsed: &Parsed) -> Result<Mode, Failure> {
    if parsed.on("quiet") {
        return Ok(Mode::Quiet);
    }
    let asked = parsed
        .text("progress")
        .map(str::to_owned)
        .or_else(|| session.around.filled("BUILDKIT_PROGRESS"));
    match asked.as_deref().unwrap_or("auto") {
        "auto" if terminal::is_terminal(rustix::stdio::stderr()) => Ok(Mode::Terminal),
        "auto" | "plain" => Ok(Mode::Plain),
        "tty" => Ok(Mode::Terminal),
        "quiet" | "none" => Ok(Mode::Quiet),
        "rawjson" => Ok(Mode::Json),
        other => Err(Failure::new(format!("invalid progress mode `{other}`"))
            .with_hint("there are auto, plain, tty, quiet and rawjson")),
    }
}

fn arguments(session: &Session, parsed: &Parsed) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Some(proxies) = session.config().proxies.get("default") {
        all.extend(proxies.variables());
    }
    for text in parsed.all("build-arg") {
        match text.split_once('=') {
            Some((name, value)) => drop(all.insert(name.to_owned(), value.to_owned())),
            None => all.extend(session.around.variable(text).map(|value| (text.to_owned(), value))),
        }
    }
    if let Some(epoch) = session.around.filled("SOURCE_DATE_EPOCH") {
        all.entry("SOURCE_DATE_EPOCH".into()).or_insert(epoch);
    }
    all
}

fn pairs(parsed: &Parsed, flag: &str) -> BTreeMap<String, String> {
    parsed
        .list(flag)
        .iter()
        .map(|text| {
            text.split_once('=')
                .map_or((text.clone(), String::new()), |(k, v)| (k.to_owned(), v.to_owned()))
        })
        .collect()
}

fn named_contexts(
    session: &Session,
    parsed: &Parsed,
    directories: &mut BTreeMap<String, Context>,
) -> Result<BTreeMap<String, NamedContext>, Failure> {
    let mut all = BTreeMap::new();
    for text in parsed.list("build-context") {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::new(format!("invalid context value: {text}, expected key=value")));
        };
        let context = match value.split_once("://") {
            Some(("docker-image", reference)) => NamedContext::Image(reference.to_owned()),
            Some(("target", stage)) => NamedContext::Image(stage.to_owned()),
            Some((scheme, _)) => {
                return Err(Failure::new(format!(
                    "a context of the form {scheme}:// is not supported"
                )));
            }
            None => {
                let directory = session.around.absolute(value);
                if !directory.is_dir() {
                    return Err(Failure::new(format!(
                        "failed to get build context {name}: `{value}` is no directory"
                    )));
                }
                directories.insert(name.to_owned(), Context { directory, ignore: None });
                NamedContext::Directory
            }
        };
        all.insert(name.to_owned(), context);
    }
    Ok(all)
}

fn no_cache(parsed: &Parsed) -> NoCache {
    if parsed.on("no-cache") {
        return NoCache::All;
    }
    let stages: BTreeSet<String> = parsed
        .list("no-cache-filter")
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::to_lowercase)
        .collect();
    if stages.is_empty() { NoCache::Nothing } else { NoCache::Stages(stages) }
}

fn platform(parsed: &Parsed) -> Result<Option<Platform>, Failure> {
    let all: Vec<String> = parsed
        .list("platform")
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::to_owned)
        .collect();
    match &all[..] {
        [] => Ok(None),
        [one] => one.parse().map(Some).map_err(|error: hako_types::platform::InvalidPlatform| {
            Failure::new(error.to_string())
        }),
        _ => Err(Failure::new("building for several platforms at once is not supported")
            .with_hint("build for one after another")),
    }
}

fn run_defaults(parsed: &Parsed) -> Result<RunDefaults, Failure> {
    let network = match parsed.text("network").unwrap_or("default") {
        "default" | "bridge" | "" => Network::Default,
        "none" => Network::None,
        "host" => Network::Host,
        other => {
            return Err(Failure::new(format!(
                "network mode \"{other}\" not supported by the builder"
            )));
        }
    };
    let hosts = parsed.list("add-host");
    for host in &hosts {
        let address =
            host.split_once([':', '=']).map(|(_, address)| address.trim_matches(['[', ']']));
        let is_good = address
            .is_some_and(|text| text == "host-gateway" || text.parse::<std::net::IpAddr>().is_ok());
        if !is_good {
            return Err(Failure::new(format!("bad format for add-host: \"{host}\"")));
        }
    }
    let ulimits = parsed.list("ulimit");
    for limit in &ulimits {
        let values = limit.split_once('=').map(|(_, values)| values);
        let is_number = |text: &str| text == "unlimited" || text.parse::<i64>().is_ok();
        if !values.is_some_and(|values| {
            values.split(':').count() <= 2 && values.split(':').all(is_number)
        }) {
            return Err(Failure::new(format!("invalid ulimit argument: {limit}")));
        }
    }
    let bytes = |flag: &str| -> Result<Option<u64>, Failure> {
        Ok(parsed.read(flag, str::parse::<Bytes>)?.map(|b| b.0))
    };
    let cpus = parsed.read("cpus", str::parse::<f64>)?;
    #[expect(clippy::cast_possible_truncation, reason = "a number of processors is small")]
    let nano_cpus = cpus.map(|cpus| (cpus * 1e9) as i64);
    Ok(RunDefaults {
        network,
        hosts,
        ulimits,
        shm_size: bytes("shm-size")?,
        memory: bytes("memory")?.and_then(|bytes| i64::try_from(bytes).ok()),
        nano_cpus,
    })
}

/// `--check`: tells what is wrong or could be better, and builds nothing.
fn check(inputs: &Inputs) -> Result<u8, Failure> {
    let problems = match hako_dockerfile::parse(&inputs.text) {
        Ok((file, found)) => hako_dockerfile::lint::lint(&file, &found),
        Err(problems) => problems,
    };
    if problems.is_empty() {
        crate::command::say("Check complete, no warnings found.\n");
        return Ok(0);
    }
    let colours = terminal::is_terminal(rustix::stdio::stdout());
    crate::command::say(&mistakes::shown(&inputs.text, &inputs.name, &problems, colours));
    crate::command::say(&format!("Check complete, {} found.\n", problems.len()));
    Ok(1)
}

/// `--list-context`.
fn list_context(inputs: &Inputs) -> Result<u8, Failure> {
    let Some(context) = &inputs.context else { return Err(Failure::new("there is no context")) };
    let listed = hako_engine::build::list_context(context)?;
    let mut text = String::new();
    let mut total = 0;
    for entry in &listed {
        match &entry.rule {
            Some(rule) => {
                text.push_str(&format!("{:>10}  {}  (left out by `{rule}`)\n", "-", entry.path))
            }
            None => {
                total += entry.size;
                text.push_str(&format!("{:>10}  {}\n", Bytes(entry.size).human3(), entry.path));
            }
        }
    }
    text.push_str(&format!("{:>10}  in all\n", Bytes(total).human3()));
    crate::command::say(&text);
    Ok(0)
}
