//! One start of a container: from a record to a program that runs, or back to nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use hako_network::dns::Server;
use hako_network::ports::{Forwarder, Reserved, reserve};
use hako_runtime::cgroup::{Cgroup, Host};
use hako_runtime::spec::{NamespaceKind, Spec};
use hako_runtime::{Created, Launch, Options, Root, Stdio};
use hako_types::{Moment, PortMapping, Protocol};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::files::{self, Connection};
use super::shared::{Run, Shared};
use super::sources::{self, Found};
use super::{connect, health, output};
use crate::attach::Failure;
use crate::container::{Container, rootfs, spec};
use crate::log::Stream;
use crate::model::{Health, Map, Status};
use crate::network::{self, Lease};
use crate::{Engine, Error, Settings};

/// Stands for the memory file system that the monitor holds, until it has a path.
pub(super) const SHM: &str = "shareable";

/// Starts the container's program. On failure nothing is left of the attempt.
pub(super) fn start(
    shared: &Arc<Shared>,
    container: &Container,
    size: Option<(u16, u16)>,
    started: impl FnOnce(i32),
) -> Result<(Arc<Run>, JoinHandle<()>), Error> {
    let prepared = prepare(shared, container, size);
    let (run, sources) = prepared.inspect_err(|_| {
        let _repaired_later = super::release(&shared.engine(), container);
    })?;
    let run = Arc::new(run);
    let has_health = health::check_of(&container.record.config).is_some();
    shared.change(|inner| {
        inner.run = Some(Arc::clone(&run));
        inner.has_started = true;
        inner.live.stopped_by_hand = false;
        let state = &mut inner.live.state;
        state.status = Status::Running;
        (state.running, state.paused, state.restarting, state.oom_killed) =
            (true, false, false, false);
        (state.pid, state.exit_code) = (run.process.pid(), 0);
        state.error.clear();
        state.started_at = Moment::now();
        state.health =
            has_health.then(|| Health { status: "starting".into(), ..Health::default() });
    })?;
    started(run.process.pid());
    let pump = {
        let shared = Arc::clone(shared);
        let pump = std::thread::Builder::new().stack_size(128 << 10);
        pump.spawn(move || output::pump(&shared, sources))
            .map_err(Error::io("start a thread for", Path::new(&container.name)))?
    };
    shared.engine().containers().emit(container, "start", Map::new());
    if has_health {
        health::watch(shared, &run, container);
    }
    Ok((run, pump))
}

type Sources = Vec<(Stream, OwnedFd)>;

fn prepare(
    shared: &Arc<Shared>,
    container: &Container,
    size: Option<(u16, u16)>,
) -> Result<(Run, Sources), Error> {
    let engine = shared.engine();
    let mut found = sources::find(&engine, container)?;
    let leases = network::take(&engine, &container.id)?;
    let connection = connection(container, &leases);
    found.findings.etc = files::write(&engine, container, &leases, connection)?;
    share_memory(&engine, container, &mut found)?;
    let spec = spec::build(container, &found.findings)?;
    let host = cgroup_host()?;
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let cgroup = Cgroup::create(&host, &found.findings.cgroup, &resources.unwrap_or_default())
        .map_err(Error::below("cannot make the control group"))?;
    let ports = take_ports(&engine, container, &leases)?;
    let stdio = Stdio3::open(container, size)?;
    let mut created = hako_runtime::create(Launch {
        id: container.id.as_str(),
        spec: &spec,
        bundle: &container.directory(&engine),
        root: root(&engine, container)?,
        stdio: stdio.theirs,
        cgroup: Some(&cgroup),
        options: Options::default(),
    })
    .map_err(refused)?;
    let namespace = match wire(&engine, &created, &spec, &leases) {
        Ok(namespace) => namespace,
        // Where the set-up itself has failed, that is the cause, and the network's failure only its echo.
        Err(error) => return Err(created.ready().err().map_or(error, refused)),
    };
    let (stop, stopped) = stop_pipe()?;
    let names = serve_names(
        engine.settings().clone(),
        container,
        connection,
        namespace.as_ref(),
        &stopped,
    )?;
    created.ready().map_err(refused)?;
    let terminal = created.take_terminal();
    publish(&engine, container, &leases, ports, &stopped)?;
    let process = created.start().map_err(refused)?;
    let mut sources = stdio.ours;
    if let Some(terminal) = &terminal {
        let copy = terminal.try_clone();
        let copy = copy.map_err(Error::io("attach to", Path::new(&container.name)))?;
        sources.push((Stream::Stdout, copy));
    }
    let run = Run {
        process,
        cgroup,
        hostname: found.findings.hostname.clone(),
        spec,
        stdin: Mutex::new(stdio.stdin),
        terminal,
        namespace,
        leases: Mutex::new(leases),
        stop: Mutex::new(Some(stop)),
        stopped,
        has_names: Mutex::new(names),
        volumes: Mutex::new(found.volumes),
    };
    Ok((run, sources))
}

