//! Plans a further process in a running container.

use std::path::PathBuf;

use crate::Error;
use crate::spec::{Linux, NamespaceKind, Process, Spec};

use super::process::{self, Setting};
use super::step::{Outside, Plan, Step};

/// Everything that the plan of a further process depends on.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The container's configuration.
    pub spec: &'a Spec,
    /// What to run.
    pub process: &'a Process,
    /// Size of the terminal, if there is one.
    pub terminal: Option<(u16, u16)>,
    /// Whether the caller puts it into a control group.
    pub grouped: bool,
    /// How many descriptors from 3 on are passed.
    pub preserve: u32,
}

/// Returns how the process is made.
///
/// The PID namespace is joined by the caller, so that the process is born in it; all others by the
/// process itself, in one call. Namespaces that the container shares with the host are left alone.
pub fn enter(entry: &Entry<'_>) -> Result<Plan, Error> {
    let none = Linux::default();
    let linux = entry.spec.linux.as_ref().unwrap_or(&none);
    let kinds: Vec<_> = linux.namespaces.iter().map(|namespace| namespace.kind).collect();
    let pid = kinds.contains(&NamespaceKind::Pid).then(|| (NamespaceKind::Pid, PathBuf::new()));
    let outside = Outside {
        join: pid.into_iter().collect(),
        oom_score_adj: entry.process.oom_score_adj,
        ..Outside::default()
    };
    let others = kinds.iter().copied().filter(|kind| *kind != NamespaceKind::Pid).collect();
    let mut inside = Vec::new();
    let affinity = entry.process.exec_cpu_affinity.as_ref();
    if let Some(list) = affinity.map(|wanted| &wanted.initial).filter(|list| !list.is_empty()) {
        inside.push(Step::Affinity(process::processors(list)?));
    }
    inside.extend([Step::EnterContainer(others), Step::Session]);
    if let Some((columns, rows)) = entry.terminal {
        inside.push(Step::Terminal { columns, rows, console: false });
    }
    let setting = Setting {
        grouped: entry.grouped,
        filter: linux.seccomp.is_some(),
        further: true,
        preserve: entry.preserve,
        ..Setting::default()
    };
    process::steps(linux, entry.process, &setting, &mut inside)?;
    Ok(Plan { outside, inside })
}
