//! Containers on the real kernel: what a program finds, and what it cannot do.
//!
//! This file has its own `main`, since the runtime executes its binary again as the init stage: that
//! is this test, with `init` as its first argument. The programs are the host's own, whose
//! directories are mounted read-only into an otherwise empty root.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test, though without the harness by which the lints know one"
)]

mod world;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use hako_runtime::spec::{IdMapping, Mount, Namespace, NamespaceKind, Seccomp, SeccompSyscall};
use hako_runtime::{Root, Stdio, Target, create, exec};

use world::{World, pipe};

type Test = (&'static str, fn(&World));

const TESTS: &[Test] = &[
    ("a program finds itself alone in its namespaces", alone),
    ("exactly three descriptors are open", three_descriptors),
    ("an overlay of 130 layers with long names is mounted inside only", many_layers),
    ("a mount target that is a link leads nowhere but inside", links_stay_inside),
    ("masked paths are empty and read-only paths cannot be written", covered_paths),
    ("a missing program is 127 and a forbidden one 126", programs_that_fail),
    ("the exit code of a killed program is 128 and the signal", exit_codes),
    ("a further program joins every namespace of the first", exec_joins),
    ("a terminal is the program's own", terminal),
    ("users are looked up in the container", users),
    ("capabilities are what was asked for", capabilities),
    ("a filter refuses a call", filter),
    ("a user namespace maps root to another user", user_namespace),
    ("an empty volume is filled with what the image has", copy_up),
    ("the runtime's binary cannot be written to from inside", binary_is_safe),
    ("a container that is not started is killed when it is dropped", dropped),
];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("init") => return hako_runtime::init(),
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: containers of these tests need root");
        return ExitCode::SUCCESS;
    }
    let wanted = words.iter().skip(1).find(|word| !word.starts_with('-'));
    let mut failed = 0;
    for (name, test) in
        TESTS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())))
    {
        let passed = std::panic::catch_unwind(|| test(&World::new())).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u8::from(!passed);
    }
    ExitCode::from(failed)
}

fn alone(world: &World) {
    let said = world.shell("echo $$; hostname; cat /proc/1/comm; ls / | tr '\\n' ' '; id -u; pwd");
    let expected = "1\nbox\nsh\nbin dev etc lib lib64 proc root sbin sys tmp usr 0\n/tmp\n";
    assert_eq!(said, expected);
}

fn three_descriptors(world: &World) {
    // Without a pipeline: a shell that sets one up holds a further descriptor for a moment.
    assert_eq!(world.shell("ls /proc/1/fd; true"), "0\n1\n2\n");
}

fn many_layers(world: &World) {
    let long = "long".repeat(40);
    let layers: Vec<PathBuf> =
        (0..130).map(|number| world.path(&format!("{long}/{number}"))).collect();
    for (number, layer) in layers.iter().enumerate() {
        fs::create_dir_all(layer.join("from")).unwrap();
        fs::write(layer.join("from").join(number.to_string()), "x").unwrap();
    }
    for directory in ["bin", "sbin", "lib", "lib64", "usr", "proc", "dev", "tmp", "etc", "sys"] {
        fs::create_dir(layers[129].join(directory)).unwrap();
    }
    let (upper, work) = (world.path("upper"), world.path("work"));
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    let root = Root::Overlay { lower: layers, upper: upper.clone(), work, options: Vec::new() };
    let spec = world.spec(
        "ls /from | wc -l; echo new > /from/mine; grep -c ' / overlay ' /proc/mounts || true",
    );
    let (said, exit) = world.run_in(&spec, root);
    assert_eq!((said.as_str(), exit.code), ("130\n1\n", 0));
    assert_eq!(fs::read_to_string(upper.join("from/mine")).unwrap(), "new\n");
    assert!(!fs::read_to_string("/proc/mounts").unwrap().contains(&long));
}

