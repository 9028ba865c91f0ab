//! Decides how a container is made: a specification becomes a list of steps.
//!
//! Nothing here touches the kernel, so that the order, which is the security, can be read, printed
//! (`hako oci plan`) and tested. The reasons for the order:
//!
//! * mounts get their propagation cut off before anything is mounted;
//! * everything that needs paths of the host comes before the root is changed;
//! * kernel parameters are written before `/proc/sys` becomes read-only, paths are covered after
//!   everything that writes, the root is sealed last;
//! * the filter is loaded as late as it can be, so that it need not allow what init does: last of
//!   all when the process may gain no privileges, otherwise while the capability to do so is there.

pub mod capability;
mod exec;
mod mount;
pub mod option;
mod process;
pub mod step;
#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use crate::spec::{Linux, NamespaceKind, Process, Spec};
use crate::{Error, Root};

pub use exec::{Entry, enter};
pub(crate) use mount::clean;
pub use step::{Groups, Outside, Plan, Step};

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// Name of the container.
    pub id: &'a str,
    /// The configuration.
    pub spec: &'a Spec,
    /// Directory of relative paths.
    pub bundle: &'a Path,
    /// What becomes `/`.
    pub root: &'a Root,
    /// Size of the terminal, if there is one.
    pub terminal: Option<(u16, u16)>,
    /// The container's control groups; `None` if it has none of its own.
    pub groups: Option<Groups>,
    /// How many descriptors from 3 on are passed.
    pub preserve: u32,
    /// Whether the root is changed without `pivot_root`.
    pub no_pivot: bool,
    /// Whether the caller's session keyring is kept.
    pub no_keyring: bool,
}

/// Returns how the container is made.
pub fn plan(inputs: &Inputs<'_>) -> Result<Plan, Error> {
    let none = Linux::default();
    let linux = inputs.spec.linux.as_ref().unwrap_or(&none);
    let process = inputs
        .spec
        .process
        .as_ref()
        .ok_or_else(|| Error::Invalid("the configuration has no `process`".into()))?;
    let namespaces = Namespaces::read(linux)?;
    let mut plan = Plan { outside: namespaces.outside(linux, process), inside: namespaces.enter() };
    plan.inside.push(Step::Session);
    if !inputs.no_keyring {
        plan.inside.push(Step::Keyring(format!("_ses.{}", inputs.id)));
    }
    if inputs.groups.is_none() && namespaces.creates(NamespaceKind::Cgroup) {
        // Nobody will move the process: where it is now is the root that its mounts show.
        plan.inside.push(Step::GroupNamespace);
    }
    if let Some(offsets) = time_offsets(linux, &namespaces)? {
        plan.inside.push(Step::TimeNamespace(offsets));
    }
    root(inputs, linux, &namespaces, &mut plan)?;
    finish(inputs, linux, &namespaces, &mut plan)?;
    process::steps(
        linux,
        process,
        &process::Setting::of(inputs, linux, &namespaces),
        &mut plan.inside,
    )?;
    start_hooks(inputs.spec, &mut plan.inside);
    Ok(plan)
}

/// Plans the root and everything below it, up to the change of root.
fn root(
    inputs: &Inputs<'_>,
    linux: &Linux,
    namespaces: &Namespaces,
    plan: &mut Plan,
) -> Result<(), Error> {
    let given = linux.rootfs_propagation.as_deref().filter(|word| !word.is_empty());
    let propagation = given
        .map(|word| {
            option::propagation(word)
                .ok_or_else(|| Error::Invalid(format!("unknown propagation `{word}`")))
        })
        .transpose()?;
    if namespaces.creates(NamespaceKind::Mount) {
        // What cannot be bound cannot become a root either: it comes to that afterwards.
        let early = propagation.map(|change| match change & !option::REC {
            libc::MS_UNBINDABLE => change & option::REC | option::PRIVATE,
            _ => change,
        });
        plan.inside.push(Step::Propagation(early.unwrap_or(option::SLAVE | option::REC)));
    }
    plan.inside.push(match inputs.root {
        Root::Directory(path) => Step::RootDirectory(inputs.bundle.join(path)),
        Root::Overlay { lower, upper, work, options } => Step::RootOverlay {
            lower: lower.clone(),
            upper: upper.clone(),
            work: work.clone(),
            options: options.clone(),
        },
    });
    let late = mount::steps(inputs, linux, namespaces, plan)?;
    if let Some((columns, rows)) = inputs.terminal {
        plan.inside.push(Step::Terminal { columns, rows, console: true });
    }
    hooks(inputs.spec, plan);
    plan.inside.push(match (namespaces.has(NamespaceKind::Mount), inputs.no_pivot) {
        (false, _) => Step::ChangeRoot,
        (true, true) => Step::MoveRoot,
        (true, false) => Step::Pivot,
    });
    if let Some(propagation) = propagation {
        plan.inside.push(Step::RootPropagation(propagation));
    }
    plan.inside.extend(late);
    Ok(())
}

