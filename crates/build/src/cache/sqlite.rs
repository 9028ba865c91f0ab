//! The cache in the engine's database.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hako_store::rusqlite::{self, OptionalExtension};
use hako_store::{Database, Error, Room};
use hako_types::Moment;

use super::{Cache, Record};
use crate::graph::LayerId;
use crate::key::Key;

/// The tables of the builder.
///
/// A layer is named by its snapshot; once an image has it, `diff_id` says which of the image store's layers it has become.
pub const ROOM: Room = Room {
    name: "build",
    steps: &["
CREATE TABLE build_layer (
    id TEXT PRIMARY KEY,
    diff_id TEXT,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 1,
    kind TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;
CREATE INDEX build_layer_diff ON build_layer (diff_id);
CREATE TABLE build_cache (
    key TEXT PRIMARY KEY,
    layer TEXT NOT NULL REFERENCES build_layer (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX build_cache_layer ON build_cache (layer);
CREATE TABLE build_content (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"],
};

/// Remembers in the database of a state directory.
#[derive(Debug)]
pub struct SqliteCache {
    database: Mutex<Database>,
}

impl SqliteCache {
    /// Returns the cache in `database`, which was opened with [`ROOM`].
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database: Mutex::new(database) }
    }

    pub(super) fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the image store's name of a layer that an image has, where it has become one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn diff_id(&self, layer: &LayerId) -> Result<Option<String>, Error> {
        let database = self.database();
        let mut statement = database
            .connection()
            .prepare_cached("SELECT diff_id FROM build_layer WHERE id = ?1")?;
        Ok(statement.query_row([&layer.0], |row| row.get(0)).optional()?.flatten())
    }

    /// Notes that a layer has become the image store's layer `diff_id`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn adopted(&self, layer: &LayerId, diff_id: &str) -> Result<(), Error> {
        self.database().write(|t| {
            t.execute("UPDATE build_layer SET diff_id = ?2 WHERE id = ?1", (&layer.0, diff_id))?;
            Ok(())
        })
    }

    /// Forgets a layer and all that was stored under it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget(&self, layer: &LayerId) -> Result<(), Error> {
        self.database().write(|t| {
            t.execute("DELETE FROM build_layer WHERE id = ?1", [&layer.0])?;
            Ok(())
        })
    }
}

impl Cache for SqliteCache {
    fn lookup(&self, key: &Key) -> Result<Option<Record>, Error> {
        let database = self.database();
        let mut statement = database.connection().prepare_cached(
            "SELECT l.id, l.size, l.created, l.description FROM build_cache c JOIN build_layer l ON l.id = c.layer WHERE c.key = ?1",
        )?;
        let record = statement
            .query_row([&key.0], |row| {
                Ok(Record {
                    layer: LayerId(row.get(0)?),
                    size: row.get::<_, i64>(1)?.try_into().unwrap_or(0),
                    created: Moment::from_nanos(row.get(2)?),
                    description: row.get(3)?,
                    kind: "regular",
                })
            })
            .optional()?;
        Ok(record)
    }

    fn store(&self, key: &Key, record: &Record) -> Result<(), Error> {
        self.database().write(|t| -> Result<(), Error> {
            let size = i64::try_from(record.size).unwrap_or(i64::MAX);
            let now = Moment::now().nanos();
            let old: Option<String> =
                t.query_row("SELECT layer FROM build_cache WHERE key = ?1", [&key.0], |row| row.get(0)).optional()?;
            t.execute(
                "INSERT INTO build_layer (id, size, created, used, kind, description) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (id) DO UPDATE SET used = excluded.used",
                (&record.layer.0, size, record.created.nanos(), now, record.kind, &record.description),
            )?;
            t.execute("INSERT OR REPLACE INTO build_cache (key, layer) VALUES (?1, ?2)", (&key.0, &record.layer.0))?;
            if let Some(old) = old.filter(|old| *old != record.layer.0) {
                orphan(t, &old)?;
            }
            Ok(())
        })
    }

    fn content(&self, key: &Key) -> Result<Option<String>, Error> {
        let database = self.database();
        let mut statement = database
            .connection()
            .prepare_cached("SELECT digest FROM build_content WHERE key = ?1")?;
        Ok(statement.query_row([&key.0], |row| row.get(0)).optional()?)
    }

    fn remember(&self, key: &Key, digest: &str) -> Result<(), Error> {
        self.database().write(|t| {
            t.execute(
                "INSERT OR REPLACE INTO build_content (key, digest, used) VALUES (?1, ?2, ?3)",
                (&key.0, digest, Moment::now().nanos()),
            )?;
            Ok(())
        })
    }
}

/// Marks a layer that no key leads to any more as unused since ever, so that it is the first to go.
fn orphan(t: &rusqlite::Transaction<'_>, layer: &str) -> Result<(), Error> {
    t.execute(
        "UPDATE build_layer SET used = 0 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM build_cache WHERE layer = ?1)",
        [layer],
    )?;
    Ok(())
}
