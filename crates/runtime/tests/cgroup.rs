//! Cgroups of the machine that the tests run on, of whatever version. They need root.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests and what they share")]

use std::fs;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hako_runtime::cgroup::{Cgroup, Controller, Error, Host, Version};
use hako_runtime::defaults::device_rules;
use hako_runtime::spec::LinuxResources;

/// A cgroup of one test, gone with its processes when the test ends, however it ends.
struct Scratch {
    cgroup: Cgroup,
    children: Vec<Child>,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.cgroup.kill());
        for child in &mut self.children {
            drop(child.wait());
        }
        self.cgroup.remove().unwrap();
    }
}

impl Scratch {
    fn new(name: &str, resources: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: cgroups need root");
            return None;
        }
        let host = Host::probe().unwrap();
        let cgroup = Cgroup::create(&host, &path(name), &parse(resources)).unwrap();
        Some(Self { cgroup, children: Vec::new() })
    }

    /// Starts a shell inside: it waits for a line before it does what it is told.
    fn run(&mut self, script: &str) -> usize {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("read line; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        self.cgroup.add(i32::try_from(child.id()).unwrap()).unwrap();
        drop(child.stdin.take());
        self.children.push(child);
        self.children.len() - 1
    }

    fn output(&mut self, script: &str) -> (Option<i32>, String) {
        let at = self.run(script);
        let out = self.children.remove(at).wait_with_output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap().trim().to_owned())
    }

    fn file(&self, controller: &str, v1: &str, v2: &str) -> String {
        let directory = self
            .cgroup
            .directories()
            .find(|one| one.name.split(',').any(|name| name == controller) || one.name.is_empty());
        let directory = directory.unwrap();
        let name = if directory.is_unified { v2 } else { v1 };
        fs::read_to_string(directory.path.join(name)).unwrap().trim().to_owned()
    }
}

fn path(name: &str) -> String {
    format!("/hako-test/{name}-{}", std::process::id())
}

fn parse(resources: &str) -> LinuxResources {
    serde_json::from_str(resources).unwrap()
}

fn is_one_of(text: &str, of: &[&str]) {
    assert!(of.contains(&text), "{text} is none of {of:?}");
}