fn links_stay_inside(world: &World) {
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, world.root().join("trap")).unwrap();
    let mut spec = world.spec("cat /trap/deep/file");
    let source = world.path("source");
    fs::write(&source, "inside\n").unwrap();
    spec.mounts.push(Mount {
        destination: "/trap/deep/file".into(),
        source: Some(source),
        options: vec!["bind".into(), "ro".into()],
        ..Mount::default()
    });
    assert_eq!(world.run(&spec).0, "inside\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

fn covered_paths(world: &World) {
    let mut spec = world.spec(
        "wc -c < /proc/keys; ls /sys/firmware | wc -l; echo 1 2>/dev/null > /proc/sys/kernel/sysrq || echo refused; touch /new 2>/dev/null || echo sealed",
    );
    let linux = spec.linux.as_mut().unwrap();
    linux.masked_paths = vec!["/proc/keys".into(), "/sys/firmware".into(), "/proc/none".into()];
    linux.readonly_paths = vec!["/proc/sys".into()];
    spec.root = Some(hako_runtime::spec::Root { path: "root".into(), readonly: true });
    assert_eq!(world.run(&spec).0, "0\n0\nrefused\nsealed\n");
}

fn programs_that_fail(world: &World) {
    let code = |program: &str| {
        let mut spec = world.spec("");
        spec.process.as_mut().unwrap().args = vec![program.to_owned()];
        let error = create(world.launch(&spec, Stdio::Inherit)).unwrap().start().unwrap_err();
        (error.exit_code(), error.to_string())
    };
    fs::write(world.root().join("tmp/script"), "#!/no/interpreter\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(world.root().join("tmp/script"), executable).unwrap();
    fs::write(world.root().join("tmp/text"), "").unwrap();
    assert_eq!(
        code("nosuch"),
        (Some(127), "exec: \"nosuch\": executable file not found in $PATH".into())
    );
    assert_eq!(
        code("/no/such"),
        (Some(127), "exec: \"/no/such\": stat /no/such: no such file or directory".into())
    );
    assert_eq!(
        code("/tmp/script"),
        (Some(127), "exec /tmp/script: no such file or directory".into())
    );
    assert_eq!(code("/tmp/text"), (Some(126), "exec: \"/tmp/text\": permission denied".into()));
    assert_eq!(code("/tmp"), (Some(126), "exec: \"/tmp\": is a directory".into()));
}

fn exit_codes(world: &World) {
    assert_eq!(world.run(&world.spec("exit 42")).1.code, 42);
    let created = create(world.launch(&world.spec("sleep 60"), Stdio::Inherit)).unwrap();
    let running = created.start().unwrap();
    assert_eq!(running.try_wait().unwrap(), None);
    running.kill(9).unwrap();
    let exit = running.wait().unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

fn exec_joins(world: &World) {
    let spec = world.spec("sleep 60");
    let running = create(world.launch(&spec, Stdio::Inherit)).unwrap().start().unwrap();
    let target = Target { pid: running.pid(), pidfd: running.pidfd(), cgroup: None, spec: &spec };
    let mut process = spec.process.clone().unwrap();
    let script = "for n in ipc mnt net pid uts; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || exit 1; done; hostname; ls /proc/self/fd | wc -l; exit 3";
    process.args = vec!["sh".into(), "-c".into(), script.into()];
    let (stdio, mut output) = pipe();
    let (further, _) = exec(&target, &process, stdio, world.options()).unwrap();
    assert_eq!(further.wait().unwrap().code, 3);
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    // `ls` has the directory itself open.
    assert_eq!(said, "box\n4\n");
    process.args = vec!["nosuch".into()];
    let error = exec(&target, &process, Stdio::Inherit, world.options()).unwrap_err();
    assert_eq!(error.exit_code(), Some(127));
    running.kill(9).unwrap();
    running.wait().unwrap();
}

fn terminal(world: &World) {
    let spec = world.spec("tty; stty size; [ -c /dev/console ] && echo console");
    let mut created =
        create(world.launch(&spec, Stdio::Terminal { columns: 91, rows: 17 })).unwrap();
    created.ready().unwrap();
    let mut master = fs::File::from(created.take_terminal().unwrap());
    let running = created.start().unwrap();
    let mut said = Vec::new();
    // Reading from a terminal that everyone has left is an error; what was said before has arrived.
    let _left = master.read_to_end(&mut said);
    assert_eq!(String::from_utf8(said).unwrap(), "/dev/pts/0\r\n17 91\r\nconsole\r\n");
    assert_eq!(running.wait().unwrap().code, 0);
}

fn users(world: &World) {
    fs::write(world.root().join("etc/passwd"), "ada:x:1815:1816::/home/ada:/bin/sh\n").unwrap();
    fs::write(world.root().join("etc/group"), "ada:x:1816:\nops:x:50:ada\n").unwrap();
    let mut spec = world.spec("id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status");
    let process = spec.process.as_mut().unwrap();
    process.user.username = Some("ada".into());
    process.env.retain(|pair| !pair.starts_with("HOME="));
    assert_eq!(world.run(&spec).0, "1815\n1816\n1816 50\n/home/ada\nCapEff:\t0000000000000000\n");
    spec.process.as_mut().unwrap().user.username = Some("eve".into());
    let error = create(world.launch(&spec, Stdio::Inherit)).unwrap().start().unwrap_err();
    assert_eq!(error.to_string(), "unable to find user eve: no matching entries in passwd file");
}

fn capabilities(world: &World) {
    let mut spec = world.spec("grep Cap /proc/self/status | tr -d '\\t' | tr '\\n' ' '");
    let sets = spec.process.as_mut().unwrap().capabilities.as_mut().unwrap();
    let names = vec!["CAP_CHOWN".to_owned(), "CAP_KILL".to_owned()];
    sets.bounding.clone_from(&names);
    sets.permitted.clone_from(&names);
    sets.effective.clone_from(&names);
    sets.inheritable = vec!["CAP_KILL".into()];
    sets.ambient = vec!["CAP_KILL".into()];
    spec.process.as_mut().unwrap().user.uid = 1000;
    let expected = "CapInh:0000000000000020 CapPrm:0000000000000020 CapEff:0000000000000020 CapBnd:0000000000000021 CapAmb:0000000000000020 ";
    assert_eq!(world.run(&spec).0, expected);
    spec.process.as_mut().unwrap().capabilities.as_mut().unwrap().bounding.push("CAP_FLY".into());
    // One that no kernel knows is left out.
    assert_eq!(world.run(&spec).0, expected);
}

fn filter(world: &World) {
    for no_new_privileges in [false, true] {
        let mut spec = world.spec("mkdir /tmp/made 2>&1; grep Seccomp: /proc/self/status");
        let rule = SeccompSyscall {
            names: vec!["mkdir".into(), "mkdirat".into()],
            action: "SCMP_ACT_ERRNO".into(),
            errno_ret: Some(71),
            ..SeccompSyscall::default()
        };
        spec.process.as_mut().unwrap().no_new_privileges = no_new_privileges;
        spec.linux.as_mut().unwrap().seccomp = Some(Seccomp {
            default_action: "SCMP_ACT_ALLOW".into(),
            syscalls: vec![rule],
            ..Seccomp::default()
        });
        let said = world.run(&spec).0;
        assert!(said.contains("Protocol error") && said.contains("Seccomp:\t2"), "{said}");
    }
}

fn user_namespace(world: &World) {
    let mut spec = world.spec("id -u; cat /proc/self/uid_map | tr -s ' '; ls -ln /dev/null | cut -c1-10; grep CapEff /proc/self/status");
    let linux = spec.linux.as_mut().unwrap();
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    let mapping = IdMapping { container_id: 0, host_id: 100_000, size: 65536 };
    linux.uid_mappings = vec![mapping];
    linux.gid_mappings = vec![mapping];
    world.give_to(100_000);
    let (said, exit) = world.run(&spec);
    assert!(said.starts_with("0\n 0 100000 65536\ncrw-rw-rw-\nCapEff:\t"), "{said} {exit:?}");
}

fn copy_up(world: &World) {
    let image = world.root().join("data");
    fs::create_dir_all(image.join("deep")).unwrap();
    fs::write(image.join("deep/file"), "from the image").unwrap();
    std::os::unix::fs::symlink("deep/file", image.join("link")).unwrap();
    let volume = world.path("volume");
    fs::create_dir(&volume).unwrap();
    let mut spec = world.spec("cat /data/link");
    spec.mounts.push(Mount {
        destination: "/data".into(),
        source: Some(volume.clone()),
        options: vec!["rbind".into(), "copyup".into()],
        ..Mount::default()
    });
    assert_eq!(world.run(&spec).0, "from the image");
    fs::write(volume.join("deep/file"), "changed").unwrap();
    assert_eq!(world.run(&spec).0, "changed");
    assert_eq!(fs::read_to_string(image.join("deep/file")).unwrap(), "from the image");
}

fn binary_is_safe(world: &World) {
    // The init stage waits with this binary as its executable file.
    let mut created = create(world.launch(&world.spec("true"), Stdio::Inherit)).unwrap();
    created.ready().unwrap();
    // Nobody can write to a program that runs; but one can wait until it no longer does, unless the
    // way to it is read-only.
    let path = format!("/proc/{}/exe", created.pid());
    let flags = rustix::fs::statvfs(path).unwrap().f_flag;
    assert!(flags.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    assert_eq!(created.start().unwrap().wait().unwrap().code, 0);
}

fn dropped(world: &World) {
    let created = create(world.launch(&world.spec("true"), Stdio::Inherit)).unwrap();
    let pid = created.pid();
    drop(created);
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}
