//! `cp` in both directions, and what it follows.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::tar::Tar;
use crate::world::{Exchange, World, for_a_while};

#[test]
fn cp_into_a_container_follows_no_link_out_of_it() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&[
        "exec",
        "cc",
        "sh",
        "-c",
        &format!(
            "mkdir -p /d{host} /pit; ln -s {host} /abs; ln -s ../../../../../..{host} /rel; \
        ln -s {host}/secret /file; ln -s /proc/1/root{host} /magic; ln -s {host}/dangling /dangling"
        ),
    ]);
    let file = world.state().join("new");
    fs::write(&file, "evil").unwrap();
    let file = file.display().to_string();
    for target in [
        "/abs/put",
        "/rel/put",
        "/file",
        "/magic/put",
        "/dangling",
        "/proc/self/root/put",
        "/../../../put",
    ] {
        world.hako(&["cp", &file, &format!("cc:{target}")]);
        world.untouched();
    }
    world.ok(&["stop", "-t", "0", "cc"]);
    for target in ["/abs/put", "/rel/put", "/file", "/magic/put", "/dangling"] {
        world.hako(&["cp", &file, &format!("cc:{target}")]);
        world.untouched();
    }
}

#[test]
fn cp_out_of_a_container_reads_nothing_of_the_host() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&[
        "exec",
        "cc",
        "sh",
        "-c",
        &format!(
            "ln -s {host} /abs; ln -s ../../../../..{host}/secret /rel; \
        ln -s {host}/secret /file; ln -s /proc/1/root /magic; ln -s /proc/self/cwd /cwd"
        ),
    ]);
    for running in [true, false] {
        if !running {
            world.ok(&["stop", "-t", "0", "cc"]);
        }
        for path in [
            "/abs/secret",
            "/rel",
            "/file",
            &format!("/magic{host}/secret"),
            &format!("/cwd{host}/secret"),
        ] {
            for words in [vec!["cp", "-L"], vec!["cp"]] {
                let from = format!("cc:{path}");
                let words = [words, vec![from.as_str(), "-"]].concat();
                world.hako(&words).saw_nothing();
            }
        }
    }
}

#[test]
fn cp_out_races_with_an_exchange_of_directory_and_link() {
    // CVE-2018-15664: the path was resolved first and used afterwards.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&[
        "exec",
        "cc",
        "sh",
        "-c",
        &format!("mkdir -p /a; echo inner >/a/secret; ln -s {host} /b"),
    ]);
    let root = world.root_of("cc");
    let _race = Exchange::of(root.join("a"), root.join("b"));
    for_a_while(|_| {
        world.hako(&["cp", "cc:/a/secret", "-"]).saw_nothing();
        world.hako(&["cp", "-L", "cc:/b", "-"]).saw_nothing();
    });
}

#[test]
fn cp_in_races_with_an_exchange_of_directory_and_link() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&["exec", "cc", "sh", "-c", &format!("mkdir -p /a; ln -s {host} /b")]);
    let root = world.root_of("cc");
    let tar = Tar::default()
        .file("put", "evil")
        .file("secret", "evil")
        .directory("sub")
        .file("sub/put", "evil")
        .bytes();
    let _race = Exchange::of(root.join("a"), root.join("b"));
    for_a_while(|_| {
        world.feed(&["cp", "-", "cc:/a"], &tar);
        world.untouched();
    });
}

#[test]
fn cp_in_races_below_the_target() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&["exec", "cc", "sh", "-c", &format!("mkdir -p /t/a; ln -s {host} /t/b")]);
    let root = world.root_of("cc");
    let mut tar = Tar::default().directory("a");
    for number in 0..50 {
        tar = tar.file(&format!("a/f{number}"), "evil").directory(&format!("a/d{number}"));
    }
    let tar = tar.bytes();
    let _race = Exchange::of(root.join("t/a"), root.join("t/b"));
    for_a_while(|_| {
        world.feed(&["cp", "-", "cc:/t"], &tar);
        world.untouched();
    });
}

