//! What a process in a container is born with: descriptors, rights, groups, a binary.

use std::fs;
use std::os::fd::AsRawFd;

use hako_types::Digest;

use crate::world::{World, outcome};

#[test]
fn no_descriptor_of_the_engine_reaches_a_program() {
    // CVE-2016-9962, CVE-2024-21626, CVE-2015-3627.
    let Some(world) = World::new() else { return };
    // One that the caller forgot to close, too.
    let leaked = fs::File::open(world.host("secret")).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    assert!(leaked.as_raw_fd() > 2);
    let script = "ls /proc/self/fd | wc -l; for f in /proc/self/fd/*; do readlink $f; done; cat /proc/self/fd/[3-9] </dev/null 2>/dev/null; true";
    let own = |text: &str| {
        text.lines().skip(1).all(|line| {
            line.contains("pipe:")
                || line.starts_with("/dev/")
                || line.starts_with("/proc/")
                || line.contains("/fd")
        })
    };
    world.start("cc", &[]);
    world.hako(&["run", "-d", "--name", "tty", "-t", "--network", "none", "box", "sleep", "100"]);
    for done in [
        world.run(&[], script),
        world.run(&["--init"], script),
        world.hako(&["exec", "cc", "sh", "-c", script]),
        world.hako(&["exec", "-t", "cc", "sh", "-c", script]),
        world.hako(&["exec", "tty", "sh", "-c", script]),
    ] {
        done.saw_nothing();
        assert!(done.text.starts_with('4') && own(&done.text), "{}", done.text);
    }
    let seen = world.ok(&["exec", "cc", "sh", "-c", "ls /proc/1/fd | xargs echo"]);
    assert_eq!(seen, "0 1 2");
}

#[test]
fn the_binary_cannot_be_overwritten_from_inside() {
    // CVE-2019-5736.
    let Some(mut world) = World::new() else { return };
    world.use_copy();
    let before = Digest::of(&fs::read(world.binary()).unwrap());
    world.image_with("evil", |tar| tar.file("bin/evil", "#!/proc/self/exe events\n"));
    let inside =
        world.hako(&["run", "-d", "--network", "none", "--name", "ee", "evil", "sleep", "60"]);
    assert_eq!(inside.code, 0, "{}", inside.text);
    // A program of the container that *is* the binary, so that its file can be had from /proc.
    let mut own = world
        .command(&["exec", "ee", "/proc/self/exe", "--root", "/state", "events"])
        .spawn()
        .unwrap();
    let mut scripted = world.command(&["exec", "ee", "/bin/evil"]).spawn().unwrap();
    let attack = "for round in 1 2 3 4 5 6 7 8 9 10; do for p in /proc/[0-9]*; do n=$(readlink $p/exe 2>/dev/null); case $n in *busybox|'') continue;; esac; \
        exec 9<$p/exe || continue; echo \"got $n\"; kill -9 ${p#/proc/}; sleep 0.3; echo evil 2>&1 >/proc/self/fd/9 && echo WROTE; exec 9<&-; done; sleep 0.1; done";
    let done = world.hako(&["exec", "ee", "sh", "-c", attack]);
    let _ended = (own.kill(), own.wait(), scripted.kill(), scripted.wait());
    assert!(done.text.contains("got "), "the attack did not find the binary: {}", done.text);
    assert!(!done.text.contains("WROTE"), "{}", done.text);
    let again = world.hako(&[
        "run",
        "--rm",
        "--network",
        "none",
        "evil",
        "sh",
        "-c",
        "echo evil >/proc/self/exe; cp /bin/busybox /proc/self/exe",
    ]);
    assert_ne!(again.code, 101);
    assert_eq!(Digest::of(&fs::read(world.binary()).unwrap()), before, "the binary was changed");
}

#[test]
fn nothing_is_inheritable_or_ambient() {
    // CVE-2022-24769, CVE-2022-29162, CVE-2022-27649, CVE-2022-27650, CVE-2022-27651, CVE-2016-8867.
    let Some(world) = World::new() else { return };
    world.start("cc", &[]);
    let script = "grep -E 'CapInh|CapAmb' /proc/self/status | tr -d '\\t\\n'";
    let none = "CapInh:0000000000000000CapAmb:0000000000000000";
    for options in [
        vec![],
        vec!["-u", "1000"],
        vec!["--cap-add", "NET_ADMIN", "-u", "1000"],
        vec!["--cap-add", "ALL"],
        vec!["--privileged"],
    ] {
        assert_eq!(world.run(&options, script).text, none, "{options:?}");
    }
    for options in
        [vec![], vec!["-u", "1000"], vec!["--privileged"], vec!["--privileged", "-u", "1000"]]
    {
        let words = [vec!["exec"], options.clone(), vec!["cc", "sh", "-c", script]].concat();
        assert_eq!(world.hako(&words).text, none, "{options:?}");
    }
    let done = world.build(
        &format!("FROM box\nRUN {script}; test \"$({script})\" = {none}\n"),
        &["--no-cache"],
        |_| {},
    );
    assert_eq!(done.code, 0, "{}", done.text);
}

