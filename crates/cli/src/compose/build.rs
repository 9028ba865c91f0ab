//! `build`: the services' images, each by `hako build`, those that others are built from first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hako_compose::Loaded;
use hako_compose::model::{Build, Service};
use hako_project::{Progress, Status};

use super::Command;
use super::context::{Context, failure};
use super::progress::Mode;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::report::Failure;

const FLAGS: &[Flag] = &[
    values("build-arg", "list", "set a build argument"),
    value("builder", "string", ""),
    switch("check", "check the Dockerfiles and build nothing"),
    value("memory", "bytes", "").short('m'),
    switch("no-cache", "build every step anew"),
    switch("print", ""),
    value("progress", "string", "auto, plain, tty, quiet or rawjson"),
    value("provenance", "string", ""),
    switch("pull", "look for newer base images"),
    switch("push", "push the images when they are built"),
    switch("quiet", "show nothing but failures").short('q'),
    value("sbom", "string", ""),
    value("ssh", "string", ""),
    switch("with-dependencies", "build what the services need, too"),
];

pub(super) const COMMAND: Command = Command {
    names: &["build"],
    about: "Build the services' images",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run,
};

/// How images are built, beyond what their services say.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) quiet: bool,
    pub(super) no_cache: bool,
    pub(super) pull: bool,
    pub(super) check: bool,
    pub(super) args: Vec<String>,
    pub(super) progress: Option<String>,
}

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let loaded = context.load_for(&parsed.words)?;
    let services = loaded.select(&parsed.words, parsed.on("with-dependencies")).map_err(failure)?;
    let options = Options {
        quiet: parsed.on("quiet"),
        no_cache: parsed.on("no-cache"),
        pull: parsed.on("pull"),
        check: parsed.on("check"),
        args: parsed.list("build-arg"),
        progress: parsed.text("progress").map(str::to_owned),
    };
    build(context, &loaded, &services, &options)?;
    if parsed.on("push") {
        for (name, service) in
            loaded.project.services.iter().filter(|(name, _)| services.contains(*name))
        {
            if service.build.is_some() {
                super::images::push(
                    context,
                    name,
                    &service.image_name(&loaded.project.name, name),
                )?;
            }
        }
    }
    Ok(0)
}

/// Builds the images of services that have something to be built from.
///
/// # Errors
/// When one cannot be built.
pub(super) fn build(
    context: &Context<'_>,
    loaded: &Loaded,
    services: &BTreeSet<String>,
    options: &Options,
) -> Result<(), Failure> {
    for name in ordered(loaded, services)? {
        let Some(service) = loaded.service(&name) else { continue };
        let Some(build) = &service.build else { continue };
        context.screen.tell(&name, "Building", Status::Working);
        if !context.is_dry() {
            context.screen.settle();
            let mut files = Files::default();
            let job = Job { context, loaded, name: &name, service, build, options };
            let words = words(&job, &mut files);
            let code = words.map(|words| crate::command::dispatch(context.session, &words));
            files.remove();
            if code? != 0 {
                context.screen.tell(&name, "Error", Status::Failed);
                return Err(Failure::new(format!("cannot build the service `{name}`")));
            }
        }
        context.screen.tell(&name, "Built", Status::Done);
    }
    Ok(())
}

/// Returns the services so that each comes after those whose images it is built from.
fn ordered(loaded: &Loaded, services: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    fn visit(
        loaded: &Loaded,
        name: &str,
        out: &mut Vec<String>,
        way: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if out.iter().any(|done| done == name) {
            return Ok(());
        }
        if way.iter().any(|seen| seen == name) {
            let text = format!(
                "services are built from one another in a circle: {} -> {name}",
                way.join(" -> ")
            );
            return Err(Failure::new(text));
        }
        way.push(name.to_owned());
        let build = loaded.service(name).and_then(|service| service.build.as_ref());
        for context in build.into_iter().flat_map(|build| build.additional_contexts.values()) {
            if let Some(other) = context.strip_prefix("service:") {
                visit(loaded, other, out, way)?;
            }
        }
        way.pop();
        out.push(name.to_owned());
        Ok(())
    }
    let mut out = Vec::new();
    for name in services {
        visit(loaded, name, &mut out, &mut Vec::new())?;
    }
    Ok(out)
}

/// Files that a build reads and that are gone after it.
#[derive(Debug, Default)]
struct Files(Vec<PathBuf>);

impl Files {
    fn write(&mut self, context: &Context<'_>, content: &str) -> Result<String, Failure> {
        let directory = context.engine()?.paths().tmp();
        let path = directory.join(format!("compose-{}-{}", std::process::id(), self.0.len()));
        let write = || {
            fs::create_dir_all(&directory)?;
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
        };
        write()
            .map_err(|error| Failure::io(format!("cannot write `{}`", path.display()), &error))?;
        let text = path.to_string_lossy().into_owned();
        self.0.push(path);
        Ok(text)
    }

    fn remove(&self) {
        for path in &self.0 {
            fs::remove_file(path).ok();
        }
    }
}

/// The build of one service.
struct Job<'a> {
    context: &'a Context<'a>,
    loaded: &'a Loaded,
    name: &'a str,
    service: &'a Service,
    build: &'a Build,
    options: &'a Options,
}

