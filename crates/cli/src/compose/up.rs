//! `up`: make what is wanted, start it, and stay or go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hako_compose::Loaded;
use hako_project::apply::{ApplyOptions, Work, wait_ready};
use hako_project::{Plan, PlanOptions, Wanted, containers, lock, plan, remember, with_networks};

use super::attached::{self, Attached};
use super::context::{Context, failure};
use super::provision::{Building, Provision, provide};
use super::scene::all_services;
use super::{Command, warn};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::report::Failure;

/// Flags that `up` and `create` share.
pub(super) const SHARED: &[Flag] = &[
    switch("build", "build the images before the containers are made"),
    switch("force-recreate", "make all containers anew"),
    switch("no-build", "build nothing, even what is missing"),
    switch("no-recreate", "make no container anew"),
    value("pull", "string", "always, missing, never, or build"),
    switch("quiet-pull", "show no progress of pulls"),
    switch("remove-orphans", "remove containers of services that are not in the file"),
    values("scale", "scale", "SERVICE=NUMBER: how many containers a service is to have"),
    switch("yes", "").short('y'),
];

const FLAGS: &[Flag] = &[
    switch("abort-on-container-exit", "stop all containers when one ends"),
    switch(
        "abort-on-container-failure",
        "stop all containers when one ends with another code than 0",
    ),
    switch("always-recreate-deps", "make what the services need anew, too"),
    values("attach", "list", "show the output of these services only"),
    switch("attach-dependencies", "show the output of what the services need, too"),
    switch("detach", "start in the background").short('d'),
    value("exit-code-from", "string", "end with the exit code of this service"),
    switch("menu", ""),
    values("no-attach", "list", "do not show the output of these services"),
    switch("no-color", "show output without colours"),
    switch("no-deps", "leave what the services need alone"),
    switch("no-log-prefix", "show output without names before it"),
    switch("no-start", "make the containers and start none"),
    switch("quiet-build", "show no progress of builds"),
    switch("renew-anon-volumes", "give new containers fresh anonymous volumes").short('V'),
    value("timeout", "int", "seconds that containers have to stop").short('t'),
    switch("timestamps", "show when each line was printed"),
    switch("wait", "wait until services run and are healthy, then leave them"),
    value("wait-timeout", "int", "seconds to wait at most"),
];

pub(super) const COMMAND: Command = Command {
    names: &["up"],
    about: "Make and start the services' containers",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS, SHARED],
    },
    run,
};

/// What is to be brought up.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) loaded: Loaded,
    pub(super) known: BTreeSet<String>,
    /// The services that were meant.
    pub(super) named: BTreeSet<String>,
    /// They and what they need.
    pub(super) services: BTreeSet<String>,
    pub(super) scale: BTreeMap<String, u32>,
    pub(super) provision: Provision,
    pub(super) remove_orphans: bool,
    /// The services whose containers are made anew whatever they are made from.
    pub(super) forced: BTreeSet<String>,
    pub(super) no_recreate: bool,
    pub(super) apply: ApplyOptions,
}

/// What was brought up.
#[derive(Debug)]
pub(super) struct Raised {
    pub(super) wanted: Wanted,
    pub(super) plan: Plan,
    pub(super) apply: ApplyOptions,
}

impl Request {
    /// Reads what `up` and `create` have in common.
    pub(super) fn read(context: &Context<'_>, parsed: &Parsed) -> Result<Self, Failure> {
        let mut loaded = context.load()?;
        loaded.enable(&parsed.words).map_err(|error| failure(error).with_code(1))?;
        let scale = scales(&loaded, &parsed.list("scale"))?;
        let no_deps = parsed.on("no-deps");
        if no_deps {
            let names: BTreeSet<&String> = parsed.words.iter().collect();
            for service in loaded.project.services.values_mut() {
                service.depends_on.retain(|other, _| names.contains(other));
            }
        }
        loaded.settle().map_err(failure)?;
        let named = loaded.select(&parsed.words, false).map_err(failure)?;
        let services = loaded.select(&parsed.words, !no_deps).map_err(failure)?;
        let mut forced = BTreeSet::new();
        if parsed.on("force-recreate") {
            forced.extend(named.iter().cloned());
        }
        if parsed.on("always-recreate-deps") {
            forced.extend(services.difference(&named).cloned());
        }
        if services.is_empty() {
            return Err(Failure::new("no service selected"));
        }
        let building = match (parsed.on("build"), parsed.on("no-build")) {
            (true, true) => return Err(Failure::new("--build and --no-build are incompatible")),
            (true, false) => Building::Always,
            (false, true) => Building::Never,
            (false, false) => Building::Missing,
        };
        if parsed.on("force-recreate") && parsed.on("no-recreate") {
            return Err(Failure::new("--force-recreate and --no-recreate are incompatible"));
        }
        let pull = parsed.text("pull").filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(policy) = pull
            .as_deref()
            .filter(|text| !["always", "missing", "never", "build", "newer"].contains(text))
        {
            return Err(Failure::new(format!("invalid --pull option \"{policy}\"")));
        }
        Ok(Self {
            known: all_services(&loaded),
            named,
            services,
            scale,
            provision: Provision {
                building,
                pull,
                quiet_pull: parsed.on("quiet-pull"),
                quiet_build: parsed.on("quiet-build"),
            },
            remove_orphans: context.switched(parsed, "remove-orphans", "COMPOSE_REMOVE_ORPHANS"),
            forced,
            no_recreate: parsed.on("no-recreate"),
            apply: ApplyOptions {
                timeout: parsed.given("timeout").then(|| parsed.integer("timeout")).transpose()?,
                renew_volumes: parsed.on("renew-anon-volumes"),
                ..context.apply_options()?
            },
            loaded,
        })
    }

