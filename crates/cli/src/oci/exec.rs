//! `exec`: a further program in a running container.

use std::os::fd::AsFd;
use std::path::PathBuf;

use hako_runtime::cgroup::Cgroup;
use hako_runtime::spec::{Capabilities, Process, Spec};
use hako_runtime::{Options, Stdio, Target};

use super::create::write_pid;
use super::words::{Known, Parsed};
use super::{Failure, Globals, console, record};

const OPTIONS: Known<'static> = &[
    ("console-socket", true),
    ("pidfd-socket", true),
    ("cwd", true),
    ("env", true),
    ("e", true),
    ("tty", false),
    ("t", false),
    ("user", true),
    ("u", true),
    ("additional-gids", true),
    ("g", true),
    ("process", true),
    ("p", true),
    ("detach", false),
    ("d", false),
    ("pid-file", true),
    ("process-label", true),
    ("apparmor", true),
    ("no-new-privs", false),
    ("cap", true),
    ("c", true),
    ("preserve-fds", true),
    ("cgroup", true),
    ("ignore-paused", false),
    ("no-subreaper", false),
];

/// The exit code when the program was not started; its own codes are passed on.
const NOT_STARTED: u8 = 255;

/// Runs a program in a container; in the foreground, returns its exit code.
pub(super) fn exec(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    run(globals, words).map_err(|failure| failure.during("exec failed").with_code(NOT_STARTED))
}

fn run(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let (parsed, program) = Parsed::up_to(words, OPTIONS, 1)?;
    let (place, record) = record::load(&globals.root, parsed.id()?)?;
    match record.status(&place) {
        "stopped" => return Err(Failure::new("cannot exec in a stopped container")),
        "paused" if !parsed.has("ignore-paused") => {
            return Err(Failure::new("cannot exec in a paused container"));
        }
        _ => {}
    }
    let spec = place.spec()?;
    let process = process(&parsed, program, &spec)?;
    globals.log.warn_of_capabilities(process.capabilities.as_ref());
    let pidfd = record.pidfd().ok_or_else(|| Failure::new("cannot exec in a stopped container"))?;
    let cgroup = entered(record.cgroup(), parsed.values(&["cgroup"]))?;
    let target =
        Target { pid: record.pid, pidfd: pidfd.as_fd(), cgroup: cgroup.as_ref(), spec: &spec };
    let is_detached = parsed.any(&["detach", "d"]);
    let socket = parsed.value("console-socket").filter(|path| !path.is_empty());
    if process.terminal && is_detached && socket.is_none() {
        return Err(Failure::new(
            "cannot allocate tty if runc will detach without setting console socket",
        ));
    }
    let signals = if is_detached { None } else { Some(console::signals()?) };
    let options = Options {
        plain_lines: process.terminal && socket.is_none(),
        preserve: parsed.number("preserve-fds")?.unwrap_or_default(),
        ..Options::default()
    };
    let (running, mut terminal) =
        hako_runtime::exec(&target, &process, stdio(&process, socket), options)
            .map_err(|error| Failure::from(error).during(super::create::START))?;
    if let (Some(socket), Some(master)) = (socket, &terminal) {
        console::send(socket, master)?;
        terminal = None;
    }
    console::send_process(parsed.value("pidfd-socket"), running.pidfd())?;
    if let Some(file) = parsed.value("pid-file").filter(|path| !path.is_empty()) {
        write_pid(file, running.pid())?;
    }
    match signals {
        Some(signals) => console::attend(&running, terminal, &signals),
        None => Ok(0),
    }
}

/// Returns the control group to enter: the container's, or those below it that are named, each as
/// `PATH` or `CONTROLLER[,CONTROLLER…]:PATH`.
fn entered<'a>(
    cgroup: Option<Cgroup>,
    named: impl Iterator<Item = &'a str>,
) -> Result<Option<Cgroup>, Failure> {
    let Some(mut cgroup) = cgroup else { return Ok(None) };
    for one in named {
        let (controllers, path) = one.split_once(':').unwrap_or(("", one));
        let controllers: Vec<_> = controllers.split(',').filter(|name| !name.is_empty()).collect();
        cgroup = cgroup.below(&controllers, path)?;
    }
    Ok(Some(cgroup))
}

fn stdio(process: &Process, socket: Option<&str>) -> Stdio {
    if !process.terminal {
        return Stdio::Inherit;
    }
    let size = process.console_size.map(|size| (size.width, size.height));
    let (columns, rows) =
        size.unwrap_or_else(|| if socket.is_none() { console::size() } else { (0, 0) });
    Stdio::Terminal { columns, rows }
}

/// Returns what to run: what the file says, or the container's own process with what was typed.
fn process(parsed: &Parsed, program: &[String], spec: &Spec) -> Result<Process, Failure> {
    if let Some(file) = parsed.first(&["process", "p"]) {
        let text =
            std::fs::read(file).map_err(|error| Failure::new(format!("open {file}: {error}")))?;
        return serde_json::from_slice(&text)
            .map_err(|error| Failure::new(format!("parse {file}: {error}")));
    }
    if program.is_empty() {
        return Err(Failure::new("process args cannot be empty"));
    }
    let mut process = spec.process.clone().unwrap_or_default();
    process.args = program.to_vec();
    process.terminal = parsed.any(&["tty", "t"]);
    process.console_size = None;
    process.env.extend(parsed.values(&["env", "e"]).map(str::to_owned));
    if let Some(cwd) = parsed.value("cwd") {
        process.cwd = PathBuf::from(cwd);
    }
    if let Some(user) = parsed.first(&["user", "u"]) {
        process.user.username = Some(user.to_owned());
        process.user.additional_gids.clear();
        process.user.additional_groups.clear();
    }
    for gid in parsed.values(&["additional-gids", "g"]) {
        let number = gid.parse().map_err(|_| Failure::new(format!("invalid group `{gid}`")))?;
        process.user.additional_gids.push(number);
    }
    if let Some(label) = parsed.value("process-label") {
        process.selinux_label = Some(label.to_owned());
    }
    if let Some(profile) = parsed.value("apparmor") {
        process.apparmor_profile = Some(profile.to_owned());
    }
    if parsed.has("no-new-privs") {
        process.no_new_privileges = true;
    }
    let sets = process.capabilities.get_or_insert_with(Capabilities::default);
    for name in parsed.values(&["cap", "c"]) {
        let name = if name.starts_with("CAP_") {
            name.to_owned()
        } else {
            format!("CAP_{}", name.to_uppercase())
        };
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            if !set.contains(&name) {
                set.push(name.clone());
            }
        }
        // Without an inheritable set there can be no ambient one.
        if !sets.inheritable.is_empty() && !sets.ambient.contains(&name) {
            sets.ambient.push(name);
        }
    }
    Ok(process)
}
