//! Images are made, named, carried in archives and taken away.

use hako_testkit::env::Env;

#[test]
fn a_container_s_changes_become_an_image() {
    let Some(env) = Env::new() else { return };
    let _out = env
        .hako(&["run", "--name", "one", "box", "sh", "-c", "echo new > /new; rm /etc/group"])
        .ok();
    let diff = env.hako(&["diff", "one"]).ok();
    assert!(diff.contains("A /new") && diff.contains("D /etc/group"), "{diff}");
    let _id = env.hako(&["commit", "-c", "ENV A=b", "one", "made:1"]).ok();
    assert_eq!(
        env.hako(&["run", "--rm", "made:1", "sh", "-c", "cat /new; echo $A; test ! -e /etc/group"])
            .ok(),
        "new\nb"
    );
}

#[test]
fn an_archive_brings_the_same_image_to_another_engine() {
    let (Some(one), Some(two)) = (Env::new(), Env::bare()) else { return };
    let archive = one.path("box-saved.tar");
    let archive = archive.to_str().unwrap();
    let _none = one.hako(&["tag", "box", "other:tag"]).ok();
    assert_eq!(one.hako(&["save", "-o", archive, "box", "other:tag"]).code, 0);
    let loaded = two.hako(&["load", "-i", archive]).ok();
    assert!(loaded.contains("box:latest") && loaded.contains("other:tag"), "{loaded}");
    let id = |env: &Env| env.hako(&["image", "inspect", "--format", "{{.Id}}", "box"]).ok();
    assert_eq!(id(&one), id(&two));
    assert_eq!(two.hako(&["run", "--rm", "other:tag", "echo", "hi"]).ok(), "hi");
}

#[test]
fn a_broken_archive_leaves_nothing() {
    let Some(env) = Env::bare() else { return };
    let archive = env.write("broken.tar", &"not a tar".repeat(200));
    assert_ne!(env.hako(&["load", "-i", archive.to_str().unwrap()]).code, 0);
    assert_eq!(env.hako(&["images", "-aq"]).ok(), "");
    assert_eq!(env.hako(&["system", "check"]).code, 0);
}

#[test]
fn an_image_in_use_stays_and_an_unused_one_goes_with_its_layers() {
    let Some(env) = Env::new() else { return };
    let _id = env.hako(&["create", "--name", "one", "box"]).ok();
    assert_eq!(env.hako(&["rmi", "box"]).code, 1);
    let _name = env.hako(&["rm", "one"]).ok();
    assert_eq!(env.hako(&["rmi", "box"]).code, 0);
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), 0);
}