#[test]
fn archives_for_cp_write_nothing_outside() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.ok(&["create", "--name", "cc", "box", "true"]);
    for tar in hostile(&host) {
        world.feed(&["cp", "-", "cc:/tmp"], &tar);
        world.feed(&["cp", "-a", "-", "cc:/"], &tar);
        world.untouched();
    }
}

#[test]
fn what_comes_out_of_a_container_writes_only_below_its_target() {
    // CVE-2019-14271's victim was the unpacking side; here it is a link that waits in the target.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.start("cc", &[]);
    world.ok(&[
        "exec",
        "cc",
        "sh",
        "-c",
        &format!(
            "mkdir -p /o/x; ln -s {host} /o/y; echo evil >/o/x/put; mkdir -p /p; echo evil >/p/put"
        ),
    ]);
    let target = world.state().join("out");
    fs::create_dir(&target).unwrap();
    let text = target.display().to_string();
    world.ok(&["cp", "cc:/o", &text]);
    // A second copy meets the link that the first one brought.
    world.ok(&["exec", "cc", "sh", "-c", "rm /o/y; mkdir /o/y; echo evil >/o/y/put"]);
    world.hako(&["cp", "cc:/o", &text]);
    world.untouched();
}

#[test]
fn a_users_program_does_not_resolve_names_inside_for_cp() {
    // CVE-2019-14271: cp loaded libnss out of the container into a process of the host.
    let Some(world) = World::new() else { return };
    world.image_with("nss", |tar| {
        tar.directory("lib")
            .file("lib/libnss_files.so.2", "evil")
            .file("etc/nsswitch.conf", "passwd: evil\n")
    });
    world.ok(&["create", "--name", "cc", "nss", "true"]);
    world.ok(&["cp", "-a", "cc:/etc/nsswitch.conf", "-"]);
    let bytes = fs::read(world.binary()).unwrap();
    let dynamic = bytes.windows(13).any(|part| part == b"/lib64/ld-lin");
    if dynamic {
        eprintln!("the binary under test is not static; the shipped one is");
    }
}

#[test]
fn cp_leaves_modes_of_the_host_alone() {
    // CVE-2021-41089: `docker cp` changed the mode of existing files of the host.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    fs::set_permissions(world.host("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    world.ok(&["create", "--name", "cc", "box", "true"]);
    let tar = Tar::default().link("l", &host).moded("l/secret", b"evil", 0o777).bytes();
    world.feed(&["cp", "-", "cc:/tmp"], &tar);
    let mode = fs::metadata(world.host("secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.untouched();
}

/// Archives that would write to `host`.
pub(crate) fn hostile(host: &str) -> Vec<Vec<u8>> {
    let plain = host.trim_start_matches('/');
    let up = format!("../../../../../../{plain}/put");
    vec![
        Tar::default().file(&up, "evil").bytes(),
        Tar::default().file(&format!("{host}/put"), "evil").bytes(),
        Tar::default().link("l", host).file("l/put", "evil").file("l/secret", "evil").bytes(),
        Tar::default().link("l", &format!("../../../../../..{host}")).file("l/put", "evil").bytes(),
        Tar::default()
            .link("l", "..")
            .link("l/m", host)
            .file("m/put", "evil")
            .file("l/m/put", "evil")
            .bytes(),
        Tar::default().hard("hh", &format!("{host}/secret")).file("hh", "evil").bytes(),
        Tar::default()
            .hard("hh", &format!("../../../../../..{host}/secret"))
            .file("hh", "evil")
            .bytes(),
        Tar::default()
            .link("s", &format!("{host}/secret"))
            .hard("hh", "s")
            .file("hh", "evil")
            .bytes(),
        Tar::default().link("s", &format!("{host}/secret")).file("s", "evil").bytes(),
        Tar::default().link("d", host).directory("d").file("d/put", "evil").bytes(),
        Tar::default().link("d", host).file("d/.wh.secret", "").file("d/.wh..wh..opq", "").bytes(),
        Tar::default().file(".wh...", "").file(".wh..", "").file("a/.wh...", "").bytes(),
        Tar::default()
            .link("proc", "/proc/self/root")
            .file(&format!("proc/{plain}/put"), "evil")
            .bytes(),
        Tar::default().link("a", "b").link("b", "a").file("a/put", "evil").bytes(),
    ]
}
