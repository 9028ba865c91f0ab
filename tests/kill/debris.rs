//! What must not be left on the machine when an engine has no containers.

use std::path::Path;
use std::process::Command;

use hako_testkit::env::{Env, wait_for};

/// Sees that there is nothing of it.
pub(crate) fn none_left(env: &Env, when: &str) {
    // A monitor frees what it took before it ends.
    wait_for(&format!("{when}: no monitor is left"), || env.processes().is_empty().then_some(()));
    let root = env.root();
    assert_eq!(mounts(&root), Vec::<String>::new(), "{when}: mounts");
    wait_for(&format!("{when}: no interface is left"), || {
        env.interfaces().1.is_empty().then_some(())
    });
    let groups: Vec<_> = env.control_groups().iter().flat_map(|group| directories(group)).collect();
    assert_eq!(groups, Vec::<String>::new(), "{when}: control groups");
    assert_eq!(published(&env.own_name()), "", "{when}: published ports");
    for kind in ["containers", "tmp"] {
        assert_eq!(entries(&root.join(kind)), Vec::<String>::new(), "{when}: {kind}");
    }
}

/// Returns the mounts below `root` that this machine's own mount namespace has.
fn mounts(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.lines().filter(|line| line.contains(&root)).map(str::to_owned).collect()
}

fn directories(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path().display().to_string())
        .collect()
}

fn entries(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// Returns the ways to published ports that the firewall still has.
fn published(table: &str) -> String {
    let listed = Command::new("nft").args(["list", "map", "inet", table, "ports4"]).output();
    let listed = listed
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    listed.lines().filter(|line| line.contains("elements")).collect()
}