fn hooks(spec: &Spec, plan: &mut Plan) {
    let Some(hooks) = &spec.hooks else { return };
    let prestart = hooks.prestart.iter().map(|hook| ("prestart".to_owned(), hook.clone()));
    let runtime =
        hooks.create_runtime.iter().map(|hook| ("createRuntime".to_owned(), hook.clone()));
    plan.outside.hooks = prestart.chain(runtime).collect();
    if !plan.outside.hooks.is_empty() {
        plan.inside.push(Step::CallerHooks);
    }
    if !hooks.create_container.is_empty() {
        plan.inside.push(Step::Hooks("createContainer".into(), hooks.create_container.clone()));
    }
}

/// Puts the hooks that precede the program right before it, confined as it is.
fn start_hooks(spec: &Spec, steps: &mut Vec<Step>) {
    let hooks = spec.hooks.as_ref().map(|hooks| &hooks.start_container);
    let Some(hooks) = hooks.filter(|hooks| !hooks.is_empty()) else { return };
    if let Some(at) = steps.iter().position(|step| *step == Step::Execute) {
        steps.insert(at, Step::Hooks("startContainer".into(), hooks.clone()));
    }
}

/// Plans what is done inside the new root before the process itself is prepared.
fn finish(
    inputs: &Inputs<'_>,
    linux: &Linux,
    namespaces: &Namespaces,
    plan: &mut Plan,
) -> Result<(), Error> {
    if let Some(name) = inputs.spec.hostname.as_ref().filter(|name| !name.is_empty()) {
        namespaces.need(NamespaceKind::Uts, "a host name")?;
        plan.inside.push(Step::HostName(name.clone()));
    }
    if let Some(name) = inputs.spec.domainname.as_ref().filter(|name| !name.is_empty()) {
        namespaces.need(NamespaceKind::Uts, "a domain name")?;
        plan.inside.push(Step::DomainName(name.clone()));
    }
    for (name, value) in &linux.sysctl {
        plan.inside.push(Step::Sysctl(sysctl(name, namespaces)?, value.clone()));
    }
    let process = inputs.spec.process.as_ref();
    if let Some(cwd) =
        process.map(|process| &process.cwd).filter(|cwd| cwd.as_path() != Path::new("/"))
    {
        plan.inside.push(Step::Directory(cwd.clone()));
    }
    plan.inside.extend(once(&linux.readonly_paths).map(|path| Step::ReadOnly(path.clone())));
    plan.inside.extend(once(&linux.masked_paths).map(|path| Step::Mask(path.clone())));
    if inputs.spec.root.as_ref().is_some_and(|root| root.readonly) {
        plan.inside.push(Step::SealRoot);
    }
    Ok(())
}

/// Each path once: to cover one twice costs a mount and hides nothing more.
fn once(paths: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    paths.iter().enumerate().filter(|(at, path)| !paths[..*at].contains(path)).map(|(_, path)| path)
}

/// Returns the path of a kernel parameter below `/proc/sys`, if it belongs to the container alone.
///
/// Dots and slashes separate; whichever comes first is the separator, as for `sysctl(8)`.
fn sysctl(name: &str, namespaces: &Namespaces) -> Result<String, Error> {
    let path: String = match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('.') => name
            .chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    };
    let ipc = [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
    ];
    let ipc_more = ["kernel/shmmni", "kernel/shm_rmid_forced"];
    let refuse = |why: &str| Err(Error::Invalid(format!("sysctl `{name}` {why}")));
    if Path::new(&path).components().any(|part| !matches!(part, Component::Normal(_))) {
        return refuse("is not a name");
    }
    let owner = if path.starts_with("net/") {
        NamespaceKind::Network
    } else if ipc.contains(&path.as_str())
        || ipc_more.contains(&path.as_str())
        || path.starts_with("fs/mqueue/")
    {
        NamespaceKind::Ipc
    } else if path == "kernel/domainname" || path == "kernel/hostname" {
        NamespaceKind::Uts
    } else if path.starts_with("user/") {
        NamespaceKind::User
    } else {
        return refuse("is not in a separate kernel namespace");
    };
    if !namespaces.has(owner) {
        return refuse("is not allowed in the host's namespace");
    }
    Ok(path)
}

