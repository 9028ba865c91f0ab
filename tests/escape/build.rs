//! Builds that reach for the host.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::copy::hostile;
use crate::world::{World, link};

#[test]
fn copy_and_add_follow_no_link_out_of_the_context() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    for source in ["l/secret", "f", "../../../../../../../..", "up/secret", "l", "d"] {
        for word in ["COPY", "ADD"] {
            let text = format!(
                "FROM box\n{word} {source} /x\nRUN cat /x /x/secret /x/l/secret; find / -name secret; true\n"
            );
            let done = world.build(&text, &["--no-cache"], |context| {
                link(&host, context.join("l"));
                link(format!("{host}/secret"), context.join("f"));
                link(format!("../../../../../..{host}"), context.join("up"));
                fs::create_dir(context.join("d")).unwrap();
                link(&host, context.join("d/l"));
            });
            assert!(
                !done.text.replace("the-hosts-secret-", "").contains("the-hosts-secret"),
                "{word} {source}: {}",
                done.text
            );
        }
    }
    world.untouched();
}

#[test]
fn copies_write_through_no_link_of_the_image() {
    // CVE-2020-10696 and the like: the target of COPY, ADD, WORKDIR and heredocs in a hostile base image.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.image_with("base", |tar| {
        tar.link("l", &host)
            .link("up", &format!("../../../../..{host}"))
            .link("f", &format!("{host}/secret"))
            .link("n", &format!("{host}/new/deep"))
            .link("magic", "/proc/self/root")
    });
    for target in [
        "/l/",
        "/l/put",
        "/up/put",
        "/f",
        "/n",
        "/n/put",
        &format!("/magic{host}/put"),
        "/../../../../x/../l/put",
    ] {
        let text = format!(
            "FROM base\nCOPY a {target}\nADD a.tar {target}\nCOPY --chown=1:1 --chmod=777 d {target}\nADD <<secret <<put {target}/\nevil\nsecret\nevil\nput\nWORKDIR {target}\nRUN echo evil >put; true\n"
        );
        for line in text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(target))
            .map(|(number, _)| number)
        {
            let rest: Vec<&str> = text
                .lines()
                .enumerate()
                .filter(|(number, _)| *number == 0 || *number >= line)
                .map(|(_, line)| line)
                .collect();
            world.build(&rest.join("\n"), &["--no-cache"], |context| {
                fs::write(context.join("a"), "evil").unwrap();
                fs::create_dir(context.join("d")).unwrap();
                fs::write(context.join("d/secret"), "evil").unwrap();
                fs::write(
                    context.join("a.tar"),
                    crate::tar::Tar::default().file("put", "evil").bytes(),
                )
                .unwrap();
            });
            world.untouched();
        }
    }
}

#[test]
fn archives_that_add_unpacks_write_nothing_outside() {
    let Some(world) = World::new() else { return };
    for tar in hostile(&world.prize()) {
        world.build("FROM box\nADD a.tar /\nADD a.tar /tmp/\n", &["--no-cache"], |context| {
            fs::write(context.join("a.tar"), &tar).unwrap();
        });
        world.untouched();
    }
}

#[test]
fn names_of_heredocs_are_names() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    for name in [
        format!("{host}/put"),
        format!("../../../../../../../..{host}/put"),
        "..".into(),
        ".".into(),
        "a/../../b".into(),
    ] {
        for quote in ["", "\""] {
            let text = format!(
                "FROM box\nCOPY <<{quote}{name}{quote} /x/\nevil\n{name}\nRUN <<{quote}{name}{quote}\necho evil >{host}/put\n{name}\n"
            );
            world.build(&text, &["--no-cache"], |_| {});
            world.untouched();
        }
    }
}

#[test]
fn mounts_of_a_step_show_nothing_of_the_host() {
    // CVE-2024-23651, CVE-2024-1753, CVE-2024-9675, CVE-2024-11218: sources that are links or climb.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.image_with("base", |tar| {
        tar.link("l", &host)
            .link("f", &format!("{host}/secret"))
            .link("up", "/../../../../../../..")
    });
    let mounts = [
        "type=bind,from=base,source=/l,target=/m".to_string(),
        "type=bind,from=base,source=/f,target=/m".to_string(),
        format!("type=bind,from=base,source=/up{host},target=/m"),
        format!("type=bind,from=base,source=../../../../../../..{host},target=/m"),
        "type=bind,from=base,source=/l,target=/m,rw".to_string(),
        "type=bind,source=l,target=/m".to_string(),
        "type=bind,source=f,target=/m".to_string(),
        format!("type=bind,source=../../../../../../../../..{host},target=/m"),
        "type=bind,source=l,target=/m,rw".to_string(),
        format!("type=cache,id=../../../../../../..{host},target=/m"),
        format!("type=cache,id={host},target=/m"),
        "type=cache,from=base,source=/l,target=/m".to_string(),
        format!("type=cache,from=base,source=../../../../../..{host},target=/m"),
        "type=bind,from=base,source=/,target=/m,bind-propagation=shared".to_string(),
    ];
    for mount in mounts {
        let text = format!(
            "FROM base\nRUN --mount={mount} cat /m /m/secret 2>/dev/null | tr a-z b-za; echo evil >/m/put; true\n"
        );
        let done = world.build(&text, &["--no-cache"], |context| {
            link(&host, context.join("l"));
            link(format!("{host}/secret"), context.join("f"));
        });
        assert!(!done.text.contains("uif-iptut-tfdsfu"), "{mount}: {}", done.text);
        world.untouched();
    }
}

