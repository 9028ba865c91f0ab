//! `oci run` of a minimal bundle, beside crun and runc.

use serde_json::{Value, json};

use super::Bench;
use super::peer::{Peer, silently};
use super::series::{Contender, Table, take_turns};
use crate::Outcome;
use crate::command::{Program, program};
use crate::package;

const ROUNDS: usize = 30;

/// From the command to the container's end.
pub(super) fn run(bench: &Bench, _: &[Peer]) -> Outcome<Vec<Table>> {
    let bundle = bench.scratch.join("bundle");
    let failed = |error: std::io::Error| format!("cannot make `{}`: {error}", bundle.display());
    std::fs::create_dir_all(&bundle).map_err(failed)?;
    std::fs::write(bundle.join("config.json"), config(&bench.scratch.join("tree")).to_string())
        .map_err(failed)?;
    let state = bench.scratch.join("oci");
    let own = || program(&bench.hako).word("oci").word("--root").word(state.join("hako"));
    let run = |call: Program, name: &str| {
        silently(call.word("run").word("-b").word(&bundle).word(format!("hako-bench-{name}")))
    };
    let mut contenders = vec![Contender {
        name: "hako oci",
        before: Box::new(|| Ok(())),
        work: Box::new(move || run(own(), "hako")),
    }];
    for name in ["crun", "runc"] {
        if !package::has(name) {
            println!("{name} is not installed: left out");
            continue;
        }
        let root = state.join(name);
        let call = move || program(name).word("--root").word(&root);
        if run(call(), name).is_err() {
            println!("{name} is installed and cannot run the bundle here: left out");
            continue;
        }
        contenders.push(Contender {
            name,
            before: Box::new(|| Ok(())),
            work: Box::new(move || run(call(), name)),
        });
    }
    let series = take_turns(ROUNDS, &contenders)?;
    Ok(vec![Table {
        title: "oci run of a minimal bundle".into(),
        unit: "ms",
        budget: "4.5 ms",
        series,
    }])
}

fn config(root: &std::path::Path) -> Value {
    let namespaces = ["pid", "mount", "network", "ipc", "uts"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/bin/true"],
            "env": ["PATH=/bin"],
            "cwd": "/"
        },
        "root": { "path": root, "readonly": true },
        "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
        "linux": { "namespaces": namespaces }
    })
}