#[test]
fn a_users_own_group_is_among_its_groups() {
    // CVE-2022-36109, CVE-2022-2989, CVE-2022-2990: without it, permissions denied to the group did not hold.
    let Some(world) = World::new() else { return };
    world.image_with("groups", |tar| {
        tar.file("etc/passwd", "root:x:0:0::/:/bin/sh\nu:x:1000:1000::/:/bin/sh\n")
            .file("etc/group", "root:x:0:\nu:x:1000:\nextra:x:2000:u\n")
    });
    world.start("cc", &[]);
    let groups = |done: crate::world::Outcome| {
        done.text.replace("Groups:", "").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let script = ["sh", "-c", "grep Groups /proc/self/status"];
    let run = |options: &[&str], image: &str| {
        let words = [&["run", "--rm", "--network", "none"], options, &[image], &script].concat();
        groups(world.hako(&words))
    };
    assert_eq!(run(&["-u", "u"], "groups"), ["1000", "2000"]);
    assert_eq!(run(&["-u", "1000:1000"], "box"), ["1000"]);
    assert_eq!(run(&["-u", "7:8", "--group-add", "9"], "box"), ["8", "9"]);
    assert_eq!(run(&["-u", "0"], "box"), ["0"]);
    let words = [&["exec", "-u", "5:6", "cc"], script.as_slice()].concat();
    assert_eq!(groups(world.hako(&words)), ["6"]);
}

#[test]
fn numbers_are_users_and_never_wrap_to_root() {
    // CVE-2016-3697: a numeric name in /etc/passwd; CVE-2024-40635: 4294967296 became 0.
    let Some(world) = World::new() else { return };
    world.image_with("named", |tar| {
        tar.file(
            "etc/passwd",
            "root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n4294967295:x:0:0::/:\n-1:x:0:0::/:\n",
        )
        .file("etc/group", "root:x:0:\n1000:x:0:\n")
    });
    world.hako(&["run", "-d", "--name", "nn", "--network", "none", "named", "sleep", "60"]);
    let id = ["id", "-u"];
    for user in ["1000", "1000:1000"] {
        assert_eq!(
            world.ok(&[&["run", "--rm", "--network", "none", "-u", user, "named"], id.as_slice()]
                .concat()),
            "1000"
        );
        assert_eq!(world.ok(&[&["exec", "-u", user, "nn"], id.as_slice()].concat()), "1000");
    }
    for user in [
        "4294967296",
        "4294967295",
        "2147483648",
        "-1",
        "0x0",
        "18446744073709551616",
        "1:4294967296",
        "1:-1",
    ] {
        let done = world.hako(
            &[&["run", "--rm", "--network", "none", "-u", user, "named"], id.as_slice()].concat(),
        );
        assert_ne!((done.code, done.text.trim()), (0, "0"), "{user}");
        let done = world.hako(&[&["exec", "-u", user, "nn"], id.as_slice()].concat());
        assert_ne!((done.code, done.text.trim()), (0, "0"), "{user}");
        world.feed(
            &["import", "--change", &format!("USER {user}"), "-", "u"],
            &crate::tar::Tar::default().bytes(),
        );
    }
}

#[test]
fn user_files_that_never_end_stop_nothing() {
    // CVE-2024-9676: a passwd file that is a pipe or a link to a device of the host hung the engine.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.image_with("zero", |tar| {
        tar.link("etc/passwd", "/dev/zero").link("etc/group", "/proc/kmsg")
    });
    world.image_with("out", |tar| {
        tar.link("etc/passwd", &format!("../../../../../..{host}/secret"))
    });
    for image in ["zero", "out"] {
        for user in ["0", "nobody", "the-hosts-secret"] {
            let done = world.hako(&[
                "run",
                "--rm",
                "--network",
                "none",
                "-u",
                user,
                image,
                "sh",
                "-c",
                "echo $HOME",
            ]);
            done.saw_nothing_but(user);
        }
    }
    world.start("cc", &[]);
    world.ok(&["exec", "cc", "sh", "-c", "rm /etc/passwd; mknod /etc/passwd p"]);
    let mut hung = world.command(&["exec", "-u", "nobody", "cc", "true"]);
    let done = outcome(
        std::process::Command::new("timeout")
            .arg("10")
            .arg(hung.get_program())
            .args(hung.get_args().map(ToOwned::to_owned).collect::<Vec<_>>()),
    );
    let _unused = &mut hung;
    assert_ne!(done.code, 124, "it hung");
}

impl crate::world::Outcome {
    fn saw_nothing_but(&self, asked: &str) {
        let text =
            self.text.replace(&format!("user {asked}"), "").replace(&format!("`{asked}`"), "");
        let quoted = format!("unable to find user {asked}");
        assert!(!text.replace(&quoted, "").contains(crate::world::SECRET), "{}", self.text);
    }
}

#[test]
fn one_containers_environment_does_not_show_in_another() {
    // CVE-2020-14370, CVE-2021-3602: variables leaked from container to container and from the engine into them.
    let Some(world) = World::new() else { return };
    world.run(&["-e", "ONE=leak"], "true");
    let mut command = world.command(&["run", "--rm", "--network", "none", "box", "env"]);
    let done = outcome(command.env("ENGINE", "leak").env("LD_PRELOAD", "/leak.so"));
    assert!(!done.text.contains("leak"), "{}", done.text);
    let done = world.build("FROM box\nRUN env; ! env | grep leak\n", &["--no-cache"], |_| {});
    assert_eq!(done.code, 0, "{}", done.text);
}

#[test]
fn a_program_of_the_container_is_found_only_in_the_container() {
    // CVE-2022-1227, CVE-2019-5736's cousin: `top` and `exec` ran what the image named.
    let Some(world) = World::new() else { return };
    world.image_with("ps", |tar| {
        tar.file("bin/nsenter", "#!/bin/sh\necho EVIL").file("bin/ps", "#!/bin/sh\necho EVIL")
    });
    world.hako(&["run", "-d", "--name", "pp", "--network", "none", "ps", "sleep", "60"]);
    let done = world.hako(&["top", "pp"]);
    assert!(done.code == 0 && !done.text.contains("EVIL"), "{}", done.text);
}