#[test]
fn targets_of_a_steps_mounts_stay_in_the_root() {
    let Some(world) = World::new() else { return };
    let host = world.prize();
    world.image_with("base", |tar| tar.link("l", &host).link("up", "/../../../../../../.."));
    for target in [
        "/l".to_owned(),
        "/l/new/deep".into(),
        format!("/up{host}/new"),
        format!("../../../../../..{host}/new"),
        "/proc/self/attr".into(),
        "/proc".into(),
    ] {
        for kind in ["tmpfs", "cache", "bind"] {
            let text = format!(
                "FROM base\nRUN --mount=type={kind},target={target} echo evil >/l/put; echo evil >{target}/put; true\n"
            );
            world.build(&text, &["--no-cache"], |_| {});
            world.untouched();
        }
    }
}

#[test]
fn taking_mount_points_out_of_a_layer_deletes_nothing_of_the_host() {
    // CVE-2024-23652: the step put a link where an empty mount point was to be removed.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    for (mount, name) in [
        ("tmpfs", "empty"),
        ("bind", "empty"),
        ("cache", "empty"),
        ("secret,id=s,required=true", "nothing"),
    ] {
        let text = format!(
            "FROM box\nRUN --mount=type={mount},target=/a/{name} mv /a /c && ln -s {host} /a && ls -la /\n"
        );
        let secret = format!("id=s,src={host}/nothing");
        let before = fs::metadata(world.host("")).unwrap().modified().unwrap();
        let done = world.build(&text, &["--no-cache", "--secret", &secret], |_| {});
        assert!(done.text.contains(&host), "the attack did not run: {}", done.text);
        world.untouched();
        assert_eq!(fs::metadata(world.host("")).unwrap().modified().unwrap(), before);
    }
}

#[test]
fn a_step_gets_no_rights_that_were_not_allowed() {
    // CVE-2024-23653: the interface of the builder gave privileged containers to whoever asked.
    let Some(world) = World::new() else { return };
    world
        .build(
            "# syntax=docker/dockerfile:1-labs\nFROM box\nRUN --security=insecure true\n",
            &["--no-cache"],
            |_| {},
        )
        .failed();
    let text = "FROM box\nRUN grep CapEff /proc/self/status; grep -q 00000000a80425fb /proc/self/status && ! mount -t tmpfs t /tmp && ! unshare -U true && grep -q 'Seccomp:.2' /proc/self/status\n";
    let done = world.build(text, &["--no-cache"], |_| {});
    assert_eq!(done.code, 0, "{}", done.text);
    world.build("FROM box\nRUN --network=host true\n", &["--no-cache"], |_| {}).failed();
}

#[test]
fn arguments_of_git_are_not_options() {
    // CVE-2019-13139: the fragment of a git address became an option of git.
    let Some(world) = World::new() else { return };
    let evil = format!("touch {}/put", world.prize());
    let listener = UnixListener::bind(world.state().join("none")).unwrap();
    drop(listener);
    for context in [
        format!("git://127.0.0.1:1/x.git#--upload-pack={evil}:"),
        format!("https://127.0.0.1:1/x.git#--upload-pack={evil}"),
        format!("ext::sh -c {evil}"),
        format!("git@127.0.0.1:-oProxyCommand={evil}.git"),
        format!("ssh://-oProxyCommand={}/x.git", evil.replace(' ', "${IFS}")),
    ] {
        let done = world.hako(&["build", "--network", "none", &context]);
        done.failed();
        world.untouched();
        let text = format!("FROM box\nADD [\"{context}\", \"/x\"]\n");
        world.build(&text, &["--no-cache"], |_| {}).failed();
        world.untouched();
    }
}

#[test]
fn secrets_are_in_no_layer_and_no_history() {
    // CVE-2019-13509's cousins: secrets that stayed in what is kept.
    let Some(world) = World::new() else { return };
    let secret = format!("id=s,src={}", world.host("secret").display());
    let done = world.build("FROM box\nRUN --mount=type=secret,id=s,required=true --mount=type=secret,id=s,env=S,required=true test \"$(cat /run/secrets/s)\" = \"$S\"\nRUN ! find / -name s -path '*secrets*' | grep .; ! env | grep the-hosts\n", &["--no-cache", "--secret", &secret], |_| {});
    assert_eq!(done.code, 0, "{}", done.text);
    let saved = world.state().join("saved.tar");
    world.ok(&["save", "-o", &saved.display().to_string(), "built"]);
    let bytes = fs::read(saved).unwrap();
    let needle = crate::world::SECRET.as_bytes();
    assert!(!bytes.windows(needle.len()).any(|part| part == needle));
}
