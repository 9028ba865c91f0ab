//! `history`.

use hako_types::{Bytes, Moment};

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::show;

const FLAGS: &[Flag] = &[
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("human", "sizes and dates for people (default true)").short('H'),
    switch("no-trunc", "do not shorten anything"),
    switch("quiet", "print ids only").short('q'),
    value("platform", "string", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["history", "image history"],
    about: "Show how an image came about",
    syntax: Syntax { words: "IMAGE", count: Words::Exactly(1), program: false, flags: &[FLAGS] },
    run: work,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("ID", "IMAGE"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    table: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let images = session.engine()?.images()?;
    let image = images.resolve(&parsed.words[0])?;
    let lines = images.history(&image)?;
    let full = parsed.on("no-trunc");
    let human = !parsed.given("human") || parsed.on("human");
    let now = Moment::now();
    let id = |line: &hako_image::content::HistoryLine| match &line.id {
        Some(id) if full => id.to_string(),
        Some(id) => id.short().to_owned(),
        None => "<missing>".into(),
    };
    if parsed.on("quiet") {
        say(&lines.iter().map(|line| id(line) + "\n").collect::<String>());
        return Ok(0);
    }
    let rows = lines.iter().map(|line| {
        let created_at = line
            .created
            .map(|moment| Moment::from_seconds(moment.seconds()).to_string())
            .unwrap_or_default();
        let since =
            line.created.map_or_else(|| "N/A".into(), |moment| format!("{} ago", moment.age(now)));
        let by = line.created_by.replace('\t', " ");
        Row::default()
            .set("ID", id(line))
            .set("CreatedSince", if human { since } else { created_at.clone() })
            .set("CreatedAt", created_at)
            .set("CreatedBy", if full { by } else { show::ellipsis(&by, 45) })
            .set("Size", if human { Bytes(line.size).human3() } else { line.size.to_string() })
            .set("Comment", &line.comment)
    });
    Listing::new(parsed.text("format"), COLUMNS)?.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}
