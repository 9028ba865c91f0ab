//! `watch`: when a source changes, copy it into the containers, restart them, or build their image again.
//!
//! The trees are looked at every third of a second: that costs a walk, works on every file system, and needs no limit of
//! watches raised.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use hako_compose::Loaded;
use hako_compose::model::{Hook, Watch};
use hako_dockerfile::ignore::{Ignore, Matched};
use hako_engine::attach::Frame;
use hako_engine::container::ExecSpec;
use hako_project::apply::{Chosen, restart};
use hako_project::containers;

use super::Command;
use super::context::{Context, failure};
use super::provision::{Building, Provision};
use super::scene::all_services;
use super::up::Request;
use crate::args::{Parsed, Syntax, Words, switch};
use crate::command::{complain, dispatch};
use crate::report::Failure;

pub(super) const COMMAND: Command = Command {
    names: &["watch"],
    about: "Watch the sources, and renew services that change",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[&[
            switch("no-up", "do not build and start the services first"),
            switch("prune", ""),
            switch("quiet", "show no progress of builds"),
        ]],
    },
    run,
};

const LOOK: Duration = Duration::from_millis(330);

/// A rule with what its tree looked like last.
struct Rule {
    service: String,
    watch: Watch,
    ignore: Ignore,
    include: Ignore,
    seen: BTreeMap<PathBuf, (SystemTime, u64)>,
}

/// What changed below a rule's path.
#[derive(Debug, Default)]
struct Difference {
    written: Vec<PathBuf>,
    removed: Vec<PathBuf>,
}

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let loaded = context.load_for(&parsed.words)?;
    let services = loaded.select(&parsed.words, false).map_err(failure)?;
    let mut rules = rules(&loaded, &services)?;
    if rules.is_empty() {
        let text = "none of the selected services is configured for watch, consider setting a `develop` section";
        return Err(Failure::new(text));
    }
    if !parsed.on("no-up") {
        raise(context, &loaded, &services, parsed.on("quiet"))?;
    }
    for rule in rules.iter_mut().filter(|rule| rule.watch.initial_sync) {
        let all = Difference { written: rule.seen.keys().cloned().collect(), removed: Vec::new() };
        sync(context, &loaded, rule, &all)?;
    }
    complain("Watch enabled\n");
    loop {
        sleep(LOOK);
        for rule in &mut rules {
            let now = rule.look();
            let difference = difference(&rule.seen, &now);
            rule.seen = now;
            if difference.written.is_empty() && difference.removed.is_empty() {
                continue;
            }
            if let Err(failure) = act(context, &loaded, rule, &difference, parsed.on("quiet")) {
                failure.print();
            }
        }
    }
}

fn rules(loaded: &Loaded, services: &BTreeSet<String>) -> Result<Vec<Rule>, Failure> {
    let mut out = Vec::new();
    for (name, service) in
        loaded.project.services.iter().filter(|(name, _)| services.contains(*name))
    {
        for watch in service.develop.iter().flat_map(|develop| &develop.watch) {
            let patterns = watch.ignore.iter().map(String::as_str).chain([
                ".git",
                "**/.git",
                "**/*~",
                "**/.*.swp",
            ]);
            let bad = |error: hako_dockerfile::ignore::BadLine| {
                Failure::new(format!("services.{name}.develop: {error}"))
            };
            let mut rule = Rule {
                service: name.clone(),
                watch: watch.clone(),
                ignore: Ignore::of_patterns(patterns).map_err(bad)?,
                include: Ignore::of_patterns(watch.include.iter().map(String::as_str))
                    .map_err(bad)?,
                seen: BTreeMap::new(),
            };
            rule.seen = rule.look();
            out.push(rule);
        }
    }
    Ok(out)
}

impl Rule {
    /// Returns the files that the rule is about, with their times and sizes.
    fn look(&self) -> BTreeMap<PathBuf, (SystemTime, u64)> {
        let mut out = BTreeMap::new();
        let root = Path::new(&self.watch.path);
        let mut rest = vec![root.to_owned()];
        while let Some(path) = rest.pop() {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if !relative.is_empty() && self.ignore.decide(&relative, &Matched::default()).is_out {
                continue;
            }
            if meta.is_dir() {
                rest.extend(
                    fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()),
                );
                continue;
            }
            let included = self.include.is_empty()
                || self.include.decide(&relative, &Matched::default()).is_out;
            if included {
                out.insert(path, (meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len()));
            }
        }
        out
    }
}

fn difference(
    before: &BTreeMap<PathBuf, (SystemTime, u64)>,
    now: &BTreeMap<PathBuf, (SystemTime, u64)>,
) -> Difference {
    Difference {
        written: now
            .iter()
            .filter(|(path, facts)| before.get(*path) != Some(facts))
            .map(|(path, _)| path.clone())
            .collect(),
        removed: before.keys().filter(|path| !now.contains_key(*path)).cloned().collect(),
    }
}

