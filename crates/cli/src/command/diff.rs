//! `diff`.

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[value("format", "string", "")];

pub(super) const COMMAND: Command = Command {
    names: &["diff", "container diff"],
    about: "Show what has changed in a container's files",
    syntax: Syntax {
        words: "CONTAINER",
        count: Words::Exactly(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

const COLUMNS: Columns = Columns {
    headings: &[("Type", "CHANGE TYPE"), ("Path", "PATH")],
    table: "{{.Type}}\t{{.Path}}",
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let changes = session.engine()?.containers().diff(&parsed.words[0])?;
    let row = |kind: &str, path: &str| Row::default().set("Type", kind).set("Path", path);
    let shown = changes
        .iter()
        .map(|change| (change.kind.to_string(), change.path.to_string_lossy().into_owned()));
    match parsed.text("format") {
        Some(format) => Listing::new(Some(format), COLUMNS)?
            .print(shown.map(|(kind, path)| row(&kind, &path)))?,
        None => say(&shown.map(|(kind, path)| format!("{kind} {path}\n")).collect::<String>()),
    }
    Ok(0)
}
