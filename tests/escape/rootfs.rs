//! What an image or a volume can turn mounts, masks and the working directory into.

use std::fs;

use crate::world::{Exchange, World, for_a_while, link};

#[test]
fn a_working_directory_is_never_the_hosts() {
    // CVE-2024-21626: a descriptor of the host's cgroup directory had leaked as 7.
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    for number in 3..24 {
        for directory in
            [format!("/proc/self/fd/{number}"), format!("/proc/self/fd/{number}/../../../../../..")]
        {
            let script = format!(
                "cat ./{}/secret ../../../../../../{}/secret; readlink /proc/self/cwd",
                world.prize(),
                world.prize()
            );
            world.run(&["-w", &directory], &script).saw_nothing();
            world.hako(&["exec", "-w", &directory, "cc", "sh", "-c", &script]).saw_nothing();
            if number > 12 {
                break;
            }
        }
    }
    world.ok(&[
        "exec",
        "cc",
        "sh",
        "-c",
        "for n in 3 4 5 6 7 8 9 10 11 12 13 14; do ln -s /proc/self/fd/$n /l$n; done",
    ]);
    for number in 3..15 {
        let script = format!("cat ../../../../../../..{}/secret", world.prize());
        world
            .hako(&["exec", "-w", &format!("/l{number}"), "cc", "sh", "-c", &script])
            .saw_nothing();
    }
}

#[test]
fn proc_and_sys_are_real_directories() {
    // CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc was a link into a volume.
    let Some(world) = World::new() else { return };
    world.image_with("linked", |tar| {
        tar.directory("vol").directory("vol/fake").link("proc", "/vol/fake")
    });
    world.image_with("linkedsys", |tar| {
        tar.directory("vol").directory("vol/fake").link("sys", "/vol/fake")
    });
    for image in ["linked", "linkedsys"] {
        for more in [vec![], vec!["-v", "shared:/vol"]] {
            let words = [
                vec!["run", "--rm", "--network", "none"],
                more,
                vec![image, "/bin/sh", "-c", "cat /vol/fake/kcore | head -c 1; echo reached"],
            ]
            .concat();
            let done = world.hako(&words);
            done.failed();
            assert!(!done.text.contains("reached"), "{}", done.text);
        }
    }
}

#[test]
fn nothing_is_mounted_into_proc() {
    // CVE-2015-3631, CVE-2019-16884, CVE-2025-52881: a volume over /proc hid what labels and parameters were written to.
    let Some(world) = World::new() else { return };
    for target in [
        "/proc",
        "/proc/",
        "/proc/self",
        "/proc/self/attr",
        "/proc/self/attr/exec",
        "/x/../proc",
        "/proc/sys/kernel",
        "/proc/1",
    ] {
        world.run(&["-v", &format!("{}:{target}", world.prize())], "true").failed();
        world.run(&["--tmpfs", target], "true").failed();
        world.run(&["--mount", &format!("type=volume,source=vv,target={target}")], "true").failed();
    }
    world.image_with("into", |tar| {
        tar.link("attr", "/proc/self/attr")
            .link("up", "/tmp/../proc")
            .link("self", "/proc/self/../sys")
    });
    for target in ["/attr", "/up/self/attr", "/up", "/self", "/self/kernel"] {
        let done = world.hako(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            &format!("vv:{target}"),
            "into",
            "sh",
            "-c",
            "echo reached",
        ]);
        done.failed();
    }
}

#[test]
fn targets_of_volumes_stay_in_the_root() {
    // CVE-2015-3627, CVE-2017-1002101: mount targets that are links.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.image_with("out", |tar| {
        tar.link("abs", &host)
            .link("rel", &format!("../../../../..{host}"))
            .link("new", &format!("{host}/made/deep"))
    });
    for target in ["/abs", "/abs/sub", "/rel/sub/deep", "/new", "/abs/secret"] {
        world.hako(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            &format!("vv:{target}"),
            "out",
            "sh",
            "-c",
            &format!("echo evil >{target}/put"),
        ]);
        world.hako(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--tmpfs",
            target,
            "out",
            "sh",
            "-c",
            "true",
        ]);
        world.hako(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-w",
            target,
            "out",
            "sh",
            "-c",
            "echo evil >put",
        ]);
        world.untouched();
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&host), "a mount has reached the host");
}

#[test]
fn a_shared_volume_cannot_move_another_containers_mounts() {
    // CVE-2021-30465, CVE-2024-45310: names in a shared volume are exchanged while targets below it are made.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.ok(&["volume", "create", "shared"]);
    let volume = world.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", "shared"]);
    let volume = std::path::PathBuf::from(volume);
    fs::create_dir(volume.join("a")).unwrap();
    link(format!("../../../../../../../../../../..{host}"), volume.join("b"));
    let _race = Exchange::of(volume.join("a"), volume.join("b"));
    for_a_while(|round| {
        let target = format!("/shared/a/t{round}/deep");
        let done = world.run(
            &["-v", "shared:/shared", "-v", &format!("vv:{target}"), "--tmpfs", "/shared/a"],
            "cat /shared/*/secret; ls /shared/a/.. | head -3",
        );
        done.saw_nothing();
        world.untouched();
    });
}

