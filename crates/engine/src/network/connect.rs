//! Joining and leaving networks, at rest and while running.

use hako_store::rusqlite::params;

use super::membership::{self, Membership, memberships};
use super::{Network, Networks};
use crate::Error;
use crate::container::Container;
use crate::model::{EndpointConfig, Map, Status};
use crate::monitor::{self, Request};

impl Networks<'_> {
    /// Makes a container part of a network. One that runs gets an interface at once.
    ///
    /// # Errors
    /// When one of the two does not exist, the container is part of it already or shares another's network, or what is asked
    /// for cannot be there.
    pub fn connect(
        self,
        network: &str,
        container: &str,
        config: &EndpointConfig,
    ) -> Result<(), Error> {
        let network = self.find(network)?;
        let container = self.engine.containers().find(container)?;
        let mode = container.record.host.network_mode.as_str();
        if mode == "host" || network.spec.driver == "host" {
            return Err(Error::Conflict(
                "container cannot be connected to or disconnected from the host network".into(),
            ));
        }
        if mode.starts_with("container:") {
            return Err(Error::Conflict("container sharing network namespace with another container cannot be connected to any other network".into()));
        }
        let connected = memberships(self.engine.database().connection(), &container.id)?;
        for row in &connected {
            let other = self.find(&row.network)?;
            if (other.spec.driver == "null" || network.spec.driver == "null")
                && other.id != network.id
            {
                return Err(Error::Conflict("container cannot be connected to multiple networks with one of the networks in private (none) mode".into()));
            }
        }
        membership::check(&network, config)?;
        let hostname = container.record.config.hostname.clone();
        self.join(
            &container,
            &Membership { network: network.clone(), config: config.clone(), hostname },
        )?;
        if container.is_running() {
            let request = Request::Connect { network: network.id.clone() };
            if let Err(error) = monitor::ask(self.engine, &container.id, &request) {
                self.leave(&container, &network)?;
                return Err(error);
            }
        }
        self.emit(&network, "connect", about(&container));
        Ok(())
    }

    fn join(self, container: &Container, membership: &Membership) -> Result<(), Error> {
        let existing = memberships(self.engine.database().connection(), &container.id)?;
        if existing.iter().any(|row| row.network == membership.network.id) {
            return Err(Error::Conflict(format!(
                "endpoint with name {} already exists in network {}",
                container.name, membership.network.spec.name
            )));
        }
        self.engine.database().write(|t| {
            let sql = "SELECT coalesce(max(position), -1) + 1 FROM endpoint WHERE container = ?1";
            let position: usize = t.query_row(sql, [container.id.as_str()], |row| row.get(0))?;
            membership::join(t, &container.id, &container.name, position, membership)
        })
    }

    /// Takes a container out of a network. One that runs loses its interface at once.
    ///
    /// # Errors
    /// When one of the two does not exist (the container may be missing with `force`), or it is no part of it.
    pub fn disconnect(self, network: &str, container: &str, force: bool) -> Result<(), Error> {
        let network = self.find(network)?;
        let container = match self.engine.containers().find(container) {
            Err(Error::NoSuch { .. }) if force => return Ok(()),
            other => other?,
        };
        if network.spec.driver == "host" {
            return Err(Error::Conflict(
                "container cannot be connected to or disconnected from the host network".into(),
            ));
        }
        let existing = memberships(self.engine.database().connection(), &container.id)?;
        if !existing.iter().any(|row| row.network == network.id) {
            return Err(Error::Conflict(format!(
                "container {} is not connected to network {}",
                container.name, network.spec.name
            )));
        }
        if matches!(container.live.state.status, Status::Running | Status::Paused) {
            monitor::ask(
                self.engine,
                &container.id,
                &Request::Disconnect { network: network.id.clone() },
            )?;
        }
        self.leave(&container, &network)?;
        self.emit(&network, "disconnect", about(&container));
        Ok(())
    }

    fn leave(self, container: &Container, network: &Network) -> Result<(), Error> {
        self.engine.database().write(|t| {
            let values = params![container.id.as_str(), network.id];
            t.execute("DELETE FROM endpoint WHERE container = ?1 AND network = ?2", values)?;
            t.execute("DELETE FROM endpoint_name WHERE container = ?1 AND network = ?2", values)?;
            Ok(())
        })
    }
}

fn about(container: &Container) -> Map {
    Map::from([("container".to_owned(), container.id.as_str().to_owned())])
}
