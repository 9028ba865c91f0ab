//! The order of a plan, reviewed as text.

use std::path::Path;

use super::step::{From, Step};
use super::{Entry, Groups, Inputs, enter, plan};
use crate::spec::{
    Capabilities, Hook, Hooks, Linux, Mount, Namespace, NamespaceKind, Process, Seccomp, Spec,
};
use crate::{Error, Root};

fn spec() -> Spec {
    let kinds =
        [NamespaceKind::Pid, NamespaceKind::Mount, NamespaceKind::Uts, NamespaceKind::Cgroup];
    let mount = |destination: &str, kind: &str, options: &[&str]| Mount {
        destination: destination.into(),
        kind: Some(kind.into()),
        source: Some(format!("/{kind}").into()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    };
    let hook = Hook { path: "/hook".into(), ..Hook::default() };
    Spec {
        process: Some(Process {
            args: vec!["true".into()],
            cwd: "/work".into(),
            capabilities: Some(Capabilities::default()),
            ..Process::default()
        }),
        root: Some(crate::spec::Root { path: "root".into(), readonly: true }),
        hostname: Some("box".into()),
        mounts: vec![
            mount("/proc", "proc", &["nosuid"]),
            mount("/dev", "tmpfs", &["ro"]),
            mount("/data", "bind", &["rbind", "rprivate"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro"]),
        ],
        hooks: Some(Hooks {
            create_runtime: vec![hook.clone()],
            create_container: vec![hook.clone()],
            start_container: vec![hook],
            ..Hooks::default()
        }),
        linux: Some(Linux {
            namespaces: kinds.map(|kind| Namespace { kind, path: None }).to_vec(),
            masked_paths: vec!["/proc/keys".into()],
            readonly_paths: vec!["/proc/sys".into()],
            seccomp: Some(Seccomp::default()),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn steps(spec: &Spec) -> Result<Vec<Step>, Error> {
    let root = Root::Directory("/rootfs".into());
    let groups = Some(Groups::Bound("/sys/fs/cgroup/box".into()));
    let inputs = Inputs {
        id: "box",
        spec,
        bundle: Path::new("/bundle"),
        root: &root,
        terminal: Some((80, 25)),
        groups,
        preserve: 0,
        no_pivot: false,
        no_keyring: false,
    };
    plan(&inputs).map(|plan| plan.inside)
}

/// One short line per step.
fn lines(steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::Mount(mount) => match &mount.from {
            From::FileSystem { kind, .. } => format!("Mount({kind} at {})", mount.target.display()),
            From::Path { source, .. } => {
                format!("Mount({} at {})", source.display(), mount.target.display())
            }
            other => format!("{other:?}"),
        },
        Step::ControlGroups { target, .. } => format!("ControlGroups({})", target.display()),
        Step::Device { path, .. } => format!("Device({})", path.display()),
        Step::Link { path, .. } => format!("Link({})", path.display()),
        Step::Hooks(moment, _) => format!("Hooks({moment})"),
        Step::Identify(_) => "Identify".into(),
        Step::Capabilities(_) => "Capabilities".into(),
        other => format!("{other:?}"),
    };
    steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn host_paths_come_before_the_change_of_root_and_seals_after_all_that_writes() {
    insta::assert_snapshot!(lines(&steps(&spec()).unwrap()), @r#"
    Session
    Keyring("_ses.box")
    Propagation(540672)
    RootDirectory("/rootfs")
    Mount(proc at /proc)
    Mount(tmpfs at /dev)
    Mount(/bind at /data)
    ControlGroups(/sys/fs/cgroup)
    Device(/dev/null)
    Device(/dev/zero)
    Device(/dev/full)
    Device(/dev/random)
    Device(/dev/urandom)
    Device(/dev/tty)
    Link(/dev/fd)
    Link(/dev/stdin)
    Link(/dev/stdout)
    Link(/dev/stderr)
    Link(/dev/ptmx)
    Terminal { columns: 80, rows: 25, console: true }
    CallerHooks
    Hooks(createContainer)
    Pivot
    Attributes { target: "/dev", set: 1 }
    HostName("box")
    Directory("/work")
    ReadOnly("/proc/sys")
    Mask("/proc/keys")
    SealRoot
    AwaitGroup
    GroupNamespace
    Affinity([])
    Identify
    Bounding(0)
    WorkIn("/work")
    Become
    CloseFrom(3)
    Ready
    Seccomp
    Capabilities
    Hooks(startContainer)
    Execute
    "#);
}

#[test]
fn the_filter_comes_last_for_a_process_that_gains_no_privileges() {
    let mut spec = spec();
    spec.process.as_mut().unwrap().no_new_privileges = true;
    let steps = steps(&spec).unwrap();
    assert_eq!(
        lines(&steps[steps.len() - 4..]),
        "Capabilities\nSeccomp\nHooks(startContainer)\nExecute"
    );
}

#[test]
fn a_further_process_enters_before_it_does_anything() {
    let spec = spec();
    let process = spec.process.as_ref().unwrap();
    let entry = Entry { spec: &spec, process, terminal: None, grouped: true, preserve: 2 };
    let plan = enter(&entry).unwrap();
    assert_eq!(plan.outside.join, [(NamespaceKind::Pid, "".into())]);
    insta::assert_snapshot!(lines(&plan.inside), @r#"
    EnterContainer([Mount, Uts, Cgroup])
    Session
    AwaitGroup
    Affinity([])
    Identify
    Bounding(0)
    WorkIn("/work")
    Become
    CloseFrom(5)
    Ready
    Seccomp
    Capabilities
    Execute
    "#);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refusal = |change: fn(&mut Spec)| {
        let mut spec = spec();
        change(&mut spec);
        steps(&spec).unwrap_err().to_string()
    };
    let all = [
        refusal(|spec| spec.mounts[2].destination = "/proc/self/exe".into()),
        refusal(|spec| spec.mounts[2].destination = "/a/../..".into()),
        refusal(|spec| spec.linux.as_mut().unwrap().namespaces.remove(1).path = None),
        refusal(|spec| {
            spec.linux
                .as_mut()
                .unwrap()
                .namespaces
                .push(Namespace { kind: NamespaceKind::Pid, path: None });
        }),
        refusal(|spec| {
            spec.linux
                .as_mut()
                .unwrap()
                .namespaces
                .push(Namespace { kind: NamespaceKind::User, path: None });
        }),
        refusal(|spec| {
            drop(spec.linux.as_mut().unwrap().sysctl.insert("kernel.panic".into(), "1".into()));
        }),
        refusal(|spec| {
            drop(spec.linux.as_mut().unwrap().sysctl.insert("net.core.x".into(), "1".into()));
        }),
        refusal(|spec| spec.process.as_mut().unwrap().cwd = "work".into()),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    `/proc/self/exe` cannot be mounted because it is inside /proc
    nothing can be mounted at `/a/../..`
    a masked or read-only path needs a namespace of type `mount`
    the namespace `pid` is listed twice
    a new user namespace needs identifier mappings
    sysctl `kernel.panic` is not in a separate kernel namespace
    sysctl `net.core.x` is not allowed in the host's namespace
    the working directory `work` is not absolute
    "#);
}
