//! `create`, `start`, `run`, `plan`.

use std::path::Path;

use hako_runtime::cgroup::Cgroup;
use hako_runtime::spec::{Hooks, Process};
use hako_runtime::{Created, Launch, Options, Root, Running, Stdio};
use hako_types::Moment;

use super::bundle::Bundle;
use super::record::{self, Place, Record};
use super::words::{Known, Parsed};
use super::{Failure, Globals, console, groups, hooks};

const OPTIONS: Known<'static> = &[
    ("bundle", true),
    ("b", true),
    ("console-socket", true),
    ("pidfd-socket", true),
    ("pid-file", true),
    ("preserve-fds", true),
    ("no-pivot", false),
    ("no-new-keyring", false),
    ("keep", false),
    ("detach", false),
    ("d", false),
    ("no-subreaper", false),
];

/// `create`: makes a container that waits for `start`.
pub(super) fn create(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, OPTIONS)?;
    let bundle = Bundle::read(&parsed)?;
    let mut making = Making::begin(globals, &parsed, &bundle, true)?;
    making.make(globals, &parsed, true)?;
    making.detach()?;
    Ok(0)
}

/// `run`: makes a container, starts it and, in the foreground, waits for it.
pub(super) fn run(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, OPTIONS)?;
    let bundle = Bundle::read(&parsed)?;
    let is_detached = parsed.any(&["detach", "d"]);
    let mut making = Making::begin(globals, &parsed, &bundle, false)?;
    let signals = if is_detached { None } else { Some(console::signals()?) };
    let terminal = making.make(globals, &parsed, is_detached)?;
    let running = making.start()?;
    let Some(signals) = signals else { return Ok(0) };
    let code = console::attend(&running, terminal, &signals)?;
    if !parsed.has("keep") {
        let place = Place::of(&globals.root, parsed.id()?)?;
        super::control::dispose(
            globals,
            &place,
            &making.record,
            making.cgroup.as_ref(),
            making.hooks.as_ref(),
        )?;
    }
    Ok(code)
}

/// `start`: lets a container that was created execute its program.
pub(super) fn start(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, &[])?;
    let (place, record) = record::load(&globals.root, parsed.id()?)?;
    match record.status(&place) {
        "created" => {}
        "stopped" => return Err(Failure::new("cannot start a container that has stopped")),
        _ => return Err(Failure::new("cannot start an already running container")),
    }
    let spec = place.spec()?;
    let gate = place
        .connect()
        .map_err(|error| Failure::new(format!("cannot reach the container: {error}")))?;
    hako_runtime::open_gate(&gate, &spec, &record.state("created"))
        .map_err(|error| Failure::from(error).during(START))?;
    place.open_gate()?;
    if let Some(all) = &spec.hooks
        && let Err(failure) = hooks::run_poststart(&all.poststart, &record.state("running"))
    {
        if let Some(pidfd) = record.pidfd() {
            let _ended = hako_sys::process::send_signal(&pidfd, libc::SIGKILL);
        }
        return Err(failure);
    }
    Ok(0)
}

/// `plan`: prints how a bundle would be made into a container.
pub(super) fn plan(_globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, OPTIONS)?;
    let path = parsed
        .arguments
        .first()
        .map(String::as_str)
        .or(parsed.first(&["bundle", "b"]))
        .unwrap_or(".");
    let bundle = Bundle::at(Path::new(path))?;
    let root = bundle.rootfs()?;
    let process = process(&bundle)?;
    let plan = hako_runtime::plan(&Launch {
        id: "container",
        spec: &bundle.spec,
        bundle: &bundle.path,
        root: Root::Directory(root),
        stdio: if process.terminal { terminal(process) } else { Stdio::Inherit },
        cgroup: None,
        options: options(&parsed)?,
    })?;
    let text =
        serde_json::to_string_pretty(&plan).map_err(|error| Failure::new(error.to_string()))?;
    super::log::print(&format!("{text}\n"));
    Ok(0)
}

/// In front of everything that keeps a program from being started; Docker looks for it.
pub(super) const START: &str = "unable to start container process";

fn process(bundle: &Bundle) -> Result<&Process, Failure> {
    bundle.spec.process.as_ref().ok_or_else(|| Failure::new("the configuration has no `process`"))
}

fn terminal(process: &Process) -> Stdio {
    let (columns, rows) = process.console_size.map_or((0, 0), |size| (size.width, size.height));
    Stdio::Terminal { columns, rows }
}

fn options(parsed: &Parsed) -> Result<Options, Failure> {
    Ok(Options {
        preserve: parsed.number("preserve-fds")?.unwrap_or_default(),
        no_pivot: parsed.has("no-pivot"),
        no_keyring: parsed.has("no-new-keyring"),
        ..Options::default()
    })
}

/// A container in the making; what was made is taken back if it does not come to the end.
struct Making<'a> {
    bundle: &'a Bundle,
    place: Place,
    record: Record,
    cgroup: Option<Cgroup>,
    created: Option<Created>,
    hooks: Option<Hooks>,
    gated: bool,
    done: bool,
}

