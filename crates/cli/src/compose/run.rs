//! `run`: one command in a container of its own.

use hako_compose::model::{Mount, Port, Service};
use hako_engine::container::StartOptions;
use hako_project::apply::{ApplyOptions, OneOff, Work, create_oneoff};
use hako_project::{PlanOptions, Wanted, containers, lock, plan, remember, with_networks};
use hako_types::{ContainerId, port};

use super::Command;
use super::context::{Context, failure};
use super::provision::{Building, Provision, provide};
use super::scene::all_services;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::command::{dispatch, say};
use crate::create;
use crate::report::Failure;
use crate::terminal::is_terminal;

const FLAGS: &[Flag] = &[
    switch("build", "build the image first"),
    values("cap-add", "list", "give a capability"),
    values("cap-drop", "list", "take a capability"),
    switch("detach", "run it in the background and print its id").short('d'),
    value("entrypoint", "string", "the program in the place of the image's"),
    values("env", "stringArray", "set an environment variable").short('e'),
    values("env-from-file", "stringArray", "read environment variables from a file"),
    switch("interactive", "pass standard input on (default true)").short('i'),
    values("label", "stringArray", "set a label").short('l'),
    value("name", "string", "the container's name"),
    switch("no-TTY", "give it no terminal").short('T'),
    switch("no-tty", ""),
    switch("no-deps", "start nothing that the service needs"),
    values("publish", "stringArray", "publish a port").short('p'),
    value("pull", "string", "always, missing or never"),
    switch("quiet", "").short('q'),
    switch("quiet-build", "show no progress of builds"),
    switch("quiet-pull", "show no progress of pulls"),
    switch("remove-orphans", ""),
    switch("rm", "remove the container when it ends"),
    switch("service-ports", "publish the service's ports").short('P'),
    switch("tty", "").short('t'),
    switch("use-aliases", "answer to the service's names"),
    value("user", "string", "the user").short('u'),
    values("volume", "stringArray", "mount a volume or a path").short('v'),
    value("workdir", "string", "the directory").short('w'),
];

