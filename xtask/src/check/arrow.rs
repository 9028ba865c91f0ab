//! Arrows between crates point down the map (`ARCHITECTURE.md`), and crates on one row never see each other.

use serde_json::Value;

use crate::Outcome;
use crate::command::program;
use crate::workspace;

/// The rows of the map, from the top.
const ROWS: [&[&str]; 10] = [
    &["hako-cli"],
    &["hako-api"],
    &["hako-project"],
    &["hako-engine"],
    &["hako-build"],
    &["hako-runtime", "hako-network", "hako-image"],
    &["hako-dockerfile", "hako-compose"],
    &["hako-store"],
    &["hako-sys"],
    &["hako-types"],
];

/// Packages beside the house: the kit that tests use, the black-box tests, and this program.
const BESIDE: [&str; 3] = ["hako-testkit", "hako-tests", "xtask"];

/// Returns what the manifests say against the map.
pub(crate) fn faults() -> Outcome<Vec<String>> {
    let told = program("cargo")
        .words("metadata --no-deps --format-version 1")
        .within(&workspace::root())
        .output()?;
    let told: Value = serde_json::from_str(&told)
        .map_err(|error| format!("cannot read cargo's metadata: {error}"))?;
    Ok(against_the_map(&told))
}

fn against_the_map(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if row(name).is_none() && !BESIDE.contains(&name) {
            faults.push(format!("`{name}` is not on the map"));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"].as_str() == Some("dev");
            if let Some(fault) = fault(name, to, for_tests) {
                faults.push(fault);
            }
        }
    }
    faults
}

/// Returns what is wrong with `from` depending on `to`.
fn fault(from: &str, to: &str, for_tests: bool) -> Option<String> {
    if BESIDE.contains(&to) {
        return (!for_tests && row(from).is_some())
            .then(|| format!("`{from}` leans on `{to}` outside of its tests"));
    }
    let below = row(to)?;
    let above = row(from)?;
    (below <= above).then(|| format!("`{from}` must not lean on `{to}`: arrows point down the map"))
}

fn row(package: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down_and_never_sideways() {
        assert_eq!(fault("hako-engine", "hako-runtime", false), None);
        assert_eq!(fault("hako-engine", "serde", false), None);
        assert!(fault("hako-runtime", "hako-engine", false).is_some());
        assert!(fault("hako-runtime", "hako-image", true).is_some());
    }

    #[test]
    fn the_kit_is_for_tests_only() {
        assert_eq!(fault("hako-image", "hako-testkit", true), None);
        assert!(fault("hako-image", "hako-testkit", false).is_some());
    }

    #[test]
    fn a_crate_that_the_map_does_not_know_is_told_of() {
        let metadata =
            serde_json::json!({ "packages": [{ "name": "hako-helpers", "dependencies": [] }] });
        assert_eq!(against_the_map(&metadata), ["`hako-helpers` is not on the map"]);
    }
}