impl<'a> Making<'a> {
    fn begin(
        globals: &Globals,
        parsed: &Parsed,
        bundle: &'a Bundle,
        gated: bool,
    ) -> Result<Self, Failure> {
        let id = parsed.id()?;
        let place = Place::of(&globals.root, id)?;
        let record = Record {
            oci_version: bundle.spec.oci_version.clone(),
            id: id.to_owned(),
            status: "creating".to_owned(),
            bundle: bundle.path.clone(),
            rootfs: bundle.rootfs()?,
            created: Moment::now().to_string(),
            annotations: bundle.spec.annotations.clone(),
            cgroup: Some(groups::path(&bundle.spec, id)),
            ..Record::default()
        };
        place.make()?;
        let hooks = bundle.spec.hooks.clone();
        Ok(Self { bundle, place, record, cgroup: None, created: None, hooks, gated, done: false })
    }

    /// Makes the container; returns its terminal if that is to be attended here.
    fn make(
        &mut self,
        globals: &Globals,
        parsed: &Parsed,
        is_detached: bool,
    ) -> Result<Option<std::os::fd::OwnedFd>, Failure> {
        let process = process(self.bundle)?;
        globals.log.warn_of_capabilities(process.capabilities.as_ref());
        let socket = parsed.value("console-socket").filter(|path| !path.is_empty());
        if process.terminal && is_detached && socket.is_none() {
            return Err(Failure::new(
                "cannot allocate tty if runc will detach without setting console socket",
            ));
        }
        if !process.terminal && socket.is_some() {
            return Err(Failure::new(
                "cannot use console socket if runc will not detach or allocate tty",
            ));
        }
        self.cgroup = groups::make(&self.bundle.spec, &self.record.id)?;
        if self.cgroup.is_none() {
            self.record.cgroup = None;
        }
        let stdio = match (process.terminal, socket) {
            (false, _) => Stdio::Inherit,
            (true, None) if process.console_size.is_none() => {
                let (columns, rows) = console::size();
                Stdio::Terminal { columns, rows }
            }
            (true, _) => terminal(process),
        };
        let gate = if self.gated { Some(self.place.listen()?) } else { None };
        let launch = Launch {
            id: &self.record.id,
            spec: &self.bundle.spec,
            bundle: &self.bundle.path,
            root: Root::Directory(self.record.rootfs.clone()),
            stdio,
            cgroup: self.cgroup.as_ref(),
            options: Options {
                gate,
                plain_lines: process.terminal && socket.is_none(),
                ..options(parsed)?
            },
        };
        let during = |error: hako_runtime::Error| Failure::from(error).during(START);
        let created = self.created.insert(hako_runtime::create(launch).map_err(during)?);
        self.place.save_spec(&self.bundle.text)?;
        created.ready().map_err(during)?;
        self.record.pid = created.pid();
        self.record.start_time = record::start_time(self.record.pid).unwrap_or_default();
        let mut terminal = created.take_terminal();
        if let (Some(socket), Some(master)) = (socket, &terminal) {
            console::send(socket, master)?;
            terminal = None;
        }
        console::send_process(parsed.value("pidfd-socket"), created.pidfd())?;
        self.place.save(&self.record)?;
        if let Some(file) = parsed.value("pid-file").filter(|path| !path.is_empty()) {
            write_pid(file, self.record.pid)?;
        }
        Ok(terminal)
    }

    fn detach(mut self) -> Result<(), Failure> {
        if let Some(created) = self.created.take() {
            created.detach()?;
        }
        self.done = true;
        Ok(())
    }

    fn start(&mut self) -> Result<Running, Failure> {
        let created =
            self.created.take().ok_or_else(|| Failure::new("the container was not created"))?;
        let running = created.start().map_err(|error| Failure::from(error).during(START))?;
        self.done = true;
        if let Some(all) = &self.hooks
            && let Err(failure) =
                hooks::run_poststart(&all.poststart, &self.record.state("running"))
        {
            let _gone = running.kill(libc::SIGKILL).and_then(|()| running.wait().map(drop));
            self.done = false;
            return Err(failure);
        }
        Ok(running)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        drop(self.created.take());
        if let Some(cgroup) = &self.cgroup {
            let _left = cgroup.kill().and_then(|()| cgroup.remove());
        }
        let _left = self.place.remove();
    }
}

/// Writes a process number so that readers see it whole or not at all.
pub(super) fn write_pid(file: &str, pid: i32) -> Result<(), Failure> {
    let path = Path::new(file);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fresh = path.with_file_name(format!(".{name}"));
    let written =
        std::fs::write(&fresh, pid.to_string()).and_then(|()| std::fs::rename(&fresh, path));
    written.map_err(|error| Failure::new(format!("cannot write the pid file `{file}`: {error}")))
}
