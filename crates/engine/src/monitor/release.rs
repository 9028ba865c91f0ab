//! Freeing what a run of a container held.

use hako_runtime::cgroup::{Cgroup, Host};
use hako_types::{Fault, Kind};

use super::shared::Run;
use crate::container::Container;
use crate::{Engine, Error, network};

/// Frees what a container held while it ran, after its monitor has gone without doing so: processes, control group, firewall
/// entries, leases. What is not there is fine.
pub(crate) fn release(engine: &Engine, container: &Container) -> Result<(), Error> {
    let host = super::start::cgroup_host()?;
    free_cgroup(&host, &super::start::cgroup_path(engine, container))?;
    network::unpublish(engine, &container.id)?;
    for row in network::memberships(engine.database().connection(), &container.id)? {
        if row.mac.is_some() {
            let wiring = engine.networks().find(&row.network)?.wiring(engine)?;
            let endpoint = hako_network::Endpoint {
                interface: row.interface.clone().unwrap_or_default(),
                host_interface: hako_network::Endpoint::host_name(&row.id),
                mac: hako_network::Mac([0; 6]),
                addresses: Vec::new(),
                gateways: Vec::new(),
                sysctls: Vec::new(),
            };
            hako_network::detach(&wiring, None, &endpoint)
                .map_err(Error::below("cannot remove an interface"))?;
        }
    }
    engine.volumes().unmount_unused(container);
    engine.database().write(|t| network::release(t, &container.id))
}

/// Frees what a run held, at its end. All is tried; the first error is returned.
///
/// With `leases` the addresses and ports are given back too; a container that is removed next gives up all its rows at once.
pub(super) fn after_run(
    engine: &Engine,
    container: &Container,
    run: &Run,
    leases: bool,
) -> Result<(), Error> {
    // The interfaces go with the namespace; taking them away one by one would wait for the kernel each time.
    let has_leases = run.leases.lock().is_ok_and(|leases| !leases.is_empty());
    let unpublished = network::unpublish(engine, &container.id);
    if let Ok(mut locks) = run.volumes.lock()
        && !locks.is_empty()
    {
        locks.clear();
        engine.volumes().unmount_unused(container);
    }
    let removed = run.cgroup.remove().map_err(Error::below("cannot remove the control group"));
    let released = if !leases || !has_leases && container.record.host.port_bindings.is_empty() {
        Ok(())
    } else {
        engine.database().write(|t| network::release(t, &container.id))
    };
    unpublished.and(removed).and(released)
}

/// Returns the control group of a container, when it has one.
pub(crate) fn cgroup_of(engine: &Engine, container: &Container) -> Result<Option<Cgroup>, Error> {
    let host = super::start::cgroup_host()?;
    let path = super::start::cgroup_path(engine, container);
    match Cgroup::open(&host, &path) {
        Ok(cgroup) => Ok(Some(cgroup)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(Error::below("cannot open the control group")(error)),
    }
}

/// Kills what is in a control group and removes it; one that is not there is fine.
pub(crate) fn free_cgroup(host: &Host, path: &str) -> Result<(), Error> {
    let failed = || Error::below(format!("cannot free the control group `{path}`"));
    let cgroup = match Cgroup::open(host, path) {
        Ok(cgroup) => cgroup,
        Err(error) if error.kind() == Kind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    };
    cgroup.kill().map_err(failed())?;
    cgroup.remove().map_err(failed())
}
