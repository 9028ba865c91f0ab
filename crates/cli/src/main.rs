//! `hako`: the words typed become calls of the engine, and what it returns becomes text.
//!
//! The same binary is what the engine re-executes: as `hako init` it is the first process of a container's set-up, as
//! `hako monitor` it watches one container, as `hako oci` it is an OCI runtime. Those are told apart before anything else is
//! looked at, since a container's start waits for them.

mod args;
mod command;
mod compose;
mod create;
mod environment;
mod filter;
mod format;
mod globals;
mod image;
mod oci;
mod prompt;
mod report;
mod session;
mod show;
mod terminal;

use std::process::ExitCode;

/// The tables of the rooms above the engine; the same for commands and monitors.
pub(crate) const ROOMS: &[hako_store::Room] = &[hako_project::ROOM];

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if let Some(name) = words.next().filter(|name| name == hako_engine::TINY_INIT) {
        let rest: Vec<std::ffi::OsString> = words.collect();
        return hako_runtime::reaper::main(&name, &rest);
    }
    match words.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("init") => hako_runtime::init(),
        Some("monitor") => {
            let rest: Vec<std::ffi::OsString> = words.collect();
            hako_engine::monitor::main(&rest, ROOMS)
        }
        _ => command::main(),
    }
}
