//! Plans the program: limits, user, privileges, execution.

use crate::Error;
use crate::spec::{Linux, MemoryPolicy, NamespaceKind, Process, Scheduler};

use super::step::{Capabilities, Identity, Scheduling, Step};
use super::{Inputs, Namespaces, capability};

/// What the plan of a program depends on beside its configuration.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of the container")]
pub(crate) struct Setting {
    /// Whether the caller puts it into a control group that it must be in before it goes on.
    pub grouped: bool,
    /// Whether it makes a cgroup namespace.
    pub group_namespace: bool,
    /// Whether there is a filter.
    pub filter: bool,
    /// Whether `setgroups(2)` is refused by its user namespace.
    pub no_groups: bool,
    /// Whether it is not the container's first process.
    pub further: bool,
    /// How many descriptors from 3 on it gets.
    pub preserve: u32,
}

impl Setting {
    pub(super) fn of(inputs: &Inputs<'_>, linux: &Linux, namespaces: &Namespaces) -> Self {
        Self {
            grouped: inputs.groups.is_some(),
            group_namespace: inputs.groups.is_some() && namespaces.creates(NamespaceKind::Cgroup),
            filter: linux.seccomp.is_some(),
            no_groups: false,
            further: false,
            preserve: inputs.preserve,
        }
    }
}

/// Adds the steps from a finished root to the running program.
pub(crate) fn steps(
    linux: &Linux,
    process: &Process,
    setting: &Setting,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    check(process)?;
    domain(linux, steps)?;
    if setting.grouped {
        steps.push(Step::AwaitGroup);
    }
    if setting.group_namespace {
        steps.push(Step::GroupNamespace);
    }
    affinity(process, setting.further, steps)?;
    if process.scheduler.as_ref().is_some_and(|wanted| wanted.policy == "SCHED_DEADLINE")
        && linux
            .resources
            .as_ref()
            .and_then(|limits| limits.cpu.as_ref()?.cpus.as_ref())
            .is_some_and(|cpus| !cpus.is_empty())
    {
        return Err(Error::Invalid(
            "the deadline process scheduler can't be used together with AllowedCPUs".into(),
        ));
    }
    limits(process, steps)?;
    labels(process, steps);
    let (bounding, sets) = match &process.capabilities {
        Some(wanted) => capability::sets(wanted),
        None => (0, Capabilities::default()),
    };
    if process.no_new_privileges {
        steps.push(Step::NoNewPrivileges);
    }
    steps.push(Step::Identify(Box::new(Identity {
        user: process.user.clone(),
        groups: !setting.no_groups,
        args: process.args.clone(),
        env: process.env.clone(),
    })));
    steps.push(Step::Bounding(bounding));
    // A directory that only root may enter is as good a place to begin in as any other.
    steps.push(Step::WorkIn(process.cwd.clone()));
    steps.push(Step::Become);
    steps.push(Step::CloseFrom(3 + setting.preserve));
    steps.push(Step::Ready);
    if setting.filter && !process.no_new_privileges {
        steps.push(Step::Seccomp);
    }
    steps.push(Step::Capabilities(sets));
    if setting.filter && process.no_new_privileges {
        steps.push(Step::Seccomp);
    }
    steps.push(Step::Execute);
    Ok(())
}

/// Plans the processors. What the caller is bound to is no business of the program's, what its
/// control group allows is; a further process may ask for less.
fn affinity(process: &Process, further: bool, steps: &mut Vec<Step>) -> Result<(), Error> {
    match process.exec_cpu_affinity.as_ref().filter(|_| further) {
        None => steps.push(Step::Affinity(Vec::new())),
        Some(wanted) if wanted.last.is_empty() => {}
        Some(wanted) => steps.push(Step::Affinity(processors(&wanted.last)?)),
    }
    Ok(())
}

fn check(process: &Process) -> Result<(), Error> {
    if process.args.is_empty() {
        return Err(Error::Invalid("the configuration has no `process.args`".into()));
    }
    if !process.cwd.is_absolute() {
        return Err(Error::Invalid(format!(
            "the working directory `{}` is not absolute",
            process.cwd.display()
        )));
    }
    let texts = process.args.iter().chain(&process.env);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(Error::Invalid("an argument or variable contains a NUL".into()));
    }
    Ok(())
}

/// Plans how the kernel presents itself, and where memory lies.
fn domain(linux: &Linux, steps: &mut Vec<Step>) -> Result<(), Error> {
    if let Some(wanted) = &linux.personality {
        steps.push(Step::Personality(match wanted.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => return Err(Error::Invalid(format!("unknown personality `{other}`"))),
        }));
    }
    if let Some(wanted) = &linux.memory_policy {
        steps.push(memory(wanted)?);
    }
    Ok(())
}

