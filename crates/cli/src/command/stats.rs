//! `stats`.

use std::thread;
use std::time::Duration;

use hako_engine::Engine;
use hako_engine::container::{Container, Stats};
use hako_engine::model::Status;
use hako_types::Bytes;

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::is_terminal;

const FLAGS: &[Flag] = &[
    switch("all", "show those that do not run too").short('a'),
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("no-stream", "show one sample and end"),
    switch("no-trunc", "do not shorten anything"),
];

pub(super) const COMMAND: Command = Command {
    names: &["stats", "container stats"],
    about: "Show what containers use, again and again",
    syntax: Syntax {
        words: "[CONTAINER...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
};

/// The time between two samples.
const PERIOD: Duration = Duration::from_millis(1000);
/// The time between the two samples of a single look.
const GLANCE: Duration = Duration::from_millis(500);

/// A container and its last two samples.
struct Watched {
    word: String,
    container: Container,
    before: Option<Stats>,
    now: Option<Stats>,
}

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let format = parsed.text("format").or(session.config().stats_format.as_deref());
    let listing = Listing::new(format, COLUMNS)?;
    let full = parsed.on("no-trunc");
    let mut watched = watch(engine, parsed, Vec::new())?;
    sample(engine, &mut watched);
    if parsed.on("no-stream") {
        thread::sleep(GLANCE);
        sample(engine, &mut watched);
        listing.print(watched.iter().map(|one| row(one, full)).collect::<Vec<_>>())?;
        return Ok(0);
    }
    let clear = listing.is_table() && is_terminal(rustix::stdio::stdout());
    loop {
        thread::sleep(PERIOD);
        watched = watch(engine, parsed, watched)?;
        sample(engine, &mut watched);
        let text = listing.render(watched.iter().map(|one| row(one, full)).collect::<Vec<_>>())?;
        let text = if clear { format!("\x1b[2J\x1b[H{text}") } else { text };
        if !shown(&text) {
            return Ok(0);
        }
        if !parsed.words.is_empty() && watched.iter().all(|one| one.now.is_none()) {
            return Ok(0);
        }
    }
}

/// Prints; tells whether somebody still reads.
fn shown(text: &str) -> bool {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Returns the containers to look at, with the samples that were taken of them before.
fn watch(
    engine: &Engine,
    parsed: &Parsed,
    mut before: Vec<Watched>,
) -> Result<Vec<Watched>, Failure> {
    let mut found: Vec<(String, Container)> = Vec::new();
    if parsed.words.is_empty() {
        let all = parsed.on("all");
        let up = |one: &Container| {
            all || matches!(one.live.state.status, Status::Running | Status::Paused)
        };
        let list = engine.containers().list()?.into_iter().filter(up);
        found.extend(list.map(|one| (one.id.short().to_owned(), one)));
    } else {
        for word in &parsed.words {
            match engine.containers().find(word) {
                Ok(one) => found.push((word.clone(), one)),
                // One that was there and has been removed is shown no more.
                Err(_) if before.iter().any(|one| one.word == *word) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut with_samples = |(word, container): (String, Container)| {
        let at = before.iter().position(|one| one.container.id == container.id);
        let known = at.map(|at| before.swap_remove(at));
        let (before, now) = known.map_or((None, None), |one| (one.before, one.now));
        Watched { word, container, before, now }
    };
    Ok(found.into_iter().map(&mut with_samples).collect())
}

fn sample(engine: &Engine, watched: &mut [Watched]) {
    for one in watched {
        let stats = if one.container.is_running() {
            engine.containers().stats(one.container.id.as_str()).ok()
        } else {
            None
        };
        one.before = std::mem::replace(&mut one.now, stats);
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn row(one: &Watched, full: bool) -> Row {
    let row = Row::default()
        .set("Container", &one.word)
        .set("ID", if full { one.container.id.as_str() } else { one.container.id.short() })
        .set("Name", &one.container.name);
    let Some(stats) = &one.now else {
        let none = row
            .set("CPUPerc", "0.00%")
            .set("MemUsage", "0B / 0B")
            .set("MemPerc", "0.00%")
            .set("NetIO", "0B / 0B");
        return none.set("BlockIO", "0B / 0B").set("PIDs", "0");
    };
    let percent = one.before.as_ref().map_or(0.0, |before| {
        let used = stats.cgroup.cpu.total.saturating_sub(before.cgroup.cpu.total);
        let passed = stats.system_cpu.saturating_sub(before.system_cpu);
        if passed == 0 {
            0.0
        } else {
            used as f64 / passed as f64 * f64::from(stats.processors) * 100.0
        }
    });
    let (memory, limit) = (used_memory(stats), stats.memory_limit);
    let share = if limit == 0 { 0.0 } else { memory as f64 / limit as f64 * 100.0 };
    let (received, sent) =
        stats.networks.iter().fold((0, 0), |(r, s), one| (r + one.rx_bytes, s + one.tx_bytes));
    let (read, written) = stats
        .cgroup
        .io
        .iter()
        .fold((0, 0), |(r, w), one| (r + one.read_bytes, w + one.write_bytes));
    let human = |bytes: u64| Bytes(bytes).human3();
    row.set("CPUPerc", format!("{percent:.2}%"))
        .set("MemUsage", format!("{} / {}", Bytes(memory).binary(), Bytes(limit).binary()))
        .set("MemPerc", format!("{share:.2}%"))
        .set("NetIO", format!("{} / {}", human(received), human(sent)))
        .set("BlockIO", format!("{} / {}", human(read), human(written)))
        .set("PIDs", stats.cgroup.pids.current.to_string())
}

/// Returns the memory in use without the file cache that the kernel would give back at once.
fn used_memory(stats: &Stats) -> u64 {
    let memory = &stats.cgroup.memory;
    let cache = memory
        .stat
        .get("total_inactive_file")
        .or_else(|| memory.stat.get("inactive_file"))
        .copied()
        .unwrap_or(0);
    memory.usage.saturating_sub(cache)
}
