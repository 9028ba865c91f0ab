//! `images`, `pull` and `push`.

use std::collections::BTreeMap;

use hako_project::{Progress, Status};
use hako_types::{Bytes, Moment};
use serde_json::{Value, json};

use super::Command;
use super::context::{Context, failure};
use super::progress::Mode;
use super::provision;
use super::ps::print_as;
use super::scene::Scene;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::command::say;
use crate::format::Columns;
use crate::report::Failure;
use crate::{image, show};

const PULL_FLAGS: &[Flag] = &[
    switch("ignore-buildable", "leave out what can be built"),
    switch("ignore-pull-failures", "go on when an image cannot be pulled"),
    switch("include-deps", "pull what the services need, too"),
    switch("no-parallel", ""),
    switch("parallel", ""),
    value("policy", "string", "missing or always"),
    switch("quiet", "show no progress").short('q'),
];

const PUSH_FLAGS: &[Flag] = &[
    switch("ignore-push-failures", "go on when an image cannot be pushed"),
    switch("include-deps", "push what the services need, too"),
    switch("quiet", "show no progress").short('q'),
];

const fn syntax(flags: &'static [&'static [Flag]]) -> Syntax {
    Syntax { words: "[SERVICE...]", count: Words::AtLeast(0), program: false, flags }
}

pub(super) const COMMAND: Command = Command {
    names: &["images"],
    about: "List the images of the containers",
    syntax: syntax(&[&[
        value("format", "string", "table or json"),
        switch("quiet", "only ids").short('q'),
    ]]),
    run: images,
};
pub(super) const PULL: Command = Command {
    names: &["pull"],
    about: "Pull the services' images",
    syntax: syntax(&[PULL_FLAGS]),
    run: pull,
};
pub(super) const PUSH: Command = Command {
    names: &["push"],
    about: "Push the services' images",
    syntax: syntax(&[PUSH_FLAGS]),
    run: push_all,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("ContainerName", "CONTAINER"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Platform", "PLATFORM"),
        ("ShortID", "IMAGE ID"),
        ("HumanSize", "SIZE"),
        ("Age", "CREATED"),
    ],
    table: "{{.ContainerName}}\t{{.Repository}}\t{{.Tag}}\t{{.Platform}}\t{{.ShortID}}\t{{.HumanSize}}\t{{.Age}}",
};

fn images(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, true)?.containers;
    let engine = context.engine()?;
    let store = engine.images()?;
    let now = Moment::now();
    let mut rows: Vec<Value> = Vec::new();
    for actual in &chosen {
        let container = &actual.container;
        let Ok(found) = store.resolve(&container.image) else { continue };
        let named = container.record.config.image.parse::<hako_types::Reference>().ok();
        let (repository, tag) = match named {
            Some(name) => {
                let tag = name.clone().tagged().tag.unwrap_or_else(|| "<none>".into());
                (name.familiar_repository(), tag)
            }
            None => ("<none>".into(), "<none>".into()),
        };
        rows.push(json!({
            "ID": found.id.to_string(),
            "ContainerName": actual.name,
            "Repository": repository,
            "Tag": tag,
            "Platform": found.platform().to_string(),
            "Size": found.size,
            "Created": found.created.to_string(),
            "LastTagTime": found.used.to_string(),
            "ShortID": show::short_id(&found.id.to_string()),
            "HumanSize": Bytes(found.size).human3(),
            "Age": format!("{} ago", found.created.age(now)),
        }));
    }
    if parsed.on("quiet") {
        let ids: std::collections::BTreeSet<String> = rows
            .iter()
            .filter_map(|row| {
                row["ID"].as_str().map(|id| id.trim_start_matches("sha256:").to_owned())
            })
            .collect();
        say(&ids.into_iter().map(|id| id + "\n").collect::<String>());
        return Ok(0);
    }
    if parsed.text("format") == Some("json") {
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            ["ShortID", "HumanSize", "Age"].into_iter().for_each(|key| {
                row.remove(key);
            });
        }
        say(&format!("{}\n", Value::Array(rows)));
        return Ok(0);
    }
    print_as(parsed.text("format"), &rows, COLUMNS)?;
    Ok(0)
}

fn pull(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let loaded = context.load_for(&parsed.words)?;
    let services = loaded.select(&parsed.words, parsed.on("include-deps")).map_err(failure)?;
    let missing_only = parsed.text("policy") == Some("missing");
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for (name, service) in
        loaded.project.services.iter().filter(|(name, _)| services.contains(*name))
    {
        let buildable = service.build.is_some();
        let image = service.image_name(&loaded.project.name, name);
        let is_here = || provision::id(context, &image).map(|id| id.is_some());
        if (buildable && (service.image.is_empty() || parsed.on("ignore-buildable")))
            || ["never", "build"].contains(&service.pull_policy.as_str())
            || ((missing_only || service.pull_policy == "missing") && is_here()?)
        {
            context.screen.tell(name, "Skipped", Status::Warning);
            continue;
        }
        wanted.entry(image).or_insert_with(|| name.clone());
    }
    for (image, name) in &wanted {
        let buildable =
            loaded.project.services.get(name).is_some_and(|service| service.build.is_some());
        match provision::pull(context, name, image, None, parsed.on("quiet")) {
            Err(failure) if parsed.on("ignore-pull-failures") || buildable => failure.print(),
            done => done?,
        }
    }
    Ok(0)
}

fn push_all(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let loaded = context.load_for(&parsed.words)?;
    let services = loaded.select(&parsed.words, parsed.on("include-deps")).map_err(failure)?;
    for (name, service) in
        loaded.project.services.iter().filter(|(name, _)| services.contains(*name))
    {
        if service.build.is_none() || service.image.is_empty() {
            context.screen.tell(name, "Skipped", Status::Warning);
            continue;
        }
        let tags = service.build.iter().flat_map(|build| &build.tags);
        for image in std::iter::once(&service.image).chain(tags) {
            match push(context, name, image) {
                Err(failure) if parsed.on("ignore-push-failures") => failure.print(),
                done => done?,
            }
        }
    }
    Ok(0)
}

/// Pushes one image.
///
/// # Errors
/// When it is not here or the registry refuses it.
pub(super) fn push(context: &Context<'_>, service: &str, name: &str) -> Result<(), Failure> {
    context.screen.tell(service, "Pushing", Status::Working);
    if !context.is_dry() {
        let found = context.engine()?.images()?.resolve(name)?;
        let mode = match context.screen.mode() {
            Mode::Quiet | Mode::Json => image::Mode::Quiet,
            Mode::Plain | Mode::Terminal => image::Mode::Stderr,
        };
        context.screen.settle();
        let reference = image::reference(name)?.tagged();
        image::push_named(
            context.session,
            &image::client(context.session),
            (&found, &reference),
            mode,
        )?;
    }
    context.screen.tell(service, "Pushed", Status::Done);
    Ok(())
}
