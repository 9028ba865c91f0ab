//! What other engines have and this one has not, with the reason.

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    values("filter", "filter", "").short('f'),
    value("format", "string", ""),
    value("limit", "int", ""),
    switch("no-trunc", ""),
];

pub(super) const SEARCH: Command = Command {
    names: &["search"],
    about: "Search a registry (refused: registries have no common way to search)",
    syntax: Syntax { words: "TERM", count: Words::Exactly(1), program: false, flags: &[FLAGS] },
    run: search,
};

fn search(_session: &Session, _parsed: &Parsed) -> Result<u8, Failure> {
    Err(Failure::new("hako does not search registries: the distribution standard has no search, only Docker Hub has one")
        .with_hint("search on the registry's web page, then `hako pull NAME`"))
}

/// Returns why a command of Docker's is refused, where `word` is one.
pub(super) fn refusal(word: &str) -> Option<Failure> {
    let (what, hint) = match word {
        "swarm" | "node" | "service" | "stack" | "config" | "secret" => (
            "hako has no swarm",
            "run one machine with `hako compose`; a cluster is Kubernetes' work",
        ),
        "context" => (
            "hako has no contexts: it works on this machine",
            "choose a state directory with `--root`",
        ),
        "plugin" => ("hako has no plugins", "see `hako --help` for what is built in"),
        "trust" | "manifest" | "checkpoint" => {
            ("hako does not have this command", "see `hako --help` for what there is")
        }
        _ => return None,
    };
    Some(Failure::new(format!("`hako {word}`: {what}")).with_hint(hint))
}
