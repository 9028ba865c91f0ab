//! `images`.

use std::collections::BTreeMap;

use hako_image::Image;
use hako_types::{Bytes, Digest, Moment, Reference};

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::filter::{Filters, matches_path};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::show;

const FLAGS: &[Flag] = &[
    switch("all", "show images that are only steps to others too").short('a'),
    switch("digests", "show digests"),
    values(
        "filter",
        "filter",
        "show only these: reference=…, label=…, dangling=…, before=…, since=…, until=…",
    )
    .short('f'),
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("no-trunc", "do not shorten anything"),
    switch("quiet", "print ids only").short('q'),
    switch("tree", "show the names below each image"),
];

pub(super) const COMMAND: Command = Command {
    names: &["images", "image ls", "image list"],
    about: "List images",
    syntax: Syntax {
        words: "[REPOSITORY[:TAG]]",
        count: Words::AtMost(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

const TABLE: Columns = Columns {
    headings: HEADINGS,
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
};

const DIGESTS: Columns = Columns {
    headings: HEADINGS,
    table: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
};

const KNOWN: &[&str] = &["before", "dangling", "label", "label!", "reference", "since", "until"];

/// One line: an image under one of its names.
struct Line<'a> {
    image: &'a Image,
    repository: String,
    tag: String,
    digest: String,
}

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let filters = Filters::read(parsed, KNOWN)?;
    let images = engine.images()?.list()?;
    let selection = Selection::new(session, parsed, &filters)?;
    let lines: Vec<Line<'_>> = images
        .iter()
        .filter(|image| selection.takes_image(image))
        .flat_map(|image| selection.lines(image))
        .collect();
    let full = parsed.on("no-trunc");
    let id = |image: &Image| if full { image.id.to_string() } else { image.id.short().to_owned() };
    if parsed.on("quiet") && !parsed.given("format") {
        let mut seen: Vec<String> = Vec::new();
        for line in &lines {
            let id = id(line.image);
            if !seen.contains(&id) {
                seen.push(id);
            }
        }
        say(&seen.into_iter().map(|id| id + "\n").collect::<String>());
        return Ok(0);
    }
    if parsed.on("tree") {
        say(&tree(&lines));
        return Ok(0);
    }
    let format = parsed.text("format").or(session.config().images_format.as_deref());
    let listing = Listing::new(format, if parsed.on("digests") { DIGESTS } else { TABLE })?;
    let counts = if format.is_some_and(|format| format.contains(".Containers")) {
        Some(counts(session)?)
    } else {
        None
    };
    let now = Moment::now();
    let rows = lines.iter().map(|line| {
        let count =
            counts.as_ref().map(|counts| counts.get(line.image.id.as_str()).copied().unwrap_or(0));
        let size = Bytes(line.image.size).human3();
        Row::default()
            .set("ID", id(line.image))
            .set("Repository", &line.repository)
            .set("Tag", &line.tag)
            .set("Digest", &line.digest)
            .set("CreatedSince", age(line.image.created, now))
            .set("CreatedAt", show::go_time(line.image.created))
            .set("Containers", count.map_or_else(|| "N/A".into(), |count: usize| count.to_string()))
            .set("SharedSize", "N/A")
            .set("UniqueSize", "N/A")
            .set("VirtualSize", &size)
            .set("Size", size)
    });
    listing.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}

/// Returns how long ago an image was made; those without a date say so.
pub(super) fn age(created: Moment, now: Moment) -> String {
    if created.seconds() <= 0 { "N/A".into() } else { format!("{} ago", created.age(now)) }
}

fn counts(session: &Session) -> Result<BTreeMap<String, usize>, Failure> {
    let mut counts = BTreeMap::new();
    for container in session.engine()?.containers().list()? {
        *counts.entry(container.image).or_insert(0) += 1;
    }
    Ok(counts)
}

fn tree(lines: &[Line<'_>]) -> String {
    let mut shown: Vec<&Digest> = Vec::new();
    let mut text = String::new();
    for line in lines {
        if shown.contains(&&line.image.id) {
            continue;
        }
        shown.push(&line.image.id);
        let image = line.image;
        text.push_str(&format!(
            "{}  {}  {}\n",
            image.id.short(),
            Bytes(image.size).human3(),
            image.platform()
        ));
        for (index, name) in image.names.iter().enumerate() {
            let branch = if index + 1 == image.names.len() { "└─" } else { "├─" };
            text.push_str(&format!("{branch} {}\n", name.familiar()));
        }
    }
    text
}

/// The filters, read once.
struct Selection<'a> {
    filters: &'a Filters,
    patterns: Vec<String>,
    dangling: Option<bool>,
    before: Option<Moment>,
    since: Option<Moment>,
    until: Option<Moment>,
    digests: bool,
}

impl<'a> Selection<'a> {
    fn new(session: &Session, parsed: &Parsed, filters: &'a Filters) -> Result<Self, Failure> {
        let images = session.engine()?.images()?;
        let created = |name: &str| -> Result<Option<Moment>, Failure> {
            let Some(name) = filters.values(name).last() else { return Ok(None) };
            Ok(Some(images.resolve(name)?.created))
        };
        let mut patterns = filters.values("reference").to_vec();
        patterns.extend(parsed.words.first().cloned());
        Ok(Self {
            filters,
            patterns,
            dangling: filters.truth("dangling")?,
            before: created("before")?,
            since: created("since")?,
            until: filters.until()?,
            digests: parsed.on("digests"),
        })
    }

    fn takes_image(&self, image: &Image) -> bool {
        let nameless = image.names.is_empty();
        self.filters.labels(&image.config.config.labels)
            && self.before.is_none_or(|before| image.created < before)
            && self.since.is_none_or(|since| image.created > since)
            && self.until.is_none_or(|until| image.created < until)
            && self.dangling.is_none_or(|wanted| wanted == nameless)
    }

    fn lines<'i>(&self, image: &'i Image) -> Vec<Line<'i>> {
        let none = || "<none>".to_owned();
        let digest_of = |name: &Reference| {
            let same = image.repo_digests.iter().find(|one| one.repository() == name.repository());
            same.and_then(|one| one.digest.as_ref()).map_or_else(none, ToString::to_string)
        };
        let mut lines = Vec::new();
        for name in image.names.iter().filter(|name| self.names(name)) {
            let tag = name.tag.clone().unwrap_or_else(none);
            lines.push(Line {
                image,
                repository: name.familiar_repository(),
                tag,
                digest: digest_of(name),
            });
        }
        // A repository that is known by its digest alone has a line of its own, without a tag.
        for name in &image.repo_digests {
            let tagged = image.names.iter().any(|one| one.repository() == name.repository());
            let repository = name.familiar_repository();
            let again =
                lines.iter().any(|line| line.repository == repository && line.tag == "<none>");
            if !tagged && self.names(name) && (self.digests || !again) {
                lines.push(Line { image, repository, tag: none(), digest: digest_of(name) });
            }
        }
        if image.names.is_empty() && image.repo_digests.is_empty() && self.patterns.is_empty() {
            lines.push(Line { image, repository: none(), tag: none(), digest: none() });
        }
        lines
    }

    /// Tells whether a name fits one of the patterns, where there are any.
    fn names(&self, name: &Reference) -> bool {
        let familiar = name.familiar_repository();
        let canonical = name.repository();
        self.patterns.is_empty()
            || self.patterns.iter().any(|pattern| {
                [&familiar, &canonical].iter().any(|repository| {
                    let tagged = name.tag.as_ref().map(|tag| format!("{repository}:{tag}"));
                    let digested =
                        name.digest.as_ref().map(|digest| format!("{repository}@{digest}"));
                    matches_path(pattern, repository)
                        || tagged.is_some_and(|text| matches_path(pattern, &text))
                        || digested.is_some_and(|text| matches_path(pattern, &text))
                }) || pattern.parse::<Reference>().is_ok_and(|wanted| {
                    wanted.repository() == canonical
                        && (wanted.tag.is_none() || wanted.tag == name.tag)
                })
            })
    }
}
