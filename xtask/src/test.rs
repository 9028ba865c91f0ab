//! `cargo xtask test`: everything that can fail, in one target directory and one profile, so that nothing is compiled
//! twice: the binary under test is the one that the black-box tests' build brings along.

use std::time::Instant;

use crate::Outcome;
use crate::{binary, check, package};

/// Programs that tests call, and the packages that bring them.
const NEEDED: [(&str, &str); 10] = [
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ps", "procps"),
    ("tar", "tar"),
    ("cp", "coreutils"),
    ("diff", "diffutils"),
    ("find", "findutils"),
    ("curl", "curl"),
    ("git", "git"),
];

/// Installs what is missing and runs all tests and checks.
pub(crate) fn run() -> Outcome {
    let began = Instant::now();
    if !package::is_root() {
        println!("not root: tests that need a kernel's obedience will skip themselves, and say so");
    }
    package::ensure(&NEEDED)?;
    check::rules()?;
    let target = binary::target()?;
    target.cargo("build").words("--workspace --lib --bins --tests").show()?;
    let hako = target.binary("debug");
    target.cargo("test").words("--workspace --no-fail-fast").env("HAKO_BIN", &hako).show()?;
    check::clippy(&target)?;
    println!("all tests passed in {} s", began.elapsed().as_secs());
    Ok(())
}