fn act(
    context: &Context<'_>,
    loaded: &Loaded,
    rule: &Rule,
    difference: &Difference,
    quiet: bool,
) -> Result<(), Failure> {
    let action = rule.watch.action.as_str();
    if action.starts_with("sync") {
        sync(context, loaded, rule, difference)?;
    }
    match action {
        "rebuild" => {
            complain(&format!(
                "Rebuilding service(s) [\"{}\"] after changes were detected...\n",
                rule.service
            ));
            raise(context, loaded, &BTreeSet::from([rule.service.clone()]), quiet)
        }
        "restart" | "sync+restart" => {
            let project = &loaded.project.name;
            let all = containers(context.engine()?, project)?;
            let own =
                |actual: &hako_project::Actual| actual.service == rule.service && !actual.oneoff;
            let chosen = Chosen { containers: all.into_iter().filter(own).collect() };
            let options = context.apply_options()?;
            let wanted = hako_project::Wanted::new(loaded);
            let work = hako_project::apply::Work {
                settings: context.engine()?.settings(),
                wanted: &wanted,
                options: &options,
                progress: context.screen.as_ref(),
            };
            Ok(restart(&work, &chosen)?)
        }
        "sync+exec" => match &rule.watch.exec {
            Some(hook) => each_container(context, loaded, rule, &|id| exec(context, id, hook)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn each_container(
    context: &Context<'_>,
    loaded: &Loaded,
    rule: &Rule,
    work: &dyn Fn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let all = containers(context.engine()?, &loaded.project.name)?;
    let mut own = all
        .iter()
        .filter(|actual| actual.service == rule.service && !actual.oneoff && actual.is_up());
    own.try_for_each(|actual| work(&actual.id))
}

/// Copies what was written into the containers, and removes there what was removed here.
fn sync(
    context: &Context<'_>,
    loaded: &Loaded,
    rule: &Rule,
    difference: &Difference,
) -> Result<(), Failure> {
    let count = difference.written.len() + difference.removed.len();
    complain(&format!(
        "Syncing service \"{}\" after {count} changes were detected\n",
        rule.service
    ));
    let root = Path::new(&rule.watch.path);
    let inside = |path: &Path| {
        let relative = path.strip_prefix(root).unwrap_or(path);
        let target = Path::new(&rule.watch.target);
        if relative.as_os_str().is_empty() { target.to_owned() } else { target.join(relative) }
    };
    each_container(context, loaded, rule, &|id| {
        let parents: BTreeSet<String> = difference
            .written
            .iter()
            .filter_map(|path| Some(inside(path).parent()?.to_string_lossy().into_owned()))
            .collect();
        if !parents.is_empty() {
            let command =
                ["mkdir".to_owned(), "-p".to_owned()].into_iter().chain(parents).collect();
            exec(context, id, &Hook { command, user: "root".into(), ..Hook::default() })?;
        }
        for path in &difference.written {
            let target = format!("{id}:{}", inside(path).to_string_lossy());
            let words = [
                "cp".to_owned(),
                "--quiet".to_owned(),
                path.to_string_lossy().into_owned(),
                target,
            ];
            if dispatch(context.session, &words) != 0 {
                return Err(Failure::new(format!("cannot copy `{}`", path.display())));
            }
        }
        if difference.removed.is_empty() {
            return Ok(());
        }
        let gone =
            difference.removed.iter().map(|path| inside(path).to_string_lossy().into_owned());
        let command = ["rm".to_owned(), "-rf".to_owned()].into_iter().chain(gone).collect();
        exec(context, id, &Hook { command, user: "root".into(), ..Hook::default() })
    })
}

fn exec(context: &Context<'_>, id: &str, hook: &Hook) -> Result<(), Failure> {
    let env = hook
        .environment
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
    let spec = ExecSpec {
        cmd: hook.command.clone(),
        env: env.collect(),
        user: hook.user.clone(),
        working_dir: hook.working_dir.clone(),
        privileged: hook.privileged,
        ..ExecSpec::default()
    };
    let attachment = context.engine()?.containers().exec(id, &spec)?;
    let heard = |error: std::io::Error| Failure::io("the command cannot be heard", &error);
    while let Some(frame) = attachment.next().map_err(heard)? {
        match frame {
            Frame::Exit(0) => return Ok(()),
            Frame::Exit(code) => {
                return Err(Failure::new(format!(
                    "`{}` ended with code {code}",
                    hook.command.join(" ")
                )));
            }
            Frame::Failed(_) => {
                return Err(Failure::new(format!("`{}` cannot be run", hook.command.join(" "))));
            }
            Frame::Stderr(bytes) => complain(&String::from_utf8_lossy(&bytes)),
            _ => {}
        }
    }
    Ok(())
}

/// Builds the images of services again, and brings the services up.
fn raise(
    context: &Context<'_>,
    loaded: &Loaded,
    services: &BTreeSet<String>,
    quiet: bool,
) -> Result<(), Failure> {
    let names: Vec<String> = services.iter().cloned().collect();
    let all = loaded.select(&names, true).map_err(failure)?;
    let request = Request {
        known: all_services(loaded),
        named: services.clone(),
        services: all.clone(),
        scale: BTreeMap::new(),
        provision: Provision {
            building: Building::Always,
            quiet_build: quiet,
            ..Provision::default()
        },
        remove_orphans: false,
        forced: BTreeSet::new(),
        no_recreate: false,
        apply: context.apply_options()?,
        loaded: loaded.clone(),
    };
    let raised = request.converge(context)?;
    raised.work(context)?.start(&all, Some(&raised.plan))?;
    Ok(())
}