fn time_offsets(linux: &Linux, namespaces: &Namespaces) -> Result<Option<String>, Error> {
    if !namespaces.creates(NamespaceKind::Time) {
        if !linux.time_offsets.is_empty() {
            return Err(Error::Invalid("time offsets need a new time namespace".into()));
        }
        return Ok(None);
    }
    let lines = linux.time_offsets.iter();
    Ok(Some(
        lines
            .map(|(clock, offset)| format!("{clock} {} {}\n", offset.secs, offset.nanosecs))
            .collect(),
    ))
}

/// The namespaces of a container, checked.
#[derive(Debug)]
struct Namespaces(Vec<(NamespaceKind, Option<PathBuf>)>);

impl Namespaces {
    fn read(linux: &Linux) -> Result<Self, Error> {
        let mut found: Vec<(NamespaceKind, Option<PathBuf>)> = Vec::new();
        for namespace in &linux.namespaces {
            if found.iter().any(|(kind, _)| *kind == namespace.kind) {
                return Err(Error::Invalid(
                    format!("the namespace `{:?}` is listed twice", namespace.kind).to_lowercase(),
                ));
            }
            let path = namespace.path.clone().filter(|path| !path.as_os_str().is_empty());
            found.push((namespace.kind, path));
        }
        let namespaces = Self(found);
        if !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty() {
            namespaces.need(NamespaceKind::Mount, "a masked or read-only path")?;
        }
        let mapped = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
        if namespaces.creates(NamespaceKind::User) && !mapped {
            return Err(Error::Invalid("a new user namespace needs identifier mappings".into()));
        }
        if mapped {
            namespaces.need(NamespaceKind::User, "an identifier mapping")?;
        }
        Ok(namespaces)
    }

    fn has(&self, kind: NamespaceKind) -> bool {
        self.0.iter().any(|(known, _)| *known == kind)
    }

    fn creates(&self, kind: NamespaceKind) -> bool {
        self.has(kind) && self.path(kind).is_none()
    }

    fn path(&self, kind: NamespaceKind) -> Option<&PathBuf> {
        self.0.iter().find(|(known, _)| *known == kind)?.1.as_ref()
    }

    fn need(&self, kind: NamespaceKind, what: &str) -> Result<(), Error> {
        if self.has(kind) {
            return Ok(());
        }
        Err(Error::Invalid(format!("{what} needs a namespace of type `{kind:?}`").to_lowercase()))
    }

    /// The namespaces that are made at once: all but the cgroup namespace, whose root is where its
    /// maker is at that moment, and the time namespace, which only programs executed later enter.
    fn new_at_once(&self) -> Vec<NamespaceKind> {
        let later = [NamespaceKind::Cgroup, NamespaceKind::Time];
        self.0
            .iter()
            .filter(|(kind, path)| path.is_none() && !later.contains(kind))
            .map(|(kind, _)| *kind)
            .collect()
    }

    fn outside(&self, linux: &Linux, process: &Process) -> Outside {
        let inside = [NamespaceKind::User, NamespaceKind::Mount];
        let join = self.0.iter().filter(|(kind, _)| !inside.contains(kind));
        let new_user = self.creates(NamespaceKind::User);
        let interfaces = linux.net_devices.iter().map(|(name, device)| {
            (name.clone(), if device.name.is_empty() { name.clone() } else { device.name.clone() })
        });
        Outside {
            create: if self.path(NamespaceKind::User).is_some() {
                Vec::new()
            } else {
                self.new_at_once()
            },
            join: join.filter_map(|(kind, path)| Some((*kind, path.clone()?))).collect(),
            uid_mappings: if new_user { linux.uid_mappings.clone() } else { Vec::new() },
            gid_mappings: if new_user { linux.gid_mappings.clone() } else { Vec::new() },
            oom_score_adj: process.oom_score_adj,
            interfaces: interfaces.collect(),
            ..Outside::default()
        }
    }

    /// The first steps of init: into namespaces that cannot be entered from outside.
    fn enter(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(path) = self.path(NamespaceKind::User) {
            // Namespaces must be made by a member of the user namespace that is to own them.
            steps.push(Step::EnterUser(path.clone()));
            steps.push(Step::Continue(self.new_at_once()));
        }
        if let Some(path) = self.path(NamespaceKind::Mount) {
            steps.push(Step::EnterMounts(path.clone()));
        }
        steps
    }
}
