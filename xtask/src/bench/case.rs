//! The cases in docker's words: run, exec, memory, rebuild.

use super::Bench;
use super::peer::{IMAGE, Peer, silently};
use super::series::{Contender, Series, Table, take_turns};
use crate::Outcome;

const ROUNDS: usize = 30;
const IDLE: u16 = 5;

/// Ten instructions in two stages.
const DOCKERFILE: &str = "FROM localhost/hako-bench:latest AS builder
WORKDIR /src
COPY a b ./
RUN cat a b > c
COPY . .
RUN cat * > /all
FROM localhost/hako-bench:latest
WORKDIR /app
COPY --from=builder /all .
RUN cp all again
ENV A=b
EXPOSE 8080
CMD [\"cat\", \"/app/again\"]
";

fn simple<'a>(peer: &'a Peer, words: &'a str) -> Contender<'a> {
    Contender {
        name: peer.name,
        before: Box::new(|| Ok(())),
        work: Box::new(move || silently(peer.call(words))),
    }
}

fn side_by_side(peers: &[Peer], rounds: usize, words: &str) -> Outcome<Vec<Series>> {
    let contenders: Vec<Contender<'_>> = peers.iter().map(|peer| simple(peer, words)).collect();
    take_turns(rounds, &contenders)
}

/// From the command to the container's end, with a bridge and without a network.
pub(super) fn run(_: &Bench, peers: &[Peer]) -> Outcome<Vec<Table>> {
    let bridge = format!("run --rm {IMAGE} true");
    let none = format!("run --rm --network none {IMAGE} true");
    let table =
        |title: &str, budget, series| Table { title: title.to_owned(), unit: "ms", budget, series };
    Ok(vec![
        table(
            "run --rm … true, bridge network",
            "9 ms, then 5",
            side_by_side(peers, ROUNDS, &bridge)?,
        ),
        table(
            "run --rm --network none … true",
            "none of its own",
            side_by_side(peers, ROUNDS, &none)?,
        ),
    ])
}

/// A second process in a running container.
pub(super) fn exec(_: &Bench, peers: &[Peer]) -> Outcome<Vec<Table>> {
    for peer in peers {
        peer.call("run -d --name hako-bench-exec").words(IMAGE).words("sleep 100000").quiet()?;
    }
    let series = side_by_side(peers, ROUNDS, "exec hako-bench-exec true")?;
    for peer in peers {
        peer.call("rm -f hako-bench-exec").quiet()?;
    }
    Ok(vec![Table { title: "exec … true".into(), unit: "ms", budget: "4 ms", series }])
}

/// What an idle container costs beside itself.
pub(super) fn memory(_: &Bench, peers: &[Peer]) -> Outcome<Vec<Table>> {
    let mut series = Vec::new();
    for peer in peers {
        let before = peer.keepers();
        for number in 0..IDLE {
            let run = peer.call(&format!("run -d --name hako-bench-idle{number}")).words(IMAGE);
            run.words("sleep 100000").quiet()?;
        }
        let keepers = peer.keepers().into_iter().filter(|pid| !before.contains(pid));
        let sum: f64 = keepers.map(proportional_set).sum();
        series.push(Series::new(peer.name, vec![sum / f64::from(IDLE) / 1024.0]));
        for number in 0..IDLE {
            peer.call(&format!("rm -f hako-bench-idle{number}")).quiet()?;
        }
    }
    let title = "memory (PSS) of the monitor of an idle container".to_owned();
    Ok(vec![Table { title, unit: "MB", budget: "1.5 MiB", series }])
}

/// Returns the process' proportional set size in KiB (`proc_pid_smaps(5)`).
fn proportional_set(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// A build in which nothing has changed.
pub(super) fn rebuild(bench: &Bench, peers: &[Peer]) -> Outcome<Vec<Table>> {
    let context = bench.scratch.join("context");
    let made = std::fs::create_dir_all(&context).and_then(|()| {
        std::fs::write(context.join("Dockerfile"), DOCKERFILE)?;
        for name in ["a", "b", "c1", "d"] {
            std::fs::write(context.join(name), name.repeat(1000))?;
        }
        Ok(())
    });
    made.map_err(|error| format!("cannot make `{}`: {error}", context.display()))?;
    let words = format!("build -t localhost/hako-bench-built {}", context.display());
    for peer in peers {
        peer.call(&words).quiet()?;
    }
    let series = side_by_side(peers, ROUNDS, &words)?;
    Ok(vec![Table {
        title: "rebuild, two stages, nothing changed".into(),
        unit: "ms",
        budget: "20 ms",
        series,
    }])
}
