//! `update`.

use hako_engine::container::UpdateRequest;
use hako_engine::model::HostConfig;

use super::each::each;
use super::{Command, complain};
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
    syntax: Syntax { words: "CONTAINER [CONTAINER...]", count: Words::AtLeast(1), program: false, flags: &[FLAGS] },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let mut host = HostConfig::default();
    create::resources(parsed, &mut host).map_err(|failure| failure.with_code(1))?;
    let restart_policy = parsed.read("restart", create::restart_policy)?;
    if FLAGS.iter().all(|flag| !parsed.given(flag.long)) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let request = UpdateRequest { host, restart_policy };
    let containers = session.engine()?.containers();
    each(&parsed.words, |name| {
        for warning in containers.update(name, &request)? {
            complain(&format!("WARNING: {warning}\n"));
        }
        Ok(())
    })
}