fn stop_pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| Error::io("make", Path::new("pipe"))(error.into()))?;
    Ok((stop, stopped))
}

/// Turns what the runtime says into what a client is told: the program's own failures have exit codes of their own.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn refused(error: hako_runtime::Error) -> Error {
    Error::Monitor(Failure::of(&error, error.exit_code().map_or(125, i32::from)))
}

fn connection(container: &Container, leases: &[Lease]) -> Connection {
    if container.record.host.network_mode == "host" {
        Connection::Host
    } else if leases.iter().any(|lease| lease.network.has_names()) {
        Connection::Named
    } else {
        Connection::Plain
    }
}

/// Makes the memory file system that others may share, and tells where it is found.
fn share_memory(engine: &Engine, container: &Container, found: &mut Found) -> Result<(), Error> {
    if found.findings.shm.as_deref() != Some(Path::new(SHM)) {
        return Ok(());
    }
    let tree = rootfs::tmpfs(u64::try_from(container.record.host.shm_size).unwrap_or(64 << 20))?;
    let path = format!("/proc/{}/fd/{}", rustix::process::getpid(), tree.as_raw_fd());
    let link = container.directory(engine).join("shm");
    let _old = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&path, &link).map_err(Error::io("create", &link))?;
    // The descriptor stays open for as long as the monitor lives: others find the memory through it.
    let kept = tree.try_clone().map_err(Error::io("share", &link))?;
    let path = format!("/proc/{}/fd/{}", rustix::process::getpid(), tree.as_raw_fd());
    found.findings.shm = Some(path.into());
    found.held.push(kept);
    std::mem::forget(tree);
    Ok(())
}

fn root(engine: &Engine, container: &Container) -> Result<Root, Error> {
    let directory = container.directory(engine);
    Ok(Root::Overlay {
        lower: engine.containers().lower_dirs_of(&container.image)?,
        upper: directory.join("upper"),
        work: directory.join("work"),
        options: Vec::new(),
    })
}

/// The three standard files of a program, and the monitor's ends of them.
struct Stdio3 {
    theirs: Stdio,
    ours: Sources,
    stdin: Option<OwnedFd>,
}

impl Stdio3 {
    fn open(container: &Container, size: Option<(u16, u16)>) -> Result<Self, Error> {
        let config = &container.record.config;
        if config.tty {
            let [rows, columns] = container.record.host.console_size;
            let (columns, rows) = size.unwrap_or((columns, rows));
            return Ok(Self {
                theirs: Stdio::Terminal { columns, rows },
                ours: Vec::new(),
                stdin: None,
            });
        }
        let pipe = || {
            pipe_with(PipeFlags::CLOEXEC)
                .map_err(|error| Error::io("make", Path::new("pipe"))(error.into()))
        };
        let (stdin, input) = if config.open_stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            let null =
                rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            (null.map_err(|error| Error::io("open", Path::new("/dev/null"))(error.into()))?, None)
        };
        let (out, stdout) = pipe()?;
        let (err, stderr) = pipe()?;
        Ok(Self {
            theirs: Stdio::Files([stdin, stdout, stderr]),
            ours: vec![(Stream::Stdout, out), (Stream::Stderr, err)],
            stdin: input,
        })
    }
}

/// Wires the new network namespace; returns it, or nothing when the container has none of its own.
fn wire(
    engine: &Engine,
    created: &Created,
    spec: &Spec,
    leases: &[Lease],
) -> Result<Option<OwnedFd>, Error> {
    let namespaces =
        spec.linux.as_ref().map(|linux| linux.namespaces.as_slice()).unwrap_or_default();
    let is_own =
        namespaces.iter().any(|entry| entry.kind == NamespaceKind::Network && entry.path.is_none());
    if !is_own {
        return Ok(None);
    }
    let opened = created.namespace(NamespaceKind::Network);
    let namespace =
        opened.map_err(Error::io("open the network namespace of", Path::new("the container")))?;
    if leases.is_empty() {
        hako_network::loopback_up(namespace.as_fd())
            .map_err(Error::below("cannot set up the loopback"))?;
    }
    for lease in leases {
        connect::attach(engine, lease, namespace.as_fd())?;
    }
    Ok(Some(namespace))
}