/// Returns the words of `hako build` for a service.
fn words(job: &Job<'_>, files: &mut Files) -> Result<Vec<String>, Failure> {
    let Job { context, loaded, name, service, build, options } = *job;
    let image = service.image_name(&loaded.project.name, name);
    let mut words: Vec<String> = vec!["build".into(), "--tag".into(), image];
    let mut flag = |flag: &str, value: &str| words.push(format!("--{flag}={value}"));
    build.tags.iter().for_each(|tag| flag("tag", tag));
    if build.dockerfile_inline.is_empty() {
        let is_remote = build.context.contains("://") || build.context.starts_with("git@");
        let path = PathBuf::from(&build.context).join(&build.dockerfile);
        flag(
            "file",
            if is_remote { &build.dockerfile } else { path.to_str().unwrap_or(&build.dockerfile) },
        );
    } else {
        flag("file", &files.write(context, &build.dockerfile_inline)?);
    }
    for (key, value) in &build.args {
        if let Some(value) = value {
            flag("build-arg", &format!("{key}={value}"));
        }
    }
    options.args.iter().for_each(|arg| flag("build-arg", arg));
    build.labels.iter().for_each(|(key, value)| flag("label", &format!("{key}={value}")));
    for (key, value) in own_labels(loaded, name) {
        flag("label", &format!("{key}={value}"));
    }
    for (key, value) in &build.additional_contexts {
        flag("build-context", &format!("{key}={}", named_context(loaded, value)?));
    }
    build.extra_hosts.iter().for_each(|host| flag("add-host", &host.replacen('=', ":", 1)));
    build.cache_from.iter().for_each(|from| flag("cache-from", from));
    build.cache_to.iter().for_each(|to| flag("cache-to", to));
    build.ssh.iter().for_each(|ssh| flag("ssh", ssh));
    build.entitlements.iter().for_each(|right| flag("allow", right));
    let platforms = if build.platforms.is_empty() && !service.platform.is_empty() {
        std::slice::from_ref(&service.platform)
    } else {
        &build.platforms
    };
    if !platforms.is_empty() {
        flag("platform", &platforms.join(","));
    }
    let texts = [
        ("target", &build.target),
        ("network", &build.network),
        ("shm-size", &build.shm_size),
        ("provenance", &build.provenance),
        ("sbom", &build.sbom),
    ];
    texts.into_iter().filter(|(_, text)| !text.is_empty()).for_each(|(key, text)| flag(key, text));
    for (limit, value) in &build.ulimits {
        let (soft, hard) = value.limits();
        flag("ulimit", &format!("{limit}={soft}:{hard}"));
    }
    secrets(context, loaded, build, files)?.iter().for_each(|secret| flag("secret", secret));
    words.extend(switches(context, build, options));
    words.push(build.context.clone());
    Ok(words)
}

/// Returns where a named context is: `service:name` is the image of that service.
fn named_context(loaded: &Loaded, value: &str) -> Result<String, Failure> {
    match value.strip_prefix("service:") {
        Some(other) => {
            let found = loaded.service(other).ok_or_else(|| failure(loaded.unknown(other)))?;
            Ok(format!("docker-image://{}", found.image_name(&loaded.project.name, other)))
        }
        None => Ok(value.to_owned()),
    }
}

fn switches(context: &Context<'_>, build: &Build, options: &Options) -> Vec<String> {
    let quiet = options.quiet || matches!(context.screen.mode(), Mode::Quiet | Mode::Json);
    let plain = context.screen.mode() == Mode::Plain;
    let progress = match &options.progress {
        Some(progress) => Some(format!("--progress={progress}")),
        None if quiet => Some("--progress=quiet".into()),
        None if plain => Some("--progress=plain".into()),
        None => None,
    };
    let all = [
        (options.no_cache || build.no_cache, "--no-cache"),
        (options.pull || build.pull, "--pull"),
        (options.check, "--check"),
    ];
    let given = all.into_iter().filter(|(on, _)| *on).map(|(_, word)| word.to_owned());
    progress.into_iter().chain(given).collect()
}

fn own_labels(loaded: &Loaded, name: &str) -> BTreeMap<&'static str, String> {
    use hako_project::labels;
    BTreeMap::from([
        (labels::PROJECT, loaded.project.name.clone()),
        (labels::SERVICE, name.to_owned()),
        (labels::VERSION, labels::SPOKEN.to_owned()),
    ])
}

/// Returns the values of `--secret`; what is no file is written to one that goes after the build.
fn secrets(
    context: &Context<'_>,
    loaded: &Loaded,
    build: &Build,
    files: &mut Files,
) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for grant in &build.secrets {
        let Some(secret) = loaded.project.secrets.get(&grant.source) else { continue };
        let source = if !secret.file.is_empty() {
            secret.file.clone()
        } else if secret.environment.is_empty() {
            files.write(context, &secret.content)?
        } else {
            let value = loaded.environment.get(&secret.environment).ok_or_else(|| {
                let text = format!(
                    "the variable `{}` of the secret `{}` is not set",
                    secret.environment, grant.source
                );
                Failure::new(text)
            })?;
            files.write(context, value)?
        };
        let id = if grant.target.is_empty() { &grant.source } else { &grant.target };
        out.push(format!("id={id},src={source}"));
    }
    Ok(out)
}
