//! Containers: what they are, where they are kept, how they are found.
//!
//! A container is a row of the database (what was asked for as a [`Record`], what it does as [`Live`]) and a directory
//! (`containers/<id>`: its writable layer, logs, hosts file, lock and socket). While it runs, its monitor holds the
//! directory's lock; a row that says "running" without a holder of the lock is corrected by whoever sees it.

mod check;
mod commit;
mod create;
mod exec;
mod files;
mod hold;
mod inspect;
mod lifecycle;
mod limits;
mod mounts;
mod names;
mod prune;
mod remove;
pub(crate) mod rights;
pub(crate) mod rootfs;
pub(crate) mod spec;
mod stats;
mod update;

use std::path::PathBuf;

use hako_store::Lock;
use hako_store::rusqlite::{self, OptionalExtension, Row, params};
use hako_types::{ContainerId, Moment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Object;
use crate::model::{Config, HostConfig, Mount, MountPoint, State, Status};
use crate::{Engine, Error};

pub use commit::CommitRequest;
pub use create::{CreateRequest, Created};
pub use exec::ExecSpec;
pub use files::{PathStat, Placement};
pub(crate) use lifecycle::stop_signal;
pub use lifecycle::{StartOptions, Streams, Wait};
pub use limits::is_rlimit;
pub use prune::PruneFilter;
pub use remove::RemoveOptions;
pub use spec::INIT as TINY_INIT;
pub use stats::Stats;
pub use update::UpdateRequest;

/// The containers of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Containers<'a> {
    pub(crate) engine: &'a Engine,
}

/// What was decided when a container was made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Record {
    /// Its own configuration, merged with the image's.
    pub config: Config,
    /// What the machine gives it.
    pub host: HostConfig,
    /// The program.
    pub path: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<PlannedMount>,
    /// The platform of its image.
    pub platform: String,
}

/// A mount of a container, as it is told and as it is made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PlannedMount {
    /// As `inspect` tells it.
    pub point: MountPoint,
    /// As it was asked for, in long form.
    pub mount: Mount,
    /// Whether the volume was made for this container alone.
    #[serde(default)]
    pub anonymous: bool,
}

/// What changes while a container lives.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Live {
    /// What it does.
    pub state: State,
    /// How often its restart policy started it.
    #[serde(default)]
    pub restart_count: i64,
    /// Whether a person stopped it, so that `unless-stopped` leaves it alone.
    #[serde(default)]
    pub stopped_by_hand: bool,
}

/// A container, as it was when it was read.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without a slash.
    pub name: String,
    /// When it was made.
    pub created: Moment,
    /// Its image's id.
    pub image: String,
    /// What was decided when it was made.
    pub record: Record,
    /// What it does.
    pub live: Live,
}

impl Container {
    /// Returns its directory.
    #[must_use]
    pub fn directory(&self, engine: &Engine) -> PathBuf {
        engine.paths().containers().join(self.id.as_str())
    }

    /// Tells whether its program runs, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.live.state.status, Status::Running | Status::Paused)
    }
}

const COLUMNS: &str = "id, name, created, image, record, state";

