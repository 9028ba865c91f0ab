//! Volumes: directories that outlive containers.

mod fill;
mod mounted;

use std::path::PathBuf;

use hako_store::rusqlite::{OptionalExtension, Row, params};
use hako_types::{Moment, ObjectName, RandomId};

use crate::error::Object;
use crate::model::{Map, VolumeInspect, VolumeSpec};
use crate::{Engine, Error};

/// The volumes of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Volumes<'a>(&'a Engine);

/// A volume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What was asked for, with its name.
    pub spec: VolumeSpec,
    /// When it was made.
    pub created: Moment,
    /// Whether nobody named it: it goes with the last container that uses it.
    pub anonymous: bool,
}

impl<'a> Volumes<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self(engine)
    }

    /// Makes the volume that `spec` asks for, or returns the one that has its name.
    ///
    /// # Errors
    /// When the name or the driver is none, or a volume of that name has another driver.
    pub fn create(self, spec: &VolumeSpec) -> Result<Volume, Error> {
        let mut spec = spec.clone();
        let anonymous = spec.name.is_empty();
        if anonymous {
            spec.name = RandomId::random().as_str().to_owned();
        } else {
            let checked: Result<ObjectName, _> = spec.name.parse();
            checked.map_err(|error| Error::Invalid(format!("invalid volume name: {error}")))?;
        }
        if spec.driver.is_empty() {
            spec.driver = "local".into();
        }
        if spec.driver != "local" {
            return Err(Error::Invalid(format!(
                "no volume driver is called `{}`: there is `local`",
                spec.driver
            )));
        }
        check_options(&spec.driver_opts)?;
        if let Some(found) = self.get(&spec.name)? {
            return Ok(found);
        }
        self.insert(spec, anonymous)
    }

    fn insert(self, spec: VolumeSpec, anonymous: bool) -> Result<Volume, Error> {
        let volume = Volume { spec, created: Moment::now(), anonymous };
        let record = serde_json::to_string(&volume.spec)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let name = volume.spec.name.as_str();
        let rows = self.0.database().write(|t| {
            let sql = "INSERT OR IGNORE INTO volume (name, created, anonymous, record) VALUES (?1, ?2, ?3, ?4)";
            t.execute(sql, params![name, volume.created.nanos(), anonymous, record]).map_err(Error::from)
        })?;
        let data = self.data(name);
        std::fs::create_dir_all(&data).map_err(Error::io("create", &data))?;
        if rows == 0 {
            return self.find(name);
        }
        self.0.events().emit("volume", "create", name, attributes());
        Ok(volume)
    }

    /// Returns the volume of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(self, name: &str) -> Result<Volume, Error> {
        self.get(name)?.ok_or_else(|| Error::no_such(Object::Volume, name))
    }

    /// Returns the volume of this name, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn get(self, name: &str) -> Result<Option<Volume>, Error> {
        let sql = "SELECT created, anonymous, record FROM volume WHERE name = ?1";
        let mut statement = self.0.database().connection().prepare_cached(sql)?;
        Ok(statement.query_row([name], read_row).optional()?)
    }

    /// Returns all volumes, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(self) -> Result<Vec<Volume>, Error> {
        let sql = "SELECT created, anonymous, record FROM volume ORDER BY name";
        let mut statement = self.0.database().connection().prepare_cached(sql)?;
        let rows = statement.query_map([], read_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns what `volume inspect` prints.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn inspect(self, name: &str) -> Result<VolumeInspect, Error> {
        let volume = self.find(name)?;
        let some = |map: Map| (!map.is_empty()).then_some(map);
        Ok(VolumeInspect {
            created_at: Moment::from_seconds(volume.created.seconds()),
            driver: volume.spec.driver,
            labels: some(volume.spec.labels),
            mountpoint: self.data(name).to_string_lossy().into_owned(),
            name: volume.spec.name,
            options: some(volume.spec.driver_opts),
            scope: "local".into(),
        })
    }

    /// Returns the ids of the containers that use this volume, running or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn users(self, name: &str) -> Result<Vec<String>, Error> {
        let sql = "SELECT container FROM volume_use WHERE volume = ?1 ORDER BY container";
        let mut statement = self.0.database().connection().prepare_cached(sql)?;
        let rows = statement.query_map([name], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes a volume and what is in it.
    ///
    /// # Errors
    /// When there is none, or a container uses it, running or not.
    pub fn remove(self, name: &str) -> Result<(), Error> {
        self.find(name)?;
        self.unmount_if_unused(name);
        let users = self.users(name)?;
        if !users.is_empty() {
            return Err(Error::Conflict(format!(
                "volume `{name}` is in use by {}",
                users.join(", ")
            )));
        }
        self.delete(name)
    }

    /// Removes a volume that nothing uses; what uses it by then keeps it.
    pub(crate) fn delete(self, name: &str) -> Result<(), Error> {
        let gone = self.0.database().write(|t| {
            let sql = "DELETE FROM volume WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM volume_use WHERE volume = ?1)";
            t.execute(sql, [name]).map_err(Error::from)
        })?;
        if gone == 0 {
            return Ok(());
        }
        let path = self.0.paths().volumes().join(name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
        self.0.events().emit("volume", "destroy", name, attributes());
        Ok(())
    }

    /// Returns where a volume's files lie.
    #[must_use]
    pub fn data(self, name: &str) -> PathBuf {
        self.0.paths().volumes().join(name).join("_data")
    }
}

fn attributes() -> Map {
    Map::from([("driver".to_owned(), "local".to_owned())])
}

/// The `local` driver knows what `mount(8)` needs: a type, a device and options.
fn check_options(options: &Map) -> Result<(), Error> {
    for name in options.keys() {
        if !matches!(name.as_str(), "type" | "device" | "o" | "size") {
            return Err(Error::Invalid(format!(
                "invalid option `{name}` of a local volume: there are type, device, o and size"
            )));
        }
    }
    for (given, needed) in [("o", "device"), ("o", "type"), ("device", "type"), ("type", "device")]
    {
        if options.contains_key(given) && !options.contains_key(needed) {
            return Err(Error::Invalid(format!("missing required option: \"{needed}\"")));
        }
    }
    Ok(())
}

fn read_row(row: &Row<'_>) -> Result<Volume, hako_store::rusqlite::Error> {
    let record: String = row.get(2)?;
    Ok(Volume {
        spec: crate::container::parse_json(2, &record)?,
        created: Moment::from_nanos(row.get(0)?),
        anonymous: row.get(1)?,
    })
}
