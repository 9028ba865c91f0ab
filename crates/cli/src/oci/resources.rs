//! `update`: changes a container's limits.

use std::io::Read;

use hako_runtime::spec::{BlockIo, Cpu, LinuxResources, Memory, Pids};

use super::words::{Known, Parsed};
use super::{Failure, Globals, control, record};

const OPTIONS: Known<'static> = &[
    ("resources", true),
    ("r", true),
    ("blkio-weight", true),
    ("cpu-period", true),
    ("cpu-quota", true),
    ("cpu-burst", true),
    ("cpu-rt-period", true),
    ("cpu-rt-runtime", true),
    ("cpu-share", true),
    ("cpuset-cpus", true),
    ("cpuset-mems", true),
    ("cpu-idle", true),
    ("kernel-memory", true),
    ("kernel-memory-tcp", true),
    ("memory", true),
    ("memory-reservation", true),
    ("memory-swap", true),
    ("pids-limit", true),
    ("l3-cache-schema", true),
    ("mem-bw-schema", true),
];

/// Changes the limits that the file or the options name.
pub(super) fn update(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, OPTIONS)?;
    let (place, record) = record::load(&globals.root, parsed.id()?)?;
    if record.status(&place) == "stopped" {
        return Err(Failure::new("container not running"));
    }
    let resources = match parsed.first(&["resources", "r"]) {
        Some(file) => read(file)?,
        None => typed(&parsed)?,
    };
    control::cgroup(&record)?.update(&resources)?;
    Ok(0)
}

fn read(file: &str) -> Result<LinuxResources, Failure> {
    let mut text = Vec::new();
    if file == "-" {
        std::io::stdin().read_to_end(&mut text)?;
    } else {
        text =
            std::fs::read(file).map_err(|error| Failure::new(format!("open {file}: {error}")))?;
    }
    serde_json::from_slice(&text).map_err(|error| Failure::new(format!("parse {file}: {error}")))
}

fn typed(parsed: &Parsed) -> Result<LinuxResources, Failure> {
    let cpu = Cpu {
        shares: parsed.number("cpu-share")?,
        quota: parsed.number("cpu-quota")?,
        burst: parsed.number("cpu-burst")?,
        period: parsed.number("cpu-period")?,
        realtime_runtime: parsed.number("cpu-rt-runtime")?,
        realtime_period: parsed.number("cpu-rt-period")?,
        cpus: parsed.value("cpuset-cpus").map(str::to_owned),
        mems: parsed.value("cpuset-mems").map(str::to_owned),
        idle: parsed.number("cpu-idle")?,
    };
    let memory = Memory {
        limit: bytes(parsed, "memory")?,
        reservation: bytes(parsed, "memory-reservation")?,
        swap: bytes(parsed, "memory-swap")?,
        ..Memory::default()
    };
    let block_io = BlockIo { weight: parsed.number("blkio-weight")?, ..BlockIo::default() };
    let pids = Pids { limit: parsed.number("pids-limit")? };
    Ok(LinuxResources {
        cpu: (cpu != Cpu::default()).then_some(cpu),
        memory: (memory != Memory::default()).then_some(memory),
        block_io: (block_io != BlockIo::default()).then_some(block_io),
        pids: pids.limit.is_some().then_some(pids),
        ..LinuxResources::default()
    })
}

/// Reads a size: a number of bytes, with a unit or without, or -1 for no limit.
fn bytes(parsed: &Parsed, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = parsed.value(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text == "-1" {
        return Ok(Some(-1));
    }
    let (digits, unit) =
        text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.to_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => 64,
    };
    let number =
        digits.parse::<i64>().ok().and_then(|number| number.checked_mul(1_i64.checked_shl(shift)?));
    number.map(Some).ok_or_else(|| Failure::new(format!("invalid value `{text}` for flag -{name}")))
}
