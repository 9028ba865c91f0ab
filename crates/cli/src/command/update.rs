//! `update`.

use hako_engine::container::UpdateRequest;
use hako_engine::model::{HostConfig, RestartPolicy};

use super::Command;
use super::each::each;
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::create;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    value("blkio-weight", "uint16", "block I/O weight, 10 to 1000, or 0"),
    value("cpu-period", "int", "length of the scheduler's period in microseconds"),
    value("cpu-quota", "int", "processor time in a period in microseconds"),
    value("cpu-rt-period", "int", "length of the real-time period in microseconds"),
    value("cpu-rt-runtime", "int", "real-time processor time in a period in microseconds"),
    value("cpu-shares", "int", "processor weight").short('c'),
    value("cpus", "decimal", "number of processors, with fractions"),
    value("cpuset-cpus", "string", "processors that may be used"),
    value("cpuset-mems", "string", "memory nodes that may be used"),
    value("kernel-memory", "bytes", ""),
    value("memory", "bytes", "memory limit").short('m'),
    value("memory-reservation", "bytes", "soft memory limit"),
    value("memory-swap", "bytes", "limit of memory and swap together, -1 for no limit of swap"),
    value("memory-swappiness", "int", ""),
    value("pids-limit", "int", "limit of processes, -1 for none"),
    value("restart", "string", "what happens at the end"),
];

pub(super) const COMMAND: Command = Command {
    names: &["update", "container update"],
    about: "Change the limits and the restart policy of containers",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let mut host = HostConfig::default();
    create::resources(parsed, &mut host).map_err(|failure| failure.with_code(1))?;
    let restart_policy = parsed.read("restart", create::restart_policy)?;
    if FLAGS.iter().all(|flag| !parsed.given(flag.long)) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let request = request(parsed, host, restart_policy);
    let containers = session.engine()?.containers();
    each(&parsed.words, |name| Ok(containers.update(name, &request)?))
}

/// Returns what is to change: what was given.
fn request(
    parsed: &Parsed,
    host: HostConfig,
    restart_policy: Option<RestartPolicy>,
) -> UpdateRequest {
    let given = |flag: &str| parsed.given(flag);
    UpdateRequest {
        blkio_weight: given("blkio-weight").then_some(host.blkio_weight),
        cpu_shares: given("cpu-shares").then_some(host.cpu_shares),
        cpu_period: given("cpu-period").then_some(host.cpu_period),
        cpu_quota: given("cpu-quota").then_some(host.cpu_quota),
        cpu_realtime_period: given("cpu-rt-period").then_some(host.cpu_realtime_period),
        cpu_realtime_runtime: given("cpu-rt-runtime").then_some(host.cpu_realtime_runtime),
        nano_cpus: given("cpus").then_some(host.nano_cpus),
        cpuset_cpus: given("cpuset-cpus").then_some(host.cpuset_cpus),
        cpuset_mems: given("cpuset-mems").then_some(host.cpuset_mems),
        memory: given("memory").then_some(host.memory),
        memory_reservation: given("memory-reservation").then_some(host.memory_reservation),
        memory_swap: given("memory-swap").then_some(host.memory_swap),
        pids_limit: given("pids-limit").then(|| host.pids_limit.unwrap_or(0)),
        restart_policy,
    }
}
