//! The monitor starts again what ends, as the policy says.

use hako_testkit::env::{Env, wait_for};

#[test]
fn on_failure_tries_as_often_as_it_may() {
    let Some(env) = Env::new() else { return };
    let _id = env
        .hako(&[
            "run",
            "-d",
            "--name",
            "one",
            "--restart",
            "on-failure:2",
            "box",
            "sh",
            "-c",
            "echo try; exit 3",
        ])
        .ok();
    let state = || env.inspect("{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}", "one");
    wait_for("two restarts", || (state() == "exited 2 3").then_some(()));
    assert_eq!(env.hako(&["logs", "one"]).ok(), "try\ntry\ntry");
}

#[test]
fn always_ends_with_stop() {
    let Some(env) = Env::new() else { return };
    let _id = env
        .hako(&[
            "run",
            "-d",
            "--name",
            "one",
            "--restart",
            "always",
            "box",
            "sh",
            "-c",
            "sleep 0.2",
        ])
        .ok();
    wait_for("a restart", || (env.inspect("{{.RestartCount}}", "one") != "0").then_some(()));
    let _name = env.hako(&["stop", "-t", "1", "one"]).ok();
    assert_eq!(env.inspect("{{.State.Running}} {{.State.Restarting}}", "one"), "false false");
}