    /// Comes by the images, plans, and makes the containers; starts none.
    pub(super) fn converge(mut self, context: &Context<'_>) -> Result<Raised, Failure> {
        for (name, count) in &self.scale {
            if let Some(service) = self.loaded.project.services.get_mut(name) {
                service.scale = Some(i64::from(*count));
            }
        }
        let engine = context.engine()?;
        let wanted = Wanted::new(&self.loaded);
        self.apply.images = provide(context, &self.loaded, &self.services, &self.provision)?;
        let _nobody_else = lock(engine, &wanted.project.name)?;
        let actual = with_networks(engine, containers(engine, &wanted.project.name)?)?;
        let options = PlanOptions {
            services: self.services.clone(),
            scale: self.scale.clone(),
            forced: self.forced.clone(),
            no_recreate: self.no_recreate,
            images: self.apply.images.clone(),
        };
        let plan = plan(&wanted, &self.known, &actual, &options)?;
        if !plan.orphans.is_empty() && !self.remove_orphans && !ignores_orphans(context) {
            let names: Vec<&str> = plan.orphans.iter().map(|(_, name)| name.as_str()).collect();
            warn(&format!(
                "Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose \
                 file, you can run this command with the --remove-orphans flag to clean it up.",
                names.join(" ")
            ));
        }
        if !context.is_dry() {
            remember(engine, &wanted)?;
        }
        let raised = Raised { wanted, plan, apply: self.apply };
        raised.work(context)?.converge(&raised.plan, self.remove_orphans)?;
        Ok(raised)
    }
}

fn ignores_orphans(context: &Context<'_>) -> bool {
    context
        .environment
        .get("COMPOSE_IGNORE_ORPHANS")
        .is_some_and(|text| ["1", "true"].contains(&text.to_ascii_lowercase().as_str()))
}

impl Raised {
    pub(super) fn work<'a>(&'a self, context: &'a Context<'_>) -> Result<Work<'a>, Failure> {
        Ok(Work {
            settings: context.engine()?.settings(),
            wanted: &self.wanted,
            options: &self.apply,
            progress: context.screen.as_ref(),
        })
    }
}

/// Reads `SERVICE=NUMBER`.
pub(super) fn scales(loaded: &Loaded, given: &[String]) -> Result<BTreeMap<String, u32>, Failure> {
    let mut out = BTreeMap::new();
    for text in given {
        let bad =
            || Failure::new(format!("invalid --scale option \"{text}\". Should be SERVICE=NUM"));
        let (name, count) = text.split_once('=').ok_or_else(bad)?;
        let count = count.parse().map_err(|_| bad())?;
        if !loaded.project.services.contains_key(name) {
            return Err(failure(loaded.unknown(name)).with_code(1));
        }
        out.insert(name.to_owned(), count);
    }
    Ok(out)
}

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let detach = parsed.on("detach") || parsed.on("wait") || parsed.on("no-start");
    let exit_from =
        parsed.text("exit-code-from").filter(|name| !name.is_empty()).map(str::to_owned);
    let abort = parsed.on("abort-on-container-exit") || exit_from.is_some();
    let abort_on_failure = parsed.on("abort-on-container-failure");
    if detach && (abort || abort_on_failure || !parsed.list("attach").is_empty()) {
        return Err(Failure::new(
            "--detach, --wait and --no-start cannot be combined with flags that stay attached",
        ));
    }
    let request = Request::read(context, parsed)?;
    if let Some(name) = exit_from.as_ref().filter(|name| !request.services.contains(*name)) {
        return Err(failure(request.loaded.unknown(name)).with_code(1));
    }
    let services = request.services.clone();
    let shown = shown(parsed, &request)?;
    let raised = request.converge(context)?;
    if parsed.on("no-start") {
        return Ok(0);
    }
    let work = raised.work(context)?;
    if detach || context.is_dry() {
        work.start(&services, Some(&raised.plan))?;
        if parsed.on("wait") && !context.is_dry() {
            let limit =
                parsed.given("wait-timeout").then(|| parsed.integer("wait-timeout")).transpose()?;
            let limit = limit
                .filter(|seconds| *seconds > 0)
                .and_then(|seconds| u64::try_from(seconds).ok());
            wait_ready(&work, &services, limit.map(Duration::from_secs))?;
        }
        return Ok(0);
    }
    let attached = Attached {
        services: &services,
        shown: &shown,
        colour: !parsed.on("no-color") && context.globals.text("ansi") != Some("never"),
        prefix: !parsed.on("no-log-prefix"),
        timestamps: parsed.on("timestamps"),
        abort,
        abort_on_failure,
        exit_from: exit_from.as_deref(),
    };
    attached::run(context, &raised, &attached)
}

/// Returns the services whose output is shown.
fn shown(parsed: &Parsed, request: &Request) -> Result<BTreeSet<String>, Failure> {
    let given = parsed.list("attach");
    for name in given.iter().chain(&parsed.list("no-attach")) {
        if request.loaded.service(name).is_none() {
            return Err(failure(request.loaded.unknown(name)).with_code(1));
        }
    }
    let base: BTreeSet<String> = if !given.is_empty() {
        given.into_iter().collect()
    } else if parsed.on("attach-dependencies") {
        request.services.clone()
    } else {
        request.named.clone()
    };
    let silent = parsed.list("no-attach");
    let wants = |name: &String| {
        !silent.contains(name)
            && request.loaded.service(name).is_none_or(|service| service.attach != Some(false))
    };
    Ok(base.into_iter().filter(wants).collect())
}
