//! `state`, `list`, `ps`, `events`.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hako_runtime::cgroup::Cgroup;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::{Value, json};

use super::record::{self, Place, Record};
use super::words::Parsed;
use super::{Failure, Globals, control, log};

/// Returns a container as `state` and `list` show it.
fn shown(place: &Place, record: &Record) -> Value {
    let status = record.status(place);
    let mut value = json!({
        "ociVersion": record.oci_version,
        "id": record.id,
        "pid": if status == "stopped" { 0 } else { record.pid },
        "status": status,
        "bundle": record.bundle,
        "rootfs": record.rootfs,
        "created": record.created,
    });
    if !record.annotations.is_empty() {
        value["annotations"] = json!(record.annotations);
    }
    value["owner"] = json!(owner(place));
    value
}

/// Returns the name of the user who made the container.
fn owner(place: &Place) -> String {
    let Ok(meta) = std::fs::metadata(&place.0) else { return String::new() };
    let uid = meta.uid().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let name = lines
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .and_then(|fields| fields.first().copied());
    name.map_or_else(|| format!("#{uid}"), str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// `state`: one container as JSON.
pub(super) fn state(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let (place, record) = record::load(&globals.root, Parsed::all(words, &[])?.id()?)?;
    log::print(&pretty(&shown(&place, &record)));
    Ok(0)
}

/// `list`: all containers of this root.
pub(super) fn list(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed =
        Parsed::all(words, &[("format", true), ("f", true), ("quiet", false), ("q", false)])?;
    if globals.root != record::default_root() && !globals.root.exists() {
        return Err(Failure::new(format!("there is no directory `{}`", globals.root.display())));
    }
    let all = all(&globals.root);
    if parsed.any(&["quiet", "q"]) {
        log::print(&all.iter().map(|(_, record)| format!("{}\n", record.id)).collect::<String>());
        return Ok(0);
    }
    match parsed.first(&["format", "f"]).unwrap_or("table") {
        "table" => log::print(&table(&all)),
        "json" if all.is_empty() => log::print("null\n"),
        "json" => log::print(&format!(
            "{}\n",
            all.iter().map(|(place, record)| shown(place, record)).collect::<Value>()
        )),
        _ => return Err(Failure::new("invalid format option")),
    }
    Ok(0)
}

fn all(root: &Path) -> Vec<(Place, Record)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            let place = Place(entry.path());
            let record = place.load().ok()?;
            Some((place, record))
        })
        .collect();
    all.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
    all
}

fn table(all: &[(Place, Record)]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows = all.iter().map(|(place, record)| {
        let status = record.status(place);
        let pid = if status == "stopped" { 0 } else { record.pid };
        let bundle = record.bundle.display().to_string();
        [
            record.id.clone(),
            pid.to_string(),
            status.to_owned(),
            bundle,
            record.created.clone(),
            owner(place),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<_> =
        (0..6).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0).max(12)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _infallible = writeln!(text, "{}", cells.collect::<Vec<_>>().join(" ").trim_end());
    }
    text
}

/// `ps`: the processes of a container.
pub(super) fn ps(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let known = [("format", true), ("f", true)];
    let (parsed, rest) = Parsed::leading(words, &known)?;
    let (id, rest) =
        rest.split_first().ok_or_else(|| Failure::new("container id cannot be empty"))?;
    // What follows is for ps(1), but for a format in full.
    let (later, rest) = match rest.first() {
        Some(word) if word.starts_with("--format") => Parsed::leading(rest, &known)?,
        _ => (Parsed::default(), rest),
    };
    let (_, record) = record::load(&globals.root, id)?;
    let pids = control::cgroup(&record)?.pids()?;
    if later.value("format").or(parsed.first(&["format", "f"])) == Some("json") {
        log::print(&format!("{}\n", json!(pids)));
        return Ok(0);
    }
    let columns: Vec<_> = if rest.is_empty() { vec!["-ef".to_owned()] } else { rest.to_vec() };
    let output = Command::new("ps").args(columns).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|title| title == "PID");
    let column = column.ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    log::print(&format!("{head}\n"));
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid: i32| pids.contains(&pid)) {
            log::print(&format!("{line}\n"));
        }
    }
    Ok(0)
}

/// `events`: how much a container uses, once or again and again.
pub(super) fn events(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, &[("stats", false), ("interval", true)])?;
    let (place, record) = record::load(&globals.root, parsed.id()?)?;
    let interval = parsed
        .value("interval")
        .map_or(Ok(hako_types::GoDuration(Duration::from_secs(5))), str::parse);
    let interval = interval.map_err(|_| Failure::new("invalid interval"))?.0;
    if record.status(&place) == "stopped" {
        return Err(Failure::new("container is not running"));
    }
    loop {
        let cgroup = control::cgroup(&record)?;
        let event = json!({ "type": "stats", "id": record.id, "data": data(&cgroup.stats()?) });
        log::print(&format!("{event}\n"));
        if parsed.has("stats") {
            return Ok(0);
        }
        if !watch(&record, &cgroup, interval) {
            return Ok(0);
        }
    }
}

/// How often it is looked whether the kernel killed for want of memory.
const LOOK: Duration = Duration::from_millis(200);

/// Waits, and tells when memory ran out meanwhile; false once the container has ended.
fn watch(record: &Record, cgroup: &Cgroup, interval: Duration) -> bool {
    let end = Instant::now() + interval;
    let mut kills = cgroup.oom_kills().unwrap_or_default();
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(LOOK);
        if left.is_zero() {
            return true;
        }
        let Some(pidfd) = record.pidfd() else { return false };
        let time = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        let source = PollFd::new(&pidfd, PollFlags::IN);
        let has_ended =
            rustix::event::poll(&mut [source], Some(&time)).is_ok_and(|ended| ended > 0);
        let now = cgroup.oom_kills().unwrap_or(kills);
        if now > kills {
            log::print(&format!("{}\n", json!({ "type": "oom", "id": record.id })));
        }
        if has_ended {
            return false;
        }
        kills = now;
    }
}

fn data(stats: &hako_runtime::cgroup::Stats) -> Value {
    let (cpu, memory) = (&stats.cpu, &stats.memory);
    let io = |take: fn(&hako_runtime::cgroup::IoStats) -> [u64; 2]| -> Value {
        let entries = stats.io.iter().flat_map(|one| {
            let [read, write] = take(one);
            let entry = |op: &str, value: u64| json!({ "major": one.major, "minor": one.minor, "op": op, "value": value });
            [entry("Read", read), entry("Write", write)]
        });
        entries.collect()
    };
    json!({
        "cpu": {
            "usage": { "total": cpu.total, "percpu": cpu.per_cpu, "kernel": cpu.system, "user": cpu.user },
            "throttling": {
                "periods": cpu.periods,
                "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled_time,
            },
        },
        "memory": {
            "usage": {
                "usage": memory.usage, "max": memory.max_usage, "limit": memory.limit, "failcnt": memory.failures,
            },
            "swap": { "usage": memory.swap, "limit": memory.swap_limit },
            "raw": memory.stat,
        },
        "pids": { "current": stats.pids.current, "limit": stats.pids.limit },
        "blkio": {
            "ioServiceBytesRecursive": io(|one| [one.read_bytes, one.write_bytes]),
            "ioServicedRecursive": io(|one| [one.reads, one.writes]),
        },
    })
}
