//! Images, archives and manifests that lie.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hako_testkit::registry::{Door, Registry};
use hako_types::Digest;
use serde_json::{Value, json};

use crate::copy::hostile;
use crate::tar::Tar;
use crate::world::{SECRET, World, outcome};

#[test]
fn layers_write_nothing_outside() {
    // CVE-2014-6407, CVE-2014-9356, CVE-2015-3629, CVE-2025-47290.
    let Some(world) = World::new() else { return };
    for (number, tar) in hostile(&world.prize()).into_iter().enumerate() {
        let name = format!("evil{number}");
        if world.try_import(&name, &tar).code == 0 {
            world.hako(&["run", "--rm", "--network", "none", &name, "/none"]);
            world.hako(&["save", "-o", "/dev/null", &name]);
        }
        world.untouched();
        let (config, _) = config(&tar, &json!({}));
        let archive = docker_archive("config.json", &config, "layer.tar", &tar, "evil:latest");
        world.feed(&["load"], &archive);
        world.untouched();
    }
}

#[test]
fn names_in_archives_lead_nowhere() {
    // CVE-2014-9357, CVE-2014-9358, CVE-2014-8178: image ids and layer names as paths.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    let layer = Tar::default().file("f", "x").bytes();
    let (config, _) = config(&layer, &json!({}));
    let secret = format!("{host}/secret");
    let up = format!("../../../../../../..{secret}");
    for (config_name, layer_name) in [
        (secret.as_str(), "layer.tar"),
        ("config.json", secret.as_str()),
        (&up, "layer.tar"),
        ("config.json", &up),
    ] {
        let items = json!([{"Config": config_name, "RepoTags": ["e:1"], "Layers": [layer_name]}])
            .to_string();
        let tar = Tar::default().file("manifest.json", &items).file("config.json", &config).moded(
            "layer.tar",
            &layer,
            0o644,
        );
        world.feed(&["load"], &tar.bytes()).saw_nothing();
        let tar = Tar::default()
            .link("config.json", &secret)
            .link("layer.tar", &secret)
            .file("manifest.json", &items);
        let done = world.feed(&["load"], &tar.bytes());
        done.saw_nothing();
        done.failed();
    }
    for digest in [
        format!("sha256:../../../../../..{secret}"),
        format!("../..{secret}:x"),
        "sha256:".into(),
        "sha256:zz".into(),
    ] {
        let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 16}]});
        let tar = Tar::default()
            .file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}")
            .file("index.json", &index.to_string());
        let done = world.feed(&["load"], &tar.bytes());
        done.saw_nothing();
        done.failed();
    }
    for name in
        ["../../e", "/etc/passwd", "e:../../x", "e@sha256:../x", "E/../x:1", "a//b", "-rm", "x\n"]
    {
        let archive = docker_archive("config.json", &config, "layer.tar", &layer, name);
        let done = world.feed(&["load"], &archive);
        assert!(done.code != 0 || !done.text.contains("Loaded image: "), "{name}: {}", done.text);
    }
    world.untouched();
}

#[test]
fn a_layer_that_is_not_what_its_config_says_is_refused() {
    // CVE-2014-9358, CVE-2024-3727: what is verified must be what is used.
    let Some(world) = World::new() else { return };
    let (good, evil) =
        (Tar::default().file("f", "x").bytes(), Tar::default().file("f", "evil").bytes());
    let (config, _) = config(&good, &json!({}));
    world
        .feed(&["load"], &docker_archive("config.json", &config, "layer.tar", &evil, "e:1"))
        .failed();
    assert_eq!(world.ok(&["images", "-q", "e"]), "");
}

#[test]
fn a_document_is_a_manifest_or_an_index_but_not_both() {
    // CVE-2021-41190.
    let Some(world) = World::new() else { return };
    let registry = Registry::start(Door::default()).unwrap();
    let layer = Tar::default().file("f", "x").bytes();
    let both = |kind: &str| {
        let (config, _) = config(&layer, &json!({}));
        let config =
            registry.add_blob("e", "application/vnd.oci.image.config.v1+json", config.as_bytes());
        let blob = registry.add_blob("e", "application/vnd.oci.image.layer.v1.tar", &layer);
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [blob], "manifests": [config]})
    };
    for kind in
        ["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"]
    {
        registry.add_manifest("e", "1", &both(kind));
        let done = world.hako(&["pull", &format!("{}/e:1", registry.host())]);
        done.failed();
    }
    let other = |inner: &str| {
        let mut all = both(inner);
        all.as_object_mut().unwrap().remove("manifests");
        all
    };
    let lie = other("application/vnd.oci.image.index.v1+json");
    registry.add_manifest("e", "2", &lie);
    world.hako(&["pull", &format!("{}/e:2", registry.host())]).failed();
}

#[test]
fn a_registry_cannot_serve_other_bytes_than_asked_for() {
    let Some(world) = World::new() else { return };
    let registry = Registry::start(Door::default()).unwrap();
    let layer = Tar::default().file("f", "x").bytes();
    for digest in
        ["sha256:../../../../etc/passwd", "sha256:0", "md5:d41d8cd98f00b204e9800998ecf8427e", ""]
    {
        let (config, _) = config(&layer, &json!({}));
        let config =
            registry.add_blob("e", "application/vnd.oci.image.config.v1+json", config.as_bytes());
        let blob = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": layer.len()});
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [blob]});
        registry.add_manifest("e", "1", &manifest);
        world.hako(&["pull", &format!("{}/e:1", registry.host())]).failed();
    }
}