#[test]
fn a_subpath_does_not_leave_its_volume() {
    // CVE-2017-1002101 and CVE-2021-25741, for volume-subpath.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.ok(&["volume", "create", "vv"]);
    let volume =
        std::path::PathBuf::from(world.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", "vv"]));
    fs::create_dir(volume.join("a")).unwrap();
    link(&host, volume.join("b"));
    let mount = |path: &str| format!("type=volume,source=vv,target=/m,volume-subpath={path}");
    for path in ["b", "../../../../../../..", "/etc", "b/../b", "a/../../.."] {
        let done = world.run(&["--mount", &mount(path)], "cat /m/secret; ls /m");
        done.saw_nothing();
        assert!(!done.text.contains("secret"), "{path}: {}", done.text);
    }
    let _race = Exchange::of(volume.join("a"), volume.join("b"));
    for_a_while(|_| world.run(&["--mount", &mount("a")], "cat /m/secret").saw_nothing());
    world.untouched();
}

#[test]
fn masks_cover_although_the_image_brings_a_dev() {
    // CVE-2025-31133: /dev/null was replaced by a link, so that a mask showed or unlocked what it should hide.
    let Some(world) = World::new() else { return };
    world.image_with("dev", |tar| {
        tar.directory("dev")
            .link("dev/null", "/proc/sys/kernel/core_pattern")
            .link("dev/console", "/proc/sysrq-trigger")
            .link("dev/pts", "/proc/sys")
    });
    let script = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 1 | wc -c; test -c /dev/null && echo null; \
                  for f in /proc/kcore /proc/keys /proc/timer_list; do test ! -e $f || stat -c '%t:%T' $f; done | sort -u; echo x >/proc/sys/kernel/core_pattern || echo closed";
    for image in ["box", "dev"] {
        let done = world.hako(&["run", "--rm", "--network", "none", image, "sh", "-c", script]);
        assert!(
            done.text.starts_with("0\nnull\n1:3\n") && done.text.contains("closed"),
            "{image}: {}",
            done.text
        );
    }
    world.image_with("whole", |tar| tar.link("dev", "/proc/sys"));
    let done =
        world.hako(&["run", "--rm", "--network", "none", "whole", "sh", "-c", "echo reached"]);
    assert!(done.code != 0, "{}", done.text);
    let nulls = fs::metadata("/dev/null").unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::rdev(&nulls), rustix::fs::makedev(1, 3));
}

#[test]
fn a_volume_over_dev_does_not_unmask() {
    // CVE-2025-31133 and CVE-2025-52565 with a /dev that the attacker owns and changes meanwhile.
    let Some(world) = World::new() else { return };
    world.ok(&["volume", "create", "dev"]);
    let volume =
        std::path::PathBuf::from(world.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", "dev"]));
    link("/proc/sys/kernel/core_pattern", volume.join("null"));
    link("/proc/sysrq-trigger", volume.join("console"));
    fs::create_dir(volume.join("pts")).unwrap();
    link("/proc/sys/kernel/core_pattern", volume.join("pts/ptmx"));
    let before = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    let script = "echo reached; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c; echo evil >/proc/sys/kernel/core_pattern; echo evil >/proc/kcore";
    for more in [vec![], vec!["-t"]] {
        let options = [vec!["-v", "dev:/dev"], more].concat();
        let done = world.run(&options, script);
        assert!(!done.text.contains("reached") || done.text.contains("\n0"), "{}", done.text);
    }
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), before);
}

#[test]
fn a_terminal_is_bound_to_nothing_but_the_console() {
    // CVE-2025-52565: /dev/pts/N was exchanged before it was bound to /dev/console.
    let Some(world) = World::new() else { return };
    let done = world.run(&["-t"], "stat -c '%F %t' /dev/console; readlink /proc/self/fd/0; ls /dev/pts; cat /proc/sysrq-trigger 2>&1 | head -c 20");
    assert!(done.text.starts_with("character special file 88"), "{}", done.text);
    world.image_with("console", |tar| {
        tar.directory("dev")
            .link("dev/console", "/proc/sys/kernel/core_pattern")
            .link("dev/ptmx", "/tmp/x")
    });
    let done = world.hako(&[
        "run",
        "--rm",
        "-t",
        "--network",
        "none",
        "console",
        "sh",
        "-c",
        "stat -c %t /dev/console; echo evil >/proc/sys/kernel/core_pattern; echo",
    ]);
    assert!(done.text.starts_with("88"), "{}", done.text);
}

#[test]
fn sensitive_files_are_masked_and_sealed() {
    // CVE-2015-3630, CVE-2017-16539, CVE-2018-10892, CVE-2024-21626's write side, and the newer masks.
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    let script = "for f in /proc/asound /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats /proc/sched_debug \
        /proc/scsi /sys/firmware /sys/devices/virtual/powercap /proc/interrupts; do test -e $f || continue; if test -d $f; then ls -A $f; else cat $f; fi; done; \
        for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sysrq-trigger /proc/irq/default_smp_affinity /proc/bus/x /proc/fs/x \
        /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run; do { echo evil >$f; } 2>/dev/null && echo \"wrote $f\"; done; true";
    for done in [
        world.run(&[], script),
        world.hako(&["exec", "cc", "sh", "-c", script]),
        world.hako(&["exec", "--privileged", "cc", "sh", "-c", script]),
    ] {
        assert_eq!(done.text.trim(), "");
    }
}
