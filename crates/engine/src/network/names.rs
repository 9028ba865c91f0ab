//! Who has which name: the answers of the name server of one container.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hako_network::dns::Names;
use hako_store::rusqlite::{Connection, params};
use hako_types::ContainerId;

use crate::{Engine, Error};

/// The names that one container can use, read from the database at each question: no copy can be out of date.
#[derive(Debug)]
pub(crate) struct Directory {
    engine: Mutex<Engine>,
    container: ContainerId,
    links: Vec<(String, String)>,
}

impl Directory {
    /// Returns the names as `container` sees them; `links` are further names for names, its own alone.
    pub(crate) fn new(
        engine: Engine,
        container: ContainerId,
        links: Vec<(String, String)>,
    ) -> Self {
        Self { engine: Mutex::new(engine), container, links }
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, Error>) -> Option<T> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        ask(engine.database().connection()).ok()
    }
}

/// The addresses behind a name in the networks of a container that has them too.
const ADDRESSES: &str = "SELECT other.ipv4, other.ipv6 FROM endpoint own \
     JOIN endpoint_name n ON n.network = own.network \
     JOIN endpoint other ON other.network = n.network AND other.container = n.container \
     WHERE own.container = ?1 AND own.mac IS NOT NULL AND other.mac IS NOT NULL AND n.name = ?2";

/// The same in one network alone.
const ADDRESSES_IN: &str = "SELECT other.ipv4, other.ipv6 FROM endpoint own \
     JOIN network net ON net.id = own.network \
     JOIN endpoint_name n ON n.network = own.network \
     JOIN endpoint other ON other.network = n.network AND other.container = n.container \
     WHERE own.container = ?1 AND own.mac IS NOT NULL AND other.mac IS NOT NULL AND n.name = ?2 AND net.name = ?3";

/// The name and network of a container that has an address in a network of another one.
const NAME_OF: &str = "SELECT c.name, net.name FROM endpoint own \
     JOIN endpoint other ON other.network = own.network JOIN container c ON c.id = other.container \
     JOIN network net ON net.id = other.network \
     WHERE own.container = ?1 AND own.mac IS NOT NULL AND (other.ipv4 = ?2 OR other.ipv6 = ?2)";

/// Whether a container is in a network that has a way out.
const HAS_WAY_OUT: &str = "SELECT EXISTS (SELECT 1 FROM endpoint own JOIN network net ON net.id = own.network \
     WHERE own.container = ?1 AND own.mac IS NOT NULL AND NOT json_extract(net.record, '$.Internal'))";

impl Names for Directory {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let linked = self.links.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        let name = linked.map_or(name, |(_, target)| target.as_str());
        let container = self.container.as_str();
        let found = self.with(|connection| {
            let found = gather(connection, ADDRESSES, &[container, name])?;
            match name.rsplit_once('.') {
                Some((host, network)) if found.is_empty() => {
                    gather(connection, ADDRESSES_IN, &[container, host, network])
                }
                _ => Ok(found),
            }
        })?;
        (!found.is_empty()).then(|| found.into_iter().collect())
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(NAME_OF)?;
            let values = params![self.container.as_str(), address.to_string()];
            let read = |row: &hako_store::rusqlite::Row<'_>| {
                Ok(format!("{}.{}", row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            };
            Ok(statement.query_row(values, read)?)
        })
    }

    fn may_forward(&self) -> bool {
        let asked = self.with(|connection| {
            let mut statement = connection.prepare_cached(HAS_WAY_OUT)?;
            Ok(statement.query_row([self.container.as_str()], |row| row.get::<_, bool>(0))?)
        });
        asked.unwrap_or(false)
    }
}

fn gather(connection: &Connection, sql: &str, values: &[&str]) -> Result<BTreeSet<IpAddr>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(hako_store::rusqlite::params_from_iter(values))?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        for column in 0..2 {
            let text: Option<String> = row.get(column)?;
            found.extend(text.and_then(|text| text.parse::<IpAddr>().ok()));
        }
    }
    Ok(found)
}
