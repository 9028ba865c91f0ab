//! `builder prune` and `builder du`.

use hako_build::cache::Keep;
use hako_types::{Bytes, GoDuration, Moment};

use crate::args::{Flag, Syntax, UsageError, Words, help, parse, switch, value, values};
use crate::report::Failure;
use crate::session::Session;

pub(super) const HELP: &str = "Usage:  hako builder COMMAND\n\nManage builds\n\nCommands:\n  build       Build an image from a Dockerfile\n  du          Show what the build cache takes\n  prune       Remove build cache\n";

const PRUNE: &[Flag] = &[
    switch("all", "remove all of it, cache mounts too").short('a'),
    values("filter", "filter", "what is removed (until=24h)"),
    switch("force", "do not ask").short('f'),
    value("keep-storage", "bytes", "leave as much, the last used first"),
    value("max-used-space", "bytes", "leave as much, the last used first"),
    value("reserved-space", "bytes", ""),
    value("builder", "string", ""),
    switch("verbose", ""),
];

const USAGE: &[Flag] = &[
    switch("verbose", "show more"),
    values("filter", "filter", ""),
    value("builder", "string", ""),
];

fn parsed(
    name: &str,
    about: &str,
    syntax: &Syntax,
    words: &[String],
) -> Result<Option<crate::args::Parsed>, Failure> {
    match parse(&format!("hako {name}"), syntax, words) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(UsageError::Help) => {
            crate::command::say(&help(&[name], about, syntax));
            Ok(None)
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

/// `builder prune`.
pub(super) fn prune(session: &Session, words: &[String]) -> Result<u8, Failure> {
    let syntax = Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[PRUNE] };
    let Some(parsed) = parsed("builder prune", "Remove build cache", &syntax, words)? else {
        return Ok(0);
    };
    let mut keep = Keep::default();
    for filter in parsed.list("filter") {
        if let Some(age) = filter.strip_prefix("until=") {
            let age: GoDuration =
                age.parse().map_err(|error: hako_types::duration::InvalidDuration| {
                    Failure::new(error.to_string())
                })?;
            keep.used_after = Some(Moment::from_nanos(Moment::now().nanos() - age.nanos()));
        }
    }
    let size = |flag: &str| parsed.read(flag, str::parse::<Bytes>);
    keep.bytes = size("keep-storage")?.or(size("max-used-space")?).map(|size| size.0);
    if !parsed.on("force")
        && !crate::prompt::confirm("WARNING! This will remove all dangling build cache.")
    {
        return Ok(0);
    }
    let pruned = hako_engine::build::prune(session.engine()?, keep, parsed.on("all"))?;
    let mut text = String::new();
    if !pruned.names.is_empty() {
        text.push_str("ID\n");
        pruned.names.iter().for_each(|name| text.push_str(&format!("{name}\n")));
    }
    text.push_str(&format!("Total:\t{}\n", Bytes(pruned.bytes).human()));
    crate::command::say(&text);
    Ok(0)
}

/// `builder du`.
pub(super) fn usage(session: &Session, words: &[String]) -> Result<u8, Failure> {
    let syntax = Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[USAGE] };
    let Some(_parsed) = parsed("builder du", "Show what the build cache takes", &syntax, words)?
    else {
        return Ok(0);
    };
    let usage = hako_engine::build::usage(session.engine()?)?;
    let mut text = format!("{:34}{:15}{:12}{}\n", "ID", "RECLAIMABLE", "SIZE", "DESCRIPTION");
    for row in usage.rows.iter().rev() {
        text.push_str(&format!(
            "{:34}{:15}{:12}{}\n",
            row.layer.0,
            true,
            Bytes(row.size).human(),
            row.description
        ));
    }
    text.push_str(&format!("Reclaimable:\t{0}\nTotal:\t\t{0}\n", Bytes(usage.bytes()).human()));
    crate::command::say(&text);
    Ok(0)
}
