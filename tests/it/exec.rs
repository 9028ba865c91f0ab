//! A second process in a running container.

use hako_testkit::env::Env;

#[test]
fn it_shares_the_container_and_has_its_own_end() {
    let Some(env) = Env::new() else { return };
    let _id =
        env.hako(&["run", "-d", "--name", "one", "-e", "A=container", "box", "sleep", "1000"]).ok();
    assert_eq!(env.hako(&["exec", "one", "sh", "-c", "echo $A > /file"]).code, 0);
    assert_eq!(env.hako(&["exec", "one", "cat", "/file"]).ok(), "container");
    assert_eq!(env.hako(&["exec", "one", "sh", "-c", "exit 7"]).code, 7);
    assert_eq!(env.hako(&["exec", "one", "/nothing"]).code, 127);
    assert_eq!(
        env.hako(&[
            "exec",
            "-u",
            "nobody",
            "-w",
            "/tmp",
            "-e",
            "B=c",
            "one",
            "sh",
            "-c",
            "echo $(id -u) $PWD $B"
        ])
        .ok(),
        "65534 /tmp c"
    );
    assert_eq!(env.hako_fed(&["exec", "-i", "one", "cat"], "fed").ok(), "fed");
    assert_eq!(env.hako(&["exec", "none", "true"]).code, 1);
}