pub(super) const COMMAND: Command = Command {
    names: &["run"],
    about: "Run a command in a new container of a service",
    syntax: Syntax {
        words: "SERVICE [COMMAND] [ARGS...]",
        count: Words::AtLeast(1),
        program: true,
        flags: &[FLAGS],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let name = parsed.words[0].clone();
    let mut loaded = context.load()?;
    loaded.enable(std::slice::from_ref(&name)).map_err(|error| failure(error).with_code(1))?;
    if parsed.on("no-deps")
        && let Some(service) = loaded.project.services.get_mut(&name)
    {
        service.depends_on.clear();
    }
    loaded.settle().map_err(failure)?;
    let all = loaded.select(std::slice::from_ref(&name), true).map_err(failure)?;
    let how = Provision {
        building: if parsed.on("build") { Building::Always } else { Building::Missing },
        pull: parsed.text("pull").map(str::to_owned),
        quiet_pull: parsed.on("quiet-pull"),
        quiet_build: parsed.on("quiet-build"),
    };
    let mut needed = all.clone();
    needed.remove(&name);
    let images = provide(context, &loaded, &all, &how)?;
    let options = ApplyOptions { images: images.clone(), ..context.apply_options()? };
    let wanted = Wanted::new(&loaded);
    let engine = context.engine()?;
    let work = Work {
        settings: engine.settings(),
        wanted: &wanted,
        options: &options,
        progress: context.screen.as_ref(),
    };
    if !needed.is_empty() {
        let alone = lock(engine, &wanted.project.name)?;
        let actual = with_networks(engine, containers(engine, &wanted.project.name)?)?;
        let plan_options =
            PlanOptions { services: needed.clone(), images, ..PlanOptions::default() };
        let plan = plan(&wanted, &all_services(&loaded), &actual, &plan_options)?;
        work.converge(&plan, false)?;
        drop(alone);
        work.start(&needed, Some(&plan))?;
        remember(engine, &wanted)?;
    }
    if !context.is_dry() {
        work.await_dependencies(&name)?;
    }
    start(context, parsed, &work, &name)
}

fn start(
    context: &Context<'_>,
    parsed: &Parsed,
    work: &Work<'_>,
    name: &str,
) -> Result<u8, Failure> {
    let Some(service) = work.wanted.project.services.get(name) else { return Ok(1) };
    let detach = parsed.on("detach");
    let interactive = !detach && parsed.text("interactive") != Some("false");
    let here = is_terminal(rustix::stdio::stdin()) && is_terminal(rustix::stdio::stdout());
    let without = parsed.on("no-TTY") || parsed.on("no-tty") || parsed.text("tty") == Some("false");
    let tty = !without && !detach && here;
    let model = changed(context, parsed, service, tty)?;
    let slug = ContainerId::random().short().to_owned();
    let container = match parsed.text("name").filter(|text| !text.is_empty()) {
        Some(given) => given.to_owned(),
        None => format!("{}-{name}-run-{slug}", work.wanted.project.name),
    };
    if context.is_dry() {
        hako_project::Progress::tell(
            context.screen.as_ref(),
            &format!("Container {container}"),
            "Created",
            hako_project::Status::Done,
        );
        return Ok(0);
    }
    let one = OneOff {
        service: name,
        model: &model,
        name: &container,
        slug: &slug,
        aliases: parsed.on("use-aliases"),
        auto_remove: parsed.on("rm"),
        interactive,
    };
    let id = create_oneoff(work, &one)?;
    context.screen.settle();
    if detach {
        context
            .engine()?
            .containers()
            .start(&id, StartOptions::default())
            .map_err(Failure::running)?;
        say(&format!("{id}\n"));
        return Ok(0);
    }
    let mut words = vec!["start".to_owned(), "--attach".to_owned()];
    if interactive {
        words.push("--interactive".into());
    }
    words.push(id);
    Ok(dispatch(context.session, &words))
}

/// Returns the service as the flags want it.
fn changed(
    context: &Context<'_>,
    parsed: &Parsed,
    service: &Service,
    tty: bool,
) -> Result<Service, Failure> {
    let mut model = service.clone();
    model.tty = tty;
    model.scale = None;
    model.container_name = String::new();
    if parsed.words.len() > 1 {
        model.command = Some(parsed.words[1..].to_vec());
    }
    if let Some(text) = parsed.text("entrypoint") {
        let words = shlex::split(text)
            .ok_or_else(|| Failure::new(format!("`{text}` has a quote that is not closed")))?;
        model.entrypoint = Some(words);
        if parsed.words.len() == 1 {
            model.command = None;
        }
    }
    for (flag, target) in [("user", &mut model.user), ("workdir", &mut model.working_dir)] {
        if let Some(text) = parsed.text(flag) {
            text.clone_into(target);
        }
    }
    let env = create::environment(
        &context.session.around,
        &parsed.list("env-from-file"),
        &parsed.list("env"),
    );
    for line in env.map_err(Failure::new)? {
        let (key, value) = line.split_once('=').unwrap_or((&line, ""));
        model.environment.insert(key.to_owned(), Some(value.to_owned()));
    }
    for label in parsed.all("label") {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        model.labels.insert(key.to_owned(), value.to_owned());
    }
    model.cap_add.extend(parsed.list("cap-add"));
    model.cap_drop.extend(parsed.list("cap-drop"));
    if !parsed.on("service-ports") {
        model.ports.clear();
    }
    for text in parsed.all("publish") {
        model.ports.extend(published(text)?);
    }
    for text in parsed.all("volume") {
        let mount = mount(context, text)?;
        model.volumes.retain(|known| known.target != mount.target);
        model.volumes.push(mount);
    }
    Ok(model)
}

fn published(text: &str) -> Result<Vec<Port>, Failure> {
    let mappings = port::parse_publish(text).map_err(|error| Failure::new(error.to_string()))?;
    Ok(mappings
        .into_iter()
        .map(|mapping| Port {
            host_ip: mapping.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            target: mapping.container,
            published: match mapping.host {
                None => String::new(),
                Some((first, last)) if first == last => first.to_string(),
                Some((first, last)) => format!("{first}-{last}"),
            },
            protocol: mapping.protocol.to_string(),
            ..Port::default()
        })
        .collect())
}

/// Reads `[SOURCE:]TARGET[:MODE]`.
fn mount(context: &Context<'_>, text: &str) -> Result<Mount, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(Failure::new(format!("`{text}` is not a volume: too many colons"))),
    };
    let is_path = source.starts_with(['.', '/', '~']);
    let source = match source {
        source if is_path => context.session.around.absolute(source).to_string_lossy().into_owned(),
        source => source.to_owned(),
    };
    Ok(Mount {
        r#type: if is_path { "bind".into() } else { "volume".into() },
        source,
        target: target.to_owned(),
        read_only: mode.split(',').any(|word| word == "ro"),
        bind: is_path
            .then(|| hako_compose::model::Bind { create_host_path: true, ..Default::default() }),
        ..Mount::default()
    })
}