/// Starts the name server, when the container is in a network with names. It stops when `stopped` hangs up.
pub(super) fn serve_names(
    settings: Settings,
    container: &Container,
    connection: Connection,
    namespace: Option<&OwnedFd>,
    stopped: &OwnedFd,
) -> Result<bool, Error> {
    let (Connection::Named, Some(namespace)) = (connection, namespace) else { return Ok(false) };
    let failed = || Error::below(format!("cannot start the name server of `{}`", container.name));
    let server = Server::bind(namespace.as_fd()).map_err(failed())?;
    let links = container.record.host.links.iter().map(|link| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        (alias.to_owned(), name.to_owned())
    });
    let links = links.collect();
    let upstream = connect::upstreams(&files::upstream_servers(container));
    let stopped = stopped.try_clone().map_err(Error::io("watch", Path::new(&container.name)))?;
    let id = container.id.clone();
    let serve = move || {
        if let Ok(engine) = Engine::open(settings) {
            let directory = network::Directory::new(engine, id, links);
            let _stopped = server.serve(&directory, &upstream, stopped.as_fd());
        }
    };
    let builder = std::thread::Builder::new().stack_size(256 << 10);
    builder.spawn(serve).map_err(Error::io("start a thread for", Path::new(&container.name)))?;
    Ok(true)
}

/// Takes the ports of the host that the container publishes.
fn take_ports(
    engine: &Engine,
    container: &Container,
    leases: &[Lease],
) -> Result<Vec<Reserved>, Error> {
    let wanted = mappings(container)?;
    if wanted.is_empty() || leases.is_empty() {
        return Ok(Vec::new());
    }
    let allocated: BTreeSet<_> = network::bindings(engine.database().connection())?;
    reserve(&wanted, &allocated)
        .map_err(Error::below(format!("cannot publish ports of `{}`", container.name)))
}

/// Returns the ports to be published: those bound, and with `--publish-all` every exposed one.
fn mappings(container: &Container) -> Result<Vec<PortMapping>, Error> {
    let host = &container.record.host;
    let mut wanted = Vec::new();
    let exposed = |text: &str| {
        hako_types::port::parse_exposed(text).map_err(|error| Error::Invalid(error.to_string()))
    };
    for (port, bindings) in &host.port_bindings {
        for (container, protocol) in exposed(port)? {
            for binding in bindings {
                wanted.push(mapping(container, protocol, binding)?);
            }
        }
    }
    if host.publish_all_ports {
        for port in container.record.config.exposed_ports.keys() {
            for (number, protocol) in exposed(port)? {
                if !wanted
                    .iter()
                    .any(|mapping| mapping.container == number && mapping.protocol == protocol)
                {
                    wanted.push(PortMapping {
                        container: number,
                        protocol,
                        host_ip: None,
                        host: None,
                    });
                }
            }
        }
    }
    Ok(wanted)
}

fn mapping(
    container: u16,
    protocol: Protocol,
    binding: &crate::model::PortBinding,
) -> Result<PortMapping, Error> {
    let bad =
        |what: &str| Error::Invalid(format!("invalid host {what} of a published port: `{what}`"));
    let host_ip = match binding.host_ip.as_str() {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| bad(text))?),
    };
    let host = match binding.host_port.as_str() {
        "" | "0" => None,
        text => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |part: &str| part.parse::<u16>().map_err(|_| bad(text));
            Some((number(first)?, number(last)?))
        }
    };
    Ok(PortMapping { container, protocol, host_ip, host })
}

/// Publishes the ports, and starts the forwarder for what the firewall cannot bring.
fn publish(
    engine: &Engine,
    container: &Container,
    leases: &[Lease],
    ports: Vec<Reserved>,
    stopped: &OwnedFd,
) -> Result<(), Error> {
    let open = leases.iter().find(|lease| !lease.endpoint.gateways.is_empty());
    let (Some(lease), false) = (open, ports.is_empty()) else { return Ok(()) };
    network::publish(engine, &container.id, lease, &ports)?;
    let addresses = lease.addresses().collect();
    let stopped = stopped.try_clone().map_err(Error::io("watch", Path::new(&container.name)))?;
    let builder = std::thread::Builder::new().stack_size(128 << 10);
    let forward = move || {
        let _stopped = Forwarder::new(ports, addresses).run(stopped.as_fd());
    };
    builder.spawn(forward).map_err(Error::io("start a thread for", Path::new(&container.name)))?;
    Ok(())
}

/// Probes the machine's control groups.
pub(crate) fn cgroup_host() -> Result<Host, Error> {
    // They do not change while a machine runs, and finding them means reading all its mounts.
    static FOUND: OnceLock<Host> = OnceLock::new();
    if let Some(host) = FOUND.get() {
        return Ok(host.clone());
    }
    let host =
        Host::probe().map_err(Error::below("cannot find the control groups of this machine"))?;
    Ok(FOUND.get_or_init(|| host).clone())
}

/// Returns where a container's control group lies.
pub(crate) fn cgroup_path(engine: &Engine, container: &Container) -> String {
    let own = network::own_name(engine, "hako", "hako-");
    match container.record.host.cgroup_parent.trim_end_matches('/') {
        "" => format!("/{own}/{}", container.id),
        parent => format!("/{}/{}", parent.trim_start_matches('/'), container.id),
    }
}
