//! `RUN`: a command in a container of its own, whose changes become the layer.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hako_build::event::{Event, Stream};
use hako_build::graph::RunOp;
use hako_build::request::Network;
use hako_build::{Failure, Record, Work};
use hako_runtime::cgroup::Cgroup;
use hako_runtime::spec::NamespaceKind;
use hako_runtime::{Created, Launch, Options, Root, Running, Stdio};
use hako_store::Lock;
use hako_types::ContainerId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::configuration::{HOSTNAME, configuration};
use super::mounts::{self, Prepared};
use super::snapshots::Making;
use super::stubs::Stubs;
use super::workshop::{Workshop, kept};
use crate::model::EndpointConfig;
use crate::monitor::cgroup_host;
use crate::network::{self, Lease, Membership};
use crate::{Engine, Error};

/// A step's own directory among those of containers: what finds what dead processes left finds it too.
struct Scratch {
    id: ContainerId,
    directory: PathBuf,
    _lock: Lock,
}

impl Scratch {
    fn new(engine: &Engine) -> Result<Self, Error> {
        let id = ContainerId::random();
        let lock = engine.containers().lock_path(&id);
        let directory = lock.parent().unwrap_or(Path::new("/")).to_owned();
        fs::create_dir(&directory).map_err(Error::io("create", &directory))?;
        let lock = Lock::exclusive(&lock).map_err(Error::io("lock", &lock))?;
        let mark = directory.join(super::sweep::MARK);
        fs::write(&mark, "").map_err(Error::io("create", &mark))?;
        Ok(Self { id, directory, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _debris = fs::remove_dir_all(&self.directory);
    }
}

/// Runs the command of a step; its changes become a layer.
pub(super) fn run(shop: &Workshop<'_>, run: &RunOp, work: &Work<'_>) -> Result<Record, Failure> {
    if run.insecure && !shop.allow_insecure {
        let message = "security.insecure is not allowed: add `--allow security.insecure`";
        return Err(Failure::of(Error::Invalid(message.into())));
    }
    if run.network == Network::Host && !shop.allow_host_network {
        let message = "network.host is not allowed: add `--allow network.host`";
        return Err(Failure::of(Error::Invalid(message.into())));
    }
    let engine = Engine::open(shop.settings.clone()).map_err(Failure::of)?;
    let making = shop.snapshots.begin().map_err(Failure::of)?;
    let scratch = Scratch::new(&engine).map_err(Failure::of)?;
    let prepared = mounts::prepare(shop, run, work, &scratch.directory)?;
    let mut lower = shop.snapshots.lower(work.parent).map_err(Failure::of)?;
    lower.push(engine.paths().base());
    let stubs = stubs(&lower, &prepared).map_err(Failure::of)?;
    let code = execute(&engine, &scratch, (run, work), prepared, (&making, lower))?;
    if work.cancel.is_canceled() {
        return Err(Failure::Canceled);
    }
    if code != 0 {
        return Err(Failure::Exit { args: run.args.clone(), code });
    }
    stubs.remove(&making.upper());
    kept(making, work)
}

/// Finds the mount points that the image lacks.
fn stubs(lower: &[PathBuf], prepared: &Prepared) -> Result<Stubs, Error> {
    if prepared.targets.is_empty() {
        return Ok(Stubs::default());
    }
    let tree = crate::container::rootfs::overlay(lower, None)?;
    Ok(Stubs::of(tree.as_fd(), prepared.targets.iter().map(String::as_str)))
}

/// Runs the command to its end; returns its exit code.
fn execute(
    engine: &Engine,
    scratch: &Scratch,
    (run, work): (&RunOp, &Work<'_>),
    prepared: Prepared,
    (making, lower): (&Making, Vec<PathBuf>),
) -> Result<i32, Failure> {
    let leases = leases(engine, scratch, run).map_err(Failure::of)?;
    let _released = Released { engine, id: &scratch.id, is_needed: !leases.is_empty() };
    let spec = configuration(&scratch.directory, run, (&leases, &prepared)).map_err(Failure::of)?;
    let host = cgroup_host().map_err(Failure::of)?;
    let path = format!("/{}/{}", network::own_name(engine, "hako", "hako-"), scratch.id);
    let resources =
        spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    let cgroup = Cgroup::create(&host, &path, &resources)
        .map_err(|error| Failure::of(Error::below("cannot make the control group")(error)))?;
    let (stdio, outputs) = pipes().map_err(Failure::of)?;
    let launch = Launch {
        id: scratch.id.as_str(),
        spec: &spec,
        bundle: &scratch.directory,
        root: Root::Overlay {
            lower,
            upper: making.upper(),
            work: making.work().map_err(Failure::of)?,
            options: vec!["volatile".into()],
        },
        stdio: Stdio::Files(stdio),
        cgroup: Some(&cgroup),
        options: Options::default(),
    };
    let outcome = std::thread::scope(|scope| {
        let reader = scope.spawn(|| pump(outputs, work));
        let outcome =
            start(engine, launch, (run, &leases)).and_then(|process| wait(&process, &cgroup, work));
        let _dead_already = cgroup.kill();
        let _joined = reader.join();
        outcome
    });
    let _gone_later = cgroup.remove();
    drop(prepared);
    outcome
}

fn start(
    engine: &Engine,
    launch: Launch<'_>,
    (run, leases): (&RunOp, &[Lease]),
) -> Result<Running, Failure> {
    let created = hako_runtime::create(launch).map_err(|error| refused(error, run))?;
    if run.network != Network::Host {
        wire(engine, &created, leases).map_err(Failure::of)?;
    }
    created.start().map_err(|error| refused(error, run))
}

/// A program that cannot be run is the step's failure, as a shell's would be.
fn refused(error: hako_runtime::Error, run: &RunOp) -> Failure {
    match error.exit_code() {
        Some(code) if run.args.is_empty() => {
            Failure::Exit { args: Vec::new(), code: i32::from(code) }
        }
        _ => Failure::of(Error::below(format!("cannot run {:?}", run.args.join(" ")))(error)),
    }
}

/// Takes an address in the default network, where the step has one.
fn leases(engine: &Engine, scratch: &Scratch, run: &RunOp) -> Result<Vec<Lease>, Error> {
    if run.network != Network::Default {
        return Ok(Vec::new());
    }
    let network = engine.networks().find("bridge")?;
    let membership =
        Membership { network, config: EndpointConfig::default(), hostname: HOSTNAME.into() };
    engine
        .database()
        .write(|t| network::join(t, &scratch.id, scratch.id.short(), 0, &membership))?;
    network::take(engine, &scratch.id)
}

/// Gives the addresses back when the step has ended.
struct Released<'a> {
    engine: &'a Engine,
    id: &'a ContainerId,
    is_needed: bool,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        if self.is_needed {
            let _repaired_later = self.engine.containers().forget(self.id);
        }
    }
}

fn wire(engine: &Engine, created: &Created, leases: &[Lease]) -> Result<(), Error> {
    let namespace = created.namespace(NamespaceKind::Network);
    let namespace =
        namespace.map_err(Error::io("open the network namespace of", Path::new("the step")))?;
    if leases.is_empty() {
        return hako_network::loopback_up(namespace.as_fd())
            .map_err(Error::below("cannot set up the loopback"));
    }
    for lease in leases {
        let failed = || Error::below("cannot connect the step to the network");
        match hako_network::ensure(&lease.wiring, &engine.networks().firewall()) {
            Err(hako_network::Error::NoTable(_)) => network::rebuild(engine)?,
            other => other.map_err(failed())?,
        }
        hako_network::attach(&lease.wiring, namespace.as_fd(), &lease.endpoint).map_err(failed())?;
    }
    Ok(())
}

/// Waits for the command to end; ends it when the build shall end.
fn wait(process: &Running, cgroup: &Cgroup, work: &Work<'_>) -> Result<i32, Failure> {
    let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let io =
        |error: std::io::Error| Failure::of(Error::io("wait for", Path::new("the step"))(error));
    loop {
        let pidfd = process.pidfd();
        let mut ends = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut ends, Some(&pause)) {
            Ok(0) | Err(rustix::io::Errno::INTR) if work.cancel.is_canceled() => {
                let _all = cgroup.kill();
                let _first = process.kill(9);
                process.wait().map_err(io)?;
                return Err(Failure::Canceled);
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return process.wait().map(|exit| exit.code).map_err(io),
            Err(errno) => return Err(io(errno.into())),
        }
    }
}

type Outputs = [(Stream, OwnedFd); 2];

fn pipes() -> Result<([OwnedFd; 3], Outputs), Error> {
    let failed = |errno: rustix::io::Errno| Error::io("make", Path::new("pipe"))(errno.into());
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed)?;
    let (out, stdout) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let (error, stderr) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    Ok(([null, stdout, stderr], [(Stream::Out, out), (Stream::Error, error)]))
}

/// Passes on what the command writes, until nobody can write any more.
fn pump(outputs: Outputs, work: &Work<'_>) {
    let mut open: Vec<(Stream, OwnedFd)> = outputs.into();
    let mut buffer = vec![0; 16 << 10];
    while !open.is_empty() {
        let ready: Vec<bool> = {
            let mut ends: Vec<PollFd<'_>> =
                open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut ends, None) {
                Ok(_) => ends.iter().map(|end| !end.revents().is_empty()).collect(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
        };
        let mut at = 0;
        open.retain(|(stream, fd)| {
            at += 1;
            if !ready[at - 1] {
                return true;
            }
            match rustix::io::read(fd, &mut buffer[..]) {
                Ok(0) => false,
                Ok(length) => {
                    (work.log)(Event::Log { stream: *stream, bytes: buffer[..length].to_vec() });
                    true
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
                Err(_) => false,
            }
        });
    }
}
