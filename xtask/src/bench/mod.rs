//! `cargo xtask bench [NAME…]`: what people feel, measured side by side with whatever of docker, podman, crun and runc is installed.
//!
//! Contenders take turns, so that what else the machine does hits all of them; what counts are the ratios of one run. Nothing
//! fails for being slow. Names of cases (`run`, `exec`, `oci`, `memory`, `rebuild`, `pull`) choose some of them.

mod bundle;
mod case;
mod peer;
mod pull;
mod series;

use std::path::{Path, PathBuf};

use self::peer::Peer;
use self::series::Table;
use crate::Outcome;
use crate::{binary, package, workspace};

/// Where a measurement works, and with what.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The binary that is measured.
    hako: PathBuf,
    /// A directory that goes with the bench.
    scratch: PathBuf,
}

/// Does one measurement.
type Case = fn(&Bench, &[Peer]) -> Outcome<Vec<Table>>;

const CASES: [(&str, Case); 6] = [
    ("run", case::run),
    ("exec", case::exec),
    ("oci", bundle::run),
    ("memory", case::memory),
    ("rebuild", case::rebuild),
    ("pull", pull::run),
];

/// Runs the cases of these names; all of them without names.
pub(crate) fn run(names: &[String]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !CASES.iter().any(|(case, _)| case == name)) {
        return Err(format!(
            "there is no case `{unknown}`: there are {}",
            CASES.map(|(case, _)| case).join(", ")
        ));
    }
    if !package::is_root() {
        return Err("the bench needs root".into());
    }
    package::ensure(&[("busybox", "busybox-static"), ("tar", "tar")])?;
    let hako = binary::release()?;
    let scratch = workspace::target().join("bench");
    fresh(&scratch)?;
    let bench = Bench { hako, scratch };
    let measured = measure(&bench, names);
    let cleaned = std::fs::remove_dir_all(&bench.scratch)
        .map_err(|error| format!("cannot remove `{}`: {error}", bench.scratch.display()));
    measured.and(cleaned)
}

fn measure(bench: &Bench, names: &[String]) -> Outcome {
    let mut peers = peer::all(bench)?;
    let prepared = peers.iter().try_for_each(|peer| peer.bring_image(&bench.scratch));
    let measured = prepared.and_then(|()| {
        peers.retain(|peer| {
            let is_in = peer.name == "hako" || peer.works();
            if !is_in {
                println!("{} is installed and cannot run a container here: left out", peer.name);
                peer.leave();
            }
            is_in
        });
        for (name, case) in CASES {
            if names.is_empty() || names.iter().any(|wanted| wanted == name) {
                for table in case(bench, &peers)? {
                    table.print();
                }
            }
        }
        Ok(())
    });
    for peer in &peers {
        peer.leave();
    }
    measured
}

fn fresh(dir: &Path) -> Outcome {
    if dir.exists() {
        std::fs::remove_dir_all(dir)
            .map_err(|error| format!("cannot remove `{}`: {error}", dir.display()))?;
    }
    std::fs::create_dir_all(dir)
        .map_err(|error| format!("cannot make `{}`: {error}", dir.display()))
}
