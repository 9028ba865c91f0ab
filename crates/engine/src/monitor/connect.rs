//! Wiring a container to networks, at its start and while it runs.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use hako_network::dns::{From, Upstream};

use super::files::{self, Connection};
use super::shared::Shared;
use super::start;
use crate::network::{self, Lease};
use crate::{Engine, Error};

/// Wires a namespace to the network of a lease.
pub(super) fn attach(
    engine: &Engine,
    lease: &Lease,
    namespace: BorrowedFd<'_>,
) -> Result<(), Error> {
    let name = &lease.network.spec.name;
    let failed = || Error::below(format!("cannot connect to the network `{name}`"));
    match hako_network::ensure(&lease.wiring, &engine.networks().firewall()) {
        Err(hako_network::Error::NoTable(_)) => network::rebuild(engine)?,
        other => other.map_err(failed())?,
    }
    hako_network::attach(&lease.wiring, namespace, &lease.endpoint).map_err(failed())
}

/// Wires the running container to a network that it has joined.
pub(super) fn connect(shared: &Arc<Shared>, network: &str) -> Result<(), Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    let Some(namespace) = &run.namespace else {
        return Err(Error::Conflict("the container has no network namespace of its own".into()));
    };
    let mut leases =
        run.leases.lock().map_err(|_| Error::Conflict("the monitor is out of order".into()))?;
    let has_names = {
        let engine = shared.engine();
        let lease = network::take_further(&engine, &container.id, network, leases.as_slice())?;
        if let Err(error) = attach(&engine, &lease, namespace.as_fd()) {
            network::release_one(&engine, &container.id, network)?;
            return Err(error);
        }
        let has_names = lease.network.has_names();
        leases.push(lease);
        has_names
    };
    let connection = if has_names { Connection::Named } else { Connection::Plain };
    let mut serving =
        run.has_names.lock().map_err(|_| Error::Conflict("the monitor is out of order".into()))?;
    if has_names && !*serving {
        let settings = shared.engine().settings().clone();
        *serving =
            start::serve_names(settings, &container, connection, Some(namespace), &run.stopped)?;
    }
    let connection = if *serving { Connection::Named } else { Connection::Plain };
    files::write(&shared.engine(), &container, &leases, connection)?;
    Ok(())
}

/// Unwires the running container from a network.
pub(super) fn disconnect(shared: &Arc<Shared>, network: &str) -> Result<(), Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    let mut leases =
        run.leases.lock().map_err(|_| Error::Conflict("the monitor is out of order".into()))?;
    let Some(position) = leases.iter().position(|lease| lease.network.id == network) else {
        return Ok(());
    };
    let lease = leases.remove(position);
    let namespace = run.namespace.as_ref().map(AsFd::as_fd);
    let engine = shared.engine();
    let doing = format!("cannot disconnect from the network `{}`", lease.network.spec.name);
    hako_network::detach(&lease.wiring, namespace, &lease.endpoint).map_err(Error::below(doing))?;
    network::release_one(&engine, &container.id, network)?;
    if let (false, Some(namespace)) = (lease.endpoint.gateways.is_empty(), namespace)
        && let Some(heir) = leases.iter_mut().find(|lease| !lease.wiring.internal)
    {
        let gateways: Vec<_> =
            heir.wiring.subnets.iter().filter_map(|subnet| subnet.gateway).collect();
        hako_network::attach::set_default_route(namespace, &heir.endpoint.interface, &gateways)
            .map_err(Error::below("cannot move the default route"))?;
        heir.endpoint.gateways = gateways;
    }
    let serving = run.has_names.lock().is_ok_and(|serving| *serving);
    files::write(
        &engine,
        &container,
        &leases,
        if serving { Connection::Named } else { Connection::Plain },
    )?;
    Ok(())
}

/// Returns the name servers that the embedded one asks. Those of the host are asked from the host, whose loopback may have one.
pub(super) fn upstreams(servers: &[String]) -> Vec<Upstream> {
    let addresses = servers.iter().filter_map(|server| server.parse().ok());
    addresses.map(|ip| Upstream { address: SocketAddr::new(ip, 53), from: From::Host }).collect()
}