#[test]
fn a_container_without_limits_has_a_cgroup_that_counts_and_kills() {
    let Some(mut scratch) = Scratch::new("plain", "{}") else { return };
    assert_eq!(scratch.cgroup.missing(), []);
    scratch.run("sleep 60 & sleep 60; :");
    while scratch.cgroup.pids().unwrap().len() < 3 {
        std::thread::yield_now();
    }
    let stats = scratch.cgroup.stats().unwrap();
    assert_eq!(stats.pids.current, 3);
    assert!(stats.cpu.total > 0 && stats.memory.usage > 0, "{stats:?}");
    assert_eq!(stats.memory.limit, u64::MAX);
    scratch.cgroup.kill().unwrap();
    assert!(!scratch.children[0].wait().unwrap().success());
    assert_eq!(scratch.cgroup.oom_kills().unwrap(), 0);
    let path = scratch.cgroup.path().to_owned();
    drop(scratch);
    let gone = Cgroup::open(&Host::probe().unwrap(), &path);
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

#[test]
fn limits_are_in_the_files_and_can_be_changed_both_ways() {
    let json = r#"{"memory": {"limit": 67108864, "swap": 100663296, "reservation": 33554432},
        "cpu": {"shares": 512, "quota": 25000, "period": 100000, "cpus": "0"}, "pids": {"limit": 50}}"#;
    let Some(mut scratch) = Scratch::new("limits", json) else { return };
    assert_eq!(scratch.file("memory", "memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(scratch.file("memory", "memory.soft_limit_in_bytes", "memory.low"), "33554432");
    is_one_of(&scratch.file("cpu", "cpu.cfs_quota_us", "cpu.max"), &["25000", "25000 100000"]);
    is_one_of(&scratch.file("cpu", "cpu.shares", "cpu.weight"), &["512", "59"]);
    assert_eq!(scratch.file("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    assert_eq!(scratch.file("pids", "pids.max", "pids.max"), "50");
    for (limit, swap) in
        [(268_435_456_u64, 536_870_912_u64), (33_554_432, 41_943_040), (268_435_456, 536_870_912)]
    {
        let json = format!(r#"{{"memory": {{"limit": {limit}, "swap": {swap}}}}}"#);
        scratch.cgroup.update(&parse(&json)).unwrap();
        assert_eq!(
            scratch.file("memory", "memory.limit_in_bytes", "memory.max"),
            limit.to_string()
        );
        if scratch.cgroup.missing().is_empty() {
            let both = [swap.to_string(), (swap - limit).to_string()];
            is_one_of(
                &scratch.file("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
                &[&both[0], &both[1]],
            );
        }
    }
    scratch
        .cgroup
        .update(&parse(r#"{"cpu": {"period": 50000, "quota": 20000}, "memory": {"limit": -1}}"#))
        .unwrap();
    is_one_of(&scratch.file("cpu", "cpu.cfs_quota_us", "cpu.max"), &["20000", "20000 50000"]);
    scratch.cgroup.update(&parse(r#"{"cpu": {"period": 100000, "quota": -1}}"#)).unwrap();
    is_one_of(&scratch.file("cpu", "cpu.cfs_quota_us", "cpu.max"), &["-1", "max 100000"]);
}

#[test]
fn too_many_processes_cannot_be_made() {
    let Some(mut scratch) = Scratch::new("pids", r#"{"pids": {"limit": 3}}"#) else { return };
    let (code, out) = scratch.output("sleep 1 & sleep 1 & sleep 1 & sleep 1 & echo end");
    assert!(code != Some(0) || out.is_empty(), "{code:?} {out}");
    assert_eq!(scratch.cgroup.stats().unwrap().pids.limit, 3);
}

#[test]
fn a_kill_for_want_of_memory_is_counted() {
    let json = r#"{"memory": {"limit": 16777216, "swap": 16777216}}"#;
    let Some(mut scratch) = Scratch::new("oom", json) else { return };
    let (_, out) = scratch.output("tail /dev/zero; echo $?");
    assert_eq!(out, "137");
    assert_eq!(scratch.cgroup.oom_kills().unwrap(), 1);
    assert!(scratch.cgroup.stats().unwrap().memory.max_usage > 8 << 20);
}

#[test]
fn only_the_usual_devices_open() {
    let resources = LinuxResources { devices: device_rules(), ..LinuxResources::default() };
    let Some(mut scratch) = Scratch::new("devices", &serde_json::to_string(&resources).unwrap())
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; mknod k c 1 11 && mknod z c 1 5 && head -c 1 z | wc -c; cat k >/dev/null && echo open; echo x >z && echo write",
        dir.path().display()
    );
    assert_eq!(scratch.output(&script).1, "1\nwrite");
    let mut more = device_rules();
    more.push(
        serde_json::from_str(
            r#"{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}"#,
        )
        .unwrap(),
    );
    more.push(
        serde_json::from_str(
            r#"{"allow": false, "type": "c", "major": 1, "minor": 5, "access": "w"}"#,
        )
        .unwrap(),
    );
    scratch.cgroup.update(&LinuxResources { devices: more, ..LinuxResources::default() }).unwrap();
    let script =
        format!("cd {}; (: <k) && echo open; echo x >z && echo write", dir.path().display());
    assert_eq!(scratch.output(&script).1, "open");
}

#[test]
fn frozen_processes_stand_still_and_can_be_killed() {
    let Some(mut scratch) = Scratch::new("freezer", "{}") else { return };
    scratch.run("while :; do :; done");
    scratch.cgroup.freeze().unwrap();
    assert!(scratch.cgroup.is_frozen().unwrap());
    let before = scratch.cgroup.stats().unwrap().cpu.user;
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert_eq!(scratch.cgroup.stats().unwrap().cpu.user, before);
    scratch.cgroup.thaw().unwrap();
    assert!(!scratch.cgroup.is_frozen().unwrap());
    scratch.cgroup.freeze().unwrap();
    scratch.cgroup.kill().unwrap();
    assert!(!scratch.children[0].wait().unwrap().success());
}

#[test]
fn what_is_below_goes_too() {
    let Some(scratch) = Scratch::new("nested", "{}") else { return };
    for directory in scratch.cgroup.directories() {
        fs::create_dir_all(directory.path.join("a/b")).unwrap();
        assert!(directory.path.join("a/b").exists());
    }
}

#[test]
fn a_cgroup_with_strangers_is_not_taken_over() {
    let Some(mut scratch) = Scratch::new("taken", "{}") else { return };
    scratch.run("sleep 60");
    let again =
        Cgroup::create(&Host::probe().unwrap(), scratch.cgroup.path(), &LinuxResources::default());
    assert!(matches!(again, Err(Error::NotEmpty { count: 1.., .. })), "{again:?}");
}

#[test]
fn nothing_is_left_when_a_limit_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: cgroups need root");
    }
    let (host, path) = (Host::probe().unwrap(), path("refused"));
    let failed = Cgroup::create(&host, &path, &parse(r#"{"cpu": {"cpus": "4000"}}"#)).unwrap_err();
    assert!(failed.to_string().contains("cannot write `4000` to `"), "{failed}");
    assert!(matches!(Cgroup::open(&host, &path), Err(Error::NotFound(_))));
}

#[test]
fn a_controller_can_be_joined_later() {
    let Some(mut scratch) = Scratch::new("later", "{}") else { return };
    scratch.run("sleep 60; :");
    let host = Host::probe().unwrap();
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return };
    if !host.controllers().contains(&Controller::Hugetlb) || sizes.count() == 0 {
        return eprintln!("SKIPPED: no hugetlb controller");
    }
    let json = r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#;
    scratch.cgroup.update(&parse(json)).unwrap();
    let stats = scratch.cgroup.stats().unwrap();
    assert_eq!(stats.hugetlb["2MB"].usage, 0);
    let mut opened = Cgroup::open(&host, scratch.cgroup.path()).unwrap();
    opened.update(&parse(json)).unwrap();
    assert_eq!(opened.stats().unwrap().hugetlb.len(), stats.hugetlb.len());
}

#[test]
fn files_of_v2_are_written_verbatim() {
    let Some(mut scratch) = Scratch::new("unified", "{}") else { return };
    let asked = parse(r#"{"unified": {"memory.high": "268435456", "pids.max": "44"}}"#);
    let done = scratch.cgroup.update(&asked);
    if Host::probe().unwrap().version() == Version::V2 {
        done.unwrap();
        assert_eq!(scratch.file("memory", "", "memory.high"), "268435456");
        assert_eq!(scratch.file("pids", "", "pids.max"), "44");
    } else {
        assert!(matches!(done, Err(Error::Invalid { .. })), "{done:?}");
    }
}

#[test]
fn a_process_can_be_born_inside() {
    let Some(scratch) = Scratch::new("born", "{}") else { return };
    let host = Host::probe().unwrap();
    let has_unified = matches!(host.version(), Version::V2 | Version::Hybrid);
    assert_eq!(scratch.cgroup.fd().is_some_and(|fd| fd.as_raw_fd() >= 0), has_unified);
    assert!(host.controllers().contains(&Controller::Memory));
}

/// What an ordinary user sees, who may have no cgroup; the test below runs it as one.
#[test]
#[ignore = "run by the test below"]
fn as_nobody() {
    let host = Host::probe().unwrap();
    let resources = LinuxResources { devices: device_rules(), ..LinuxResources::default() };
    let cgroup = Cgroup::create(&host, &path("nobody"), &resources).unwrap();
    assert!(
        cgroup
            .missing()
            .iter()
            .any(|missing| missing.what == "memory" && missing.reason.contains("cannot create"))
    );
    assert_eq!((cgroup.directories().count(), cgroup.pids().unwrap()), (0, Vec::new()));
    cgroup.remove().unwrap();
    let limited =
        Cgroup::create(&host, &path("nobody"), &parse(r#"{"memory": {"limit": 67108864}}"#))
            .unwrap_err();
    assert!(matches!(limited, Error::NoController { .. }), "{limited}");
    assert!(
        limited.to_string().contains("memory.") && limited.to_string().contains("denied"),
        "{limited}"
    );
}

#[test]
fn an_ordinary_user_goes_without_and_learns_why() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: to become somebody else needs root");
    }
    // Where nobody can reach it.
    let dir = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    std::os::unix::process::CommandExt::gid(&mut command, 65534);
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    let out = command.args(["--exact", "as_nobody", "--ignored", "--nocapture"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Prints what a container without limits costs; run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let host = Host::probe().unwrap();
    eprintln!("favor: {:?}", host.favor_moves());
    for round in 0..5 {
        let start = Instant::now();
        let host = Host::probe().unwrap();
        let probed = start.elapsed();
        let resources = LinuxResources { devices: device_rules(), ..LinuxResources::default() };
        let cgroup = Cgroup::create(&host, &path(&format!("measure{round}")), &resources).unwrap();
        let created = start.elapsed();
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let spawned = start.elapsed();
        cgroup.add(i32::try_from(child.id()).unwrap()).unwrap();
        let added = start.elapsed();
        let opened = Cgroup::open(&host, cgroup.path()).unwrap();
        let reopened = start.elapsed();
        drop(opened.stats().unwrap());
        let read = start.elapsed();
        cgroup.kill().unwrap();
        child.wait().unwrap();
        let killed = start.elapsed();
        cgroup.remove().unwrap();
        eprintln!(
            "probe {probed:?} create {:?} add {:?} open {:?} stats {:?} remove {:?}",
            created - probed,
            added - spawned,
            reopened - added,
            read - reopened,
            start.elapsed() - killed
        );
    }
}