impl<'a> Containers<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }

    /// Finds a container by its name, its id, or an unambiguous start of its id; the exact name wins.
    ///
    /// # Errors
    /// When there is none or there are several.
    pub fn find(self, name: &str) -> Result<Container, Error> {
        let id = self.find_id(name)?;
        self.load(&id)?.ok_or_else(|| Error::no_such(Object::Container, name))
    }

    /// Finds a container's id; see [`find`](Self::find).
    ///
    /// # Errors
    /// When there is none or there are several.
    pub fn find_id(self, name: &str) -> Result<ContainerId, Error> {
        let connection = self.engine.database().connection();
        let bare = name.strip_prefix('/').unwrap_or(name);
        if bare.is_empty() {
            return Err(Error::Invalid("invalid container name or ID: value is empty".into()));
        }
        let read = |row: &Row<'_>| row.get::<_, String>(0);
        let sql = "SELECT id FROM container WHERE id = ?1 UNION ALL SELECT id FROM container WHERE name = ?1 LIMIT 1";
        let exact = connection.prepare_cached(sql)?.query_row([bare], read).optional()?;
        if let Some(id) = exact {
            return parse_id(&id);
        }
        if !bare.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Error::no_such(Object::Container, name));
        }
        let mut statement = connection
            .prepare_cached("SELECT id FROM container WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2")?;
        let found: Vec<String> = statement.query_map([bare], read)?.collect::<Result<_, _>>()?;
        match found.as_slice() {
            [] => Err(Error::no_such(Object::Container, name)),
            [id] => parse_id(id),
            _ => Err(Error::Ambiguous { object: Object::Container, prefix: bare.to_owned() }),
        }
    }

    /// Returns all containers, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(self) -> Result<Vec<Container>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM container ORDER BY created DESC, id");
        let mut statement = self.engine.database().connection().prepare_cached(&sql)?;
        let rows: Vec<Container> = statement.query_map([], read_row)?.collect::<Result<_, _>>()?;
        drop(statement);
        // One that cannot be freed must not hide the others: it is told as it was written, and `system check` tells why.
        let corrected =
            |container: Container| self.corrected(container.clone()).unwrap_or(Some(container));
        Ok(rows.into_iter().filter_map(corrected).collect())
    }

    /// Reads the container with this id, if it is there.
    pub(crate) fn load(self, id: &ContainerId) -> Result<Option<Container>, Error> {
        match self.load_as_written(id)? {
            Some(container) => self.corrected(container),
            None => Ok(None),
        }
    }

    /// Reads the container with this id without asking whether its monitor lives.
    pub(crate) fn load_as_written(self, id: &ContainerId) -> Result<Option<Container>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM container WHERE id = ?1");
        let mut statement = self.engine.database().connection().prepare_cached(&sql)?;
        Ok(statement.query_row([id.as_str()], read_row).optional()?)
    }

    /// Writes what a container does.
    pub(crate) fn save_live(self, id: &ContainerId, live: &Live) -> Result<(), Error> {
        let text = to_json(live)?;
        self.engine.database().write(|t| {
            let sql = "UPDATE container SET state = ?2, status = ?3 WHERE id = ?1";
            let mut statement = t.prepare_cached(sql)?;
            statement.execute(params![id.as_str(), text, live.state.status.as_str()])?;
            Ok(())
        })
    }

    /// Writes what was decided about a container anew.
    pub(crate) fn save_record(self, id: &ContainerId, record: &Record) -> Result<(), Error> {
        let text = to_json(record)?;
        self.engine.database().write(|t| {
            t.execute(
                "UPDATE container SET record = ?2 WHERE id = ?1",
                params![id.as_str(), text],
            )?;
            Ok(())
        })
    }

    /// Returns where a container's lock lies.
    pub(crate) fn lock_path(self, id: &ContainerId) -> PathBuf {
        self.engine.paths().containers().join(id.as_str()).join("lock")
    }

    /// Returns the container as it really is: one that is said to run but has no monitor has ended, and what it
    /// held is freed.
    fn corrected(self, container: Container) -> Result<Option<Container>, Error> {
        let status = container.live.state.status;
        if !matches!(
            status,
            Status::Running | Status::Paused | Status::Restarting | Status::Removing
        ) {
            return Ok(Some(container));
        }
        let path = self.lock_path(&container.id);
        if Lock::is_held(&path).map_err(Error::io("lock", &path))? {
            return Ok(Some(container));
        }
        self.recover(&container.id)?;
        self.load_as_written(&container.id)
    }

    /// Frees what a container without a monitor holds, and records that it has ended. Nothing happens when somebody
    /// else is at it.
    pub(crate) fn recover(self, id: &ContainerId) -> Result<(), Error> {
        let path = self.lock_path(id);
        let lock = match Lock::try_exclusive(&path) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.forget(id);
            }
            Err(error) => return Err(Error::io("lock", &path)(error)),
        };
        let Some(mut container) = self.load_as_written(id)? else { return Ok(()) };
        crate::monitor::release(self.engine, &container)?;
        match container.live.state.status {
            Status::Removing => return self.delete(&container, lock),
            Status::Running | Status::Paused | Status::Restarting => {
                if container.record.host.auto_remove {
                    return self.delete(&container, lock);
                }
                let state = &mut container.live.state;
                state.status = Status::Exited;
                (state.running, state.paused, state.restarting, state.pid) =
                    (false, false, false, 0);
                state.exit_code = 137;
                state.error = "its monitor was killed".into();
                state.finished_at = Moment::now();
            }
            _ => return Ok(()),
        }
        self.save_live(id, &container.live)
    }
}

fn parse_id(text: &str) -> Result<ContainerId, Error> {
    text.parse().map_err(|error: hako_types::id::InvalidId| Error::Invalid(error.to_string()))
}

fn read_row(row: &Row<'_>) -> Result<Container, rusqlite::Error> {
    let (id, record, live): (String, String, String) = (row.get(0)?, row.get(4)?, row.get(5)?);
    Ok(Container {
        id: id.parse().map_err(|error| conversion(0, error))?,
        name: row.get(1)?,
        created: Moment::from_nanos(row.get(2)?),
        image: row.get(3)?,
        record: parse_json(4, &record)?,
        live: parse_json(5, &live)?,
    })
}

/// Reads the JSON of column `index`.
pub(crate) fn parse_json<T: DeserializeOwned>(
    index: usize,
    text: &str,
) -> Result<T, rusqlite::Error> {
    serde_json::from_str(text).map_err(|error| conversion(index, error))
}

/// Writes the JSON of a column.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::Invalid(format!("cannot be kept as JSON: {error}")))
}

fn conversion(
    index: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}