#[test]
fn an_images_volume_shows_only_the_image() {
    // CVE-2022-23648: a volume's path with `..`, or a link there, copied files of the host.
    let Some(world) = World::new() else { return };
    let host = world.prize();
    for volume in [
        "/link".to_owned(),
        format!("/../../../../..{host}"),
        "/link/../link".into(),
        "/proc/1/root".into(),
    ] {
        let layer = Tar::default().link("link", &host).bytes();
        let change = format!("VOLUME [\"{volume}\"]");
        world.feed(&["import", "--change", &change, "-", "vol"], &layer);
        world.hako(&["run", "--name", "cc", "--network", "none", "-v", "vv:/kept", "vol", "/none"]);
        let all =
            outcome(std::process::Command::new("grep").arg("-rl").arg(SECRET).arg(world.state()));
        assert_eq!(all.text.trim(), "", "{volume}");
        world.hako(&["rm", "-fv", "cc"]);
        world.untouched();
    }
}

#[test]
fn odd_configurations_are_refused_or_harmless() {
    // CVE-2021-21285 and CVE-2020-1702: a document brought the engine down.
    let Some(world) = World::new() else { return };
    let layer = Tar::default().directory("bin").bytes();
    let big = "x".repeat(3 << 20);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let oddities: Vec<Value> = vec![
        json!({"Env": ["A=\u{0}B", "=", "", "PATH=/bin\u{0}/evil"], "Cmd": ["/none"]}),
        json!({"Entrypoint": ["/proc/self/exe\u{0}"], "Cmd": ["\u{0}"]}),
        json!({"Entrypoint": [], "Cmd": []}),
        json!({"Entrypoint": [""], "Cmd": [""]}),
        json!({"Env": [format!("A={big}")], "Cmd": ["/none"]}),
        json!({"WorkingDir": "../../../../tmp", "Cmd": ["/none"]}),
        json!({"WorkingDir": "/a\u{0}b", "Cmd": ["/none"]}),
        json!({"User": "../../etc/passwd", "Cmd": ["/none"]}),
        json!({"User": "0:0:0", "Cmd": ["/none"]}),
        json!({"StopSignal": "SIG\u{0}", "Cmd": ["/none"]}),
        json!({"ExposedPorts": {"99999/tcp": {}, "-1": {}, "x/y/z": {}}, "Cmd": ["/none"]}),
        json!({"Volumes": {"": {}, "/": {}, "relative": {}}, "Cmd": ["/none"]}),
        json!({"Healthcheck": {"Test": ["CMD"], "Interval": -1, "Timeout": i64::MAX}, "Cmd": ["/none"]}),
        json!("text"),
        json!([]),
    ];
    let mut documents: Vec<String> = oddities.iter().map(|odd| config(&layer, odd).0).collect();
    documents.push(deep.clone());
    documents.push(format!("{{\"config\":{deep}}}"));
    documents.push("\u{feff}{}".into());
    for document in documents {
        let loaded = world.feed(
            &["load"],
            &docker_archive("config.json", &document, "layer.tar", &layer, "odd:1"),
        );
        sane(loaded.code, &loaded.text);
        let ran = world.hako(&["run", "--rm", "--network", "none", "odd:1"]);
        sane(ran.code, &ran.text);
        sane(world.hako(&["inspect", "odd:1"]).code, "");
        world.hako(&["rmi", "-f", "odd:1"]);
    }
    world.untouched();
    world.ok(&["run", "--rm", "--network", "none", "box", "true"]);
}

fn sane(code: i32, text: &str) {
    assert!(
        code >= 0 && code != 101 && code != 134 && !text.contains("panicked"),
        "{code}: {}",
        text.chars().take(400).collect::<String>()
    );
}

#[test]
fn layers_and_states_are_closed_to_other_users() {
    // CVE-2021-41091, CVE-2021-41103, CVE-2024-25621: set-uid programs of images were run by users of the host.
    let Some(mut world) = World::new() else { return };
    let shell = fs::read(if fs::exists("/bin/busybox").unwrap() {
        "/bin/busybox"
    } else {
        "/usr/bin/busybox"
    })
    .unwrap();
    world.image_with("setuid", |tar| tar.moded("bin/evil", &shell, 0o4755));
    world.start("cc", &[]);
    world.use_copy();
    let state = world.state().display().to_string();
    // The directory that holds the state is the test's; its own permissions are what is tested below.
    let mode = fs::metadata(world.state()).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(world.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!("id -u; ls -R {state}; find {state} -perm -4000");
    let mut command = std::process::Command::new("/usr/bin/env");
    command.args(["sh", "-c", &script]);
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    std::os::unix::process::CommandExt::gid(&mut command, 65534);
    let seen = outcome(&mut command);
    assert!(seen.text.starts_with("65534"), "{}", seen.text);
    assert!(
        !seen.text.contains("evil") && !seen.text.contains("busybox"),
        "mode {mode:o}: {}",
        seen.text
    );
}

/// A configuration for one layer, and the layer's digest.
pub(crate) fn config(layer: &[u8], config: &Value) -> (String, Digest) {
    let digest = Digest::of(layer);
    let all = json!({"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [digest]}});
    (all.to_string(), digest)
}

fn docker_archive(
    config_name: &str,
    config: &str,
    layer_name: &str,
    layer: &[u8],
    tag: &str,
) -> Vec<u8> {
    let items = json!([{"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]}]);
    Tar::default()
        .file(config_name, config)
        .moded(layer_name, layer, 0o644)
        .file("manifest.json", &items.to_string())
        .bytes()
}
