//! The kernel's own doors: control groups, devices, namespaces, keyrings, abstract sockets.

use std::fs;
use std::path::Path;

use crate::world::World;

#[test]
fn release_agents_are_out_of_reach() {
    // CVE-2022-0492.
    let Some(world) = World::new() else { return };
    let script = "for f in $(find /sys/fs/cgroup -name release_agent 2>/dev/null) /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do \
        { echo /evil >$f; } 2>/dev/null && echo WROTE; done; mkdir /m; for c in rdma memory cpu misc; do mount -t cgroup -o $c c /m 2>/dev/null && echo MOUNTED; done; \
        unshare -UrmC sh -c 'mount -t cgroup -o rdma c /m && echo MOUNTED' 2>/dev/null; mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo REMOUNTED; true";
    for options in [vec![], vec!["--cgroupns", "host"], vec!["--cap-add", "DAC_OVERRIDE"]] {
        assert_eq!(world.run(&options, script).text.trim(), "", "{options:?}");
    }
    world.start("cc", &[]);
    assert_eq!(world.hako(&["exec", "cc", "sh", "-c", script]).text.trim(), "");
    // In a user namespace of its own, where the filter lets it.
    let script = "unshare -UrmC sh -c 'mkdir -p /tmp/m; for c in rdma misc pids memory; do mount -t cgroup -o $c c /tmp/m 2>/dev/null && \
        { echo /evil >/tmp/m/release_agent && echo WROTE; umount /tmp/m; }; done' 2>/dev/null; true";
    assert!(!world.run(&["--security-opt", "seccomp=unconfined"], script).text.contains("WROTE"));
}

#[test]
fn devices_of_the_host_do_not_open() {
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    let script = "for d in 'b 254 0' 'b 8 0' 'b 253 0' 'c 1 1' 'c 1 2' 'c 1 11' 'c 10 229' 'c 10 232' 'c 10 223' 'c 1 4'; do rm -f /tmp/d; \
        mknod /tmp/d $d 2>/dev/null && { head -c 1 /tmp/d >/dev/null 2>&1 && echo READ $d; { : >>/tmp/d; } 2>/dev/null && echo WROTE $d; }; done; true";
    for done in [world.run(&[], script), world.hako(&["exec", "cc", "sh", "-c", script])] {
        assert_eq!(done.text.trim(), "");
    }
    // A node that an image brings is no better.
    world.start("dd", &["--cap-drop", "MKNOD"]);
    assert!(world.run(&["--cap-drop", "MKNOD"], "mknod /tmp/d c 1 3").code != 0);
}

#[test]
fn namespaces_and_mounts_are_closed() {
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    let host = world.prize();
    let script = format!(
        "unshare -U true 2>/dev/null && echo USER; unshare -m true 2>/dev/null && echo MOUNT; mount -t tmpfs t /tmp 2>/dev/null && echo TMPFS; \
         umount /proc/kcore 2>/dev/null && echo UMOUNT; umount /proc/sys 2>/dev/null && echo UMOUNT; mount -o remount,rw /proc/sys 2>/dev/null && echo REMOUNT; \
         cat /proc/1/root{host}/secret /proc/self/root{host}/secret ../../../../../..{host}/secret 2>/dev/null; hostname evil 2>/dev/null && echo HOSTNAME; true"
    );
    for done in [world.run(&[], &script), world.hako(&["exec", "cc", "sh", "-c", &script])] {
        assert_eq!(done.text.trim(), "");
    }
}

#[test]
fn other_containers_processes_and_keys_are_not_seen() {
    // CVE-2014-9529's neighbourhood: one session keyring for all; and processes of other containers.
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    let done = world.run(&[], "ls -d /proc/[0-9]* | wc -l; cat /proc/keys /proc/key-users 2>/dev/null | grep -c _ses; kill -9 2 3 4 5 2>/dev/null; true");
    assert!(
        done.text.starts_with(['1', '2', '3', '4']) && done.text.lines().nth(1) == Some("0"),
        "{}",
        done.text
    );
}

#[test]
fn the_engine_listens_on_no_abstract_socket() {
    // CVE-2020-15257: a container in the host's network namespace reached the shim.
    let Some(world) = World::new() else { return };
    world.ok(&["run", "-d", "--name", "hh", "--network", "host", "box", "sleep", "60"]);
    let state = world.state().display().to_string();
    let seen = world.ok(&["exec", "hh", "sh", "-c", "cat /proc/net/unix"]);
    let ours: Vec<_> = seen
        .lines()
        .filter(|line| line.contains('@') && (line.contains("hako") || line.contains(&state)))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    // Those with a path lie in a directory that only root of the host can see.
    for line in seen.lines().filter(|line| line.contains(&state)) {
        let path = line.split_whitespace().last().unwrap_or_default();
        assert!(!Path::new("/proc/self/root").join(path).starts_with("/tmp/x"));
        let inside = world.hako(&["exec", "hh", "ls", path]);
        assert_ne!(inside.code, 0);
    }
}

#[test]
fn parameters_of_the_host_are_refused() {
    let Some(world) = World::new() else { return };
    let before = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    for name in [
        "kernel.core_pattern=|/evil",
        "kernel.modprobe=/evil",
        "vm.overcommit_memory=1",
        "net/../kernel/core_pattern=x",
        "net.ipv4/../../kernel/core_pattern=x",
        "net/./../fs/suid_dumpable=1",
        "kernel/msgmax/../core_pattern=x",
    ] {
        world.run(&["--sysctl", name], "true").failed();
    }
    for name in ["net.ipv4.ip_forward=1", "kernel.hostname=evil"] {
        world
            .hako(&[
                "run",
                "--rm",
                "--network",
                "host",
                "--uts",
                "host",
                "--sysctl",
                name,
                "box",
                "true",
            ])
            .failed();
    }
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), before);
}

#[test]
fn paths_in_names_lead_nowhere() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    for name in ["../../x", "a/b", "..", ".", "-x", "x\n", &host] {
        world.hako(&["run", "--rm", "--network", "none", "--name", name, "box", "true"]).failed();
        world.hako(&["volume", "create", name, "--label", "a=b"]);
        world
            .run(&["--mount", &format!("type=volume,source={name},target=/m")], "echo evil >/m/put")
            .failed();
    }
    world.run(&["--cgroup-parent", "../../../../../x"], "cat /proc/self/cgroup");
    assert!(!Path::new("/sys/fs/x").exists() && !Path::new("/sys/x").exists());
    world.untouched();
}