fn memory(wanted: &MemoryPolicy) -> Result<Step, Error> {
    let modes = [
        "MPOL_DEFAULT",
        "MPOL_PREFERRED",
        "MPOL_BIND",
        "MPOL_INTERLEAVE",
        "MPOL_LOCAL",
        "MPOL_PREFERRED_MANY",
    ];
    let modes = modes.into_iter().chain(["MPOL_WEIGHTED_INTERLEAVE"]);
    let mode = (0..).zip(modes).find(|(_, name)| *name == wanted.mode).map(|(number, _)| number);
    let mut mode = mode
        .ok_or_else(|| Error::Invalid(format!("invalid memory policy mode `{}`", wanted.mode)))?;
    for flag in &wanted.flags {
        mode |= match flag.as_str() {
            "MPOL_F_STATIC_NODES" => 1 << 15,
            "MPOL_F_RELATIVE_NODES" => 1 << 14,
            "MPOL_F_NUMA_BALANCING" => 1 << 13,
            other => return Err(Error::Invalid(format!("invalid memory policy flag `{other}`"))),
        };
    }
    let mut nodes = Vec::new();
    let list = processors(&wanted.nodes).map_err(|_| {
        Error::Invalid(format!("invalid memory policy node list `{}`", wanted.nodes))
    })?;
    if matches!(wanted.mode.as_str(), "MPOL_DEFAULT" | "MPOL_LOCAL") && !list.is_empty() {
        let count = list.len();
        return Err(Error::Invalid(format!(
            "invalid memory policy: {} mode requires 0 nodes but got {count}",
            wanted.mode
        )));
    }
    for node in list {
        let word = usize::try_from(node / 64).unwrap_or_default();
        nodes.resize(nodes.len().max(word + 1), 0_u64);
        nodes[word] |= 1 << (node % 64);
    }
    Ok(Step::MemoryPolicy(mode, nodes))
}

fn limits(process: &Process, steps: &mut Vec<Step>) -> Result<(), Error> {
    for limit in &process.rlimits {
        if !LIMITS.contains(&limit.kind.as_str()) {
            return Err(Error::Invalid(format!("unknown resource limit `{}`", limit.kind)));
        }
        if limit.soft > limit.hard {
            return Err(Error::Invalid(format!(
                "the soft limit of `{}` is above its hard limit",
                limit.kind
            )));
        }
        steps.push(Step::Limit(limit.kind.clone(), limit.soft, limit.hard));
    }
    if let Some(wanted) = &process.scheduler {
        steps.push(Step::Scheduling(scheduling(wanted)?));
    }
    if let Some(wanted) = &process.io_priority {
        let class = match wanted.class.as_str() {
            "IOPRIO_CLASS_RT" => 1,
            "IOPRIO_CLASS_BE" => 2,
            "IOPRIO_CLASS_IDLE" => 3,
            other => return Err(Error::Invalid(format!("unknown I/O priority class `{other}`"))),
        };
        let level = u32::try_from(wanted.priority).ok().filter(|level| *level < 8);
        let level = level.ok_or_else(|| {
            Error::Invalid(format!("I/O priority `{}` is not 0 to 7", wanted.priority))
        })?;
        steps.push(Step::IoPriority(class, level));
    }
    Ok(())
}

fn labels(process: &Process, steps: &mut Vec<Step>) {
    if let Some(profile) = process.apparmor_profile.as_ref().filter(|profile| !profile.is_empty()) {
        steps.push(Step::AppArmor(profile.clone()));
    }
    if let Some(label) = process.selinux_label.as_ref().filter(|label| !label.is_empty()) {
        steps.push(Step::SeLinux(label.clone()));
    }
}

/// The limits of `getrlimit(2)`.
pub(crate) const LIMITS: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

fn scheduling(wanted: &Scheduler) -> Result<Scheduling, Error> {
    let policies = [
        "SCHED_OTHER",
        "SCHED_FIFO",
        "SCHED_RR",
        "SCHED_BATCH",
        "SCHED_ISO",
        "SCHED_IDLE",
        "SCHED_DEADLINE",
    ];
    let flags = [
        "SCHED_FLAG_RESET_ON_FORK",
        "SCHED_FLAG_RECLAIM",
        "SCHED_FLAG_DL_OVERRUN",
        "SCHED_FLAG_KEEP_POLICY",
        "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN",
        "SCHED_FLAG_UTIL_CLAMP_MAX",
    ];
    let number = |names: &[&str], name: &str| {
        let at =
            names.iter().position(|known| *known == name).and_then(|at| u32::try_from(at).ok());
        at.ok_or_else(|| Error::Invalid(format!("unknown scheduler word `{name}`")))
    };
    Ok(Scheduling {
        policy: number(&policies, &wanted.policy)?,
        flags: wanted
            .flags
            .iter()
            .try_fold(0, |bits, flag| number(&flags, flag).map(|number| bits | 1 << number))?,
        nice: wanted.nice,
        priority: u32::try_from(wanted.priority).unwrap_or_default(),
        runtime: wanted.runtime,
        deadline: wanted.deadline,
        period: wanted.period,
    })
}

/// Reads a list such as `0-3,7`.
pub(crate) fn processors(list: &str) -> Result<Vec<u32>, Error> {
    let wrong = || Error::Invalid(format!("`{list}` is not a list of numbers"));
    let mut all = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| wrong())?;
        let last: u32 = last.parse().map_err(|_| wrong())?;
        if last < first || last > 4096 {
            return Err(wrong());
        }
        all.extend(first..=last);
    }
    Ok(all)
}
