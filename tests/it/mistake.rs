//! Bad input gets a sentence with its subject, the right exit code, and leaves nothing behind.

use hako_testkit::env::Env;

#[test]
fn an_unknown_image_is_named() {
    let Some(env) = Env::bare() else { return };
    let ended = env.hako(&["run", "--rm", "127.0.0.1:1/none", "true"]);
    assert_eq!(ended.code, 125);
    assert!(ended.stderr.contains("127.0.0.1:1"), "{ended:?}");
    assert_eq!(env.hako(&["ps", "-aq"]).ok(), "");
}

#[test]
fn a_dockerfile_s_mistake_is_shown_with_its_line() {
    let Some(env) = Env::new() else { return };
    let _path = env.write("ctx/Dockerfile", "FROM box\n\nRUNN true\n");
    let ended = env.hako(&["build", env.path("ctx").to_str().unwrap()]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("Dockerfile:3") && ended.stderr.contains("RUNN"), "{ended:?}");
}

#[test]
fn a_compose_file_s_mistake_is_shown_with_its_line() {
    let Some(env) = Env::new() else { return };
    let file = env.write("p/compose.yml", "services:\n  a:\n    image: box\n    imagee: box\n");
    let ended = env.hako(&["compose", "-f", file.to_str().unwrap(), "up", "-d"]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("imagee") && ended.stderr.contains(":4"), "{ended:?}");
    assert_eq!(env.hako(&["ps", "-aq"]).ok(), "");
}

#[test]
fn a_name_in_use_is_refused_with_a_conflict() {
    let Some(env) = Env::new() else { return };
    let _id = env.hako(&["create", "--name", "one", "box"]).ok();
    let ended = env.hako(&["create", "--name", "one", "box"]);
    assert!(ended.code == 125 || ended.code == 1, "{ended:?}");
    assert!(ended.stderr.contains("one"), "{ended:?}");
}
