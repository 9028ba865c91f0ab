//! Data that outlives containers, and files of the host.

use hako_testkit::env::Env;

#[test]
fn a_named_volume_keeps_its_data_and_begins_with_the_image_s() {
    let Some(env) = Env::new() else { return };
    let words = [
        "run",
        "--rm",
        "-v",
        "data:/etc",
        "box",
        "sh",
        "-c",
        "test -s /etc/passwd && echo kept > /etc/mine",
    ];
    assert_eq!(env.hako(&words).code, 0);
    assert_eq!(env.hako(&["run", "--rm", "-v", "data:/d", "box", "cat", "/d/mine"]).ok(), "kept");
    assert_eq!(env.hako(&["volume", "ls", "-q"]).ok(), "data");
    assert_eq!(env.hako(&["volume", "rm", "data"]).code, 0);
}

#[test]
fn a_directory_of_the_host_is_seen_and_ro_is_kept() {
    let Some(env) = Env::new() else { return };
    let file = env.write("shared/file", "from the host\n");
    let dir = file.parent().unwrap().display();
    assert_eq!(
        env.hako(&["run", "--rm", "-v", &format!("{dir}:/d"), "box", "cat", "/d/file"]).ok(),
        "from the host"
    );
    let refused =
        env.hako(&["run", "--rm", "-v", &format!("{dir}:/d:ro"), "box", "touch", "/d/new"]);
    assert!(refused.code != 0 && refused.stderr.contains("Read-only"), "{refused:?}");
}

#[test]
fn an_anonymous_volume_goes_with_rm() {
    let Some(env) = Env::new() else { return };
    assert_eq!(env.hako(&["run", "--rm", "-v", "/data", "box", "touch", "/data/x"]).code, 0);
    assert_eq!(env.hako(&["volume", "ls", "-q"]).ok(), "");
}

#[test]
fn files_are_copied_in_and_out() {
    let Some(env) = Env::new() else { return };
    let file = env.write("in", "text\n");
    let _id = env.hako(&["create", "--name", "one", "box", "true"]).ok();
    assert_eq!(env.hako(&["cp", file.to_str().unwrap(), "one:/tmp/copied"]).code, 0);
    assert_eq!(env.hako(&["cp", "one:/tmp/copied", env.path("out").to_str().unwrap()]).code, 0);
    assert_eq!(std::fs::read_to_string(env.path("out")).unwrap(), "text\n");
}
