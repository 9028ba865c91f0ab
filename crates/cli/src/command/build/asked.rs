//! What the flags ask for, one by one.

use std::collections::{BTreeMap, BTreeSet};

use hako_build::{NamedContext, Network, NoCache, RunDefaults};
use hako_engine::build::Context;
use hako_types::{Bytes, Platform, Reference};

use super::display::Mode;
use super::output::Output;
use crate::args::Parsed;
use crate::report::Failure;
use crate::session::Session;
use crate::terminal;

pub(super) fn tagged(text: &str) -> Result<Reference, Failure> {
    let reference: Reference =
        text.parse().map_err(|error: hako_types::reference::InvalidReference| {
            Failure::new(format!("invalid tag \"{text}\": {error}"))
        })?;
    Ok(reference.tagged())
}

pub(super) fn outputs(session: &Session, parsed: &Parsed) -> Result<Vec<Output>, Failure> {
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

pub(super) fn mode(session: &Session, parsed: &Parsed) -> Result<Mode, Failure> {
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

pub(super) fn arguments(session: &Session, parsed: &Parsed) -> BTreeMap<String, String> {
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

pub(super) fn pairs(parsed: &Parsed, flag: &str) -> BTreeMap<String, String> {
    parsed
        .list(flag)
        .iter()
        .map(|text| {
            text.split_once('=')
                .map_or((text.clone(), String::new()), |(k, v)| (k.to_owned(), v.to_owned()))
        })
        .collect()
}

pub(super) fn named_contexts(
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

pub(super) fn no_cache(parsed: &Parsed) -> NoCache {
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

pub(super) fn platform(parsed: &Parsed) -> Result<Option<Platform>, Failure> {
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

pub(super) fn run_defaults(parsed: &Parsed) -> Result<RunDefaults, Failure> {
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

/// Says which flags have no effect.
pub(super) fn unsupported(parsed: &Parsed) {
    for flag in ["cache-from", "cache-to", "attest", "annotation"] {
        if parsed.given(flag) && !parsed.on("quiet") {
            crate::command::complain(&format!("warning: --{flag} has no effect yet\n"));
        }
    }
}
