//! `info`.

use hako_engine::model::Status;
use hako_types::Bytes;
use serde_json::{Value, json};

use super::version::API;
use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::format::{Template, of_struct};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] =
    &[value("format", "string", "print by a Go template, or as json").short('f')];

pub(super) const COMMAND: Command = Command {
    names: &["info", "system info"],
    about: "Show what the engine and the machine are",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let told = gather(session)?;
    if let Some(format) = parsed.text("format").filter(|format| !format.is_empty()) {
        let format = if format == "json" { "{{json .}}" } else { format };
        let text = Template::parse(format).and_then(|template| template.run(&of_struct(&told)));
        say(&format!("{}\n", text.map_err(|error| Failure::new(error.to_string()))?));
        return Ok(0);
    }
    let number = |key: &str| told[key].to_string();
    let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let memory = Bytes(told["MemTotal"].as_u64().unwrap_or(0)).binary();
    say(&format!(
        "Containers: {}\n Running: {}\n Paused: {}\n Stopped: {}\nImages: {}\nServer Version: {}\nStorage Driver: {}\nLogging \
         Driver: {}\nCgroup Driver: {}\nCgroup Version: {}\nKernel Version: {}\nOperating System: {}\nOSType: {}\nArchitecture: \
         {}\nCPUs: {}\nTotal Memory: {memory}\nName: {}\nState Directory: {}\nDaemon: none\n",
        number("Containers"),
        number("ContainersRunning"),
        number("ContainersPaused"),
        number("ContainersStopped"),
        number("Images"),
        word("ServerVersion"),
        word("Driver"),
        word("LoggingDriver"),
        word("CgroupDriver"),
        word("CgroupVersion"),
        word("KernelVersion"),
        word("OperatingSystem"),
        word("OSType"),
        word("Architecture"),
        number("NCPU"),
        word("Name"),
        word("DockerRootDir"),
    ));
    Ok(0)
}

fn gather(session: &Session) -> Result<Value, Failure> {
    let engine = session.engine()?;
    let containers = engine.containers().list()?;
    let count = |wanted: fn(Status) -> bool| {
        containers.iter().filter(|one| wanted(one.live.state.status)).count()
    };
    let running = count(|status| matches!(status, Status::Running | Status::Restarting));
    let paused = count(|status| status == Status::Paused);
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    Ok(json!({
        "ID": "hako",
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running - paused,
        "Images": engine.images()?.list()?.len(),
        "Driver": "overlayfs",
        "DriverStatus": [],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "none"], "Authorization": null, "Log": ["json-file", "local", "none"]},
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true,
        "PidsLimit": true, "IPv4Forwarding": true, "OomKillDisable": !unified,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": if unified { "2" } else { "1" },
        "KernelVersion": text(uname.release()),
        "OperatingSystem": operating_system(),
        "OSType": "linux",
        "Architecture": std::env::consts::ARCH,
        "NCPU": cpus,
        "MemTotal": memory_total(),
        "DockerRootDir": session.globals.root.to_string_lossy(),
        "Name": text(uname.nodename()),
        "Labels": [],
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "ApiVersion": API,
        "Runtimes": {"hako": {"path": "hako"}},
        "DefaultRuntime": "hako",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Warnings": null,
    }))
}

fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".into(), |name| name.trim_matches('"').to_owned())
}

/// Returns the machine's memory in bytes.
fn memory_total() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
