//! The monitor asks how a container does.

use hako_testkit::env::{Env, wait_for};

#[test]
fn health_follows_the_probe() {
    let Some(env) = Env::new() else { return };
    let probe =
        ["--health-cmd", "test -e /well", "--health-interval", "100ms", "--health-retries", "2"];
    let words =
        [&["run", "-d", "--name", "one"], probe.as_slice(), &["box", "sleep", "1000"]].concat();
    let _id = env.hako(&words).ok();
    let health = || env.inspect("{{.State.Health.Status}}", "one");
    wait_for("unhealthy", || (health() == "unhealthy").then_some(()));
    let _none = env.hako(&["exec", "one", "touch", "/well"]).ok();
    wait_for("healthy", || (health() == "healthy").then_some(()));
    assert!(env.hako(&["ps"]).ok().contains("(healthy)"));
}
