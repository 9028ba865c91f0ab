//! The database: SQLite with a write-ahead log, shared by all processes of one state directory.
//!
//! Every hako process is short-lived and often the last one to close the database, which is when SQLite by default
//! moves the log into the file (four `fsync`s, about 1 ms). So closing does not do that here
//! (`SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE`). But whoever opens a database that nobody else has open reads the whole log (4 ms for
//! a thousand pages, ten times what opening costs otherwise), so it is kept short: [`Database::settle`] moves it
//! where nobody waits.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hako_types::{Fault, Kind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use thiserror::Error;

/// The tables of one room of the house, as the steps that made them what they are.
///
/// A step, once released, is never changed: a change is one more step.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The room's name (`image`).
    pub name: &'static str,
    /// SQL statements, oldest first. Tables begin with the room's name by convention.
    pub steps: &'static [&'static str],
}

/// What the database refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not be opened.
    #[error("cannot open the database `{}`", path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer hako has used this state directory.
    #[error("the database `{}` was made by a newer hako (room `{room}`, step {found} of {known})", path.display())]
    Newer {
        /// Its file.
        path: PathBuf,
        /// The room that has more steps than this program knows.
        room: &'static str,
        /// How many steps the database has.
        found: usize,
        /// How many steps this program knows.
        known: usize,
    },
    /// A statement failed.
    #[error("the database failed")]
    Query(#[from] rusqlite::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Newer { .. } => Kind::Conflict,
            Self::Open { .. } | Self::Query(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, .. } => Some(format!(
                "check that `{}` can be written by you and that its disk is not full",
                path.display()
            )),
            Self::Newer { .. } => {
                Some("use the newer hako, or another state directory with `--root`".into())
            }
            Self::Query(_) => None,
        }
    }
}

/// How long a process waits for its turn to write.
const BUSY: Duration = Duration::from_secs(30);

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    log: PathBuf,
}

impl Database {
    /// Opens the database at `path`, makes it where it is missing, and brings the tables of `rooms` up to date.
    ///
    /// All processes of a program must pass the same rooms: the sum of their steps is how a database is
    /// recognised as current in one read.
    ///
    /// # Errors
    /// When the file cannot be opened or made, or a newer program has used it.
    pub fn open(path: &Path, rooms: &[Room]) -> Result<Self, Error> {
        let open = |source| Error::Open { path: path.to_owned(), source };
        // Environments with passwords are in it; SQLite gives its other files the same mode.
        if let Ok(file) = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            drop(file);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.busy_timeout(BUSY).map_err(open)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(open)?;
        connection
            .execute_batch("PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;")
            .map_err(open)?;
        let wanted: usize = rooms.iter().map(|room| room.steps.len()).sum();
        let found: usize =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(open)?;
        if found != wanted {
            migrate(&mut connection, path, rooms, wanted)?;
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Ok(Self { connection, log: log.into() })
    }

    /// Returns the connection, for reading.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Moves the log into the database when it has grown to `limit` bytes. To be called when nobody waits: it takes some
    /// milliseconds. When somebody else is at it, it is left to them.
    pub fn settle(&self, limit: u64) {
        if !std::fs::metadata(&self.log).is_ok_and(|meta| meta.len() >= limit) {
            return;
        }
        // A log that stays long costs time, not truth.
        let _unlimited = self.connection.busy_timeout(Duration::ZERO);
        let _later = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _limited = self.connection.busy_timeout(BUSY);
    }

    /// Runs `work` in a transaction that writes: it waits its turn at the start, so that what it reads stays true
    /// until it ends. It is rolled back when `work` returns an error.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Query`] when the transaction cannot begin or end.
    pub fn write<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .map_err(Error::Query)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(Error::Query)?;
        Ok(value)
    }
}

impl Drop for Database {
    /// Those who are known to have time keep the log short; this is for when there were none for long.
    fn drop(&mut self) {
        self.settle(1 << 20);
    }
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    rooms: &[Room],
    total: usize,
) -> Result<(), Error> {
    connection
        .execute_batch("PRAGMA journal_mode=WAL;")
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, steps INTEGER NOT NULL) STRICT",
    )?;
    for room in rooms {
        let done = transaction
            .query_row("SELECT steps FROM rooms WHERE name = ?1", [room.name], |row| {
                row.get::<_, usize>(0)
            })
            .or_else(|error| {
                if error == rusqlite::Error::QueryReturnedNoRows { Ok(0) } else { Err(error) }
            })?;
        let known = room.steps.len();
        if done > known {
            return Err(Error::Newer {
                path: path.to_owned(),
                room: room.name,
                found: done,
                known,
            });
        }
        for step in &room.steps[done..] {
            transaction.execute_batch(step)?;
        }
        transaction.execute(
            "INSERT OR REPLACE INTO rooms (name, steps) VALUES (?1, ?2)",
            (room.name, known),
        )?;
    }
    transaction.pragma_update(None, "user_version", total)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Room = Room { name: "thing", steps: &["CREATE TABLE thing (a TEXT) STRICT"] };
    const NEW: Room = Room {
        name: "thing",
        steps: &[OLD.steps[0], "ALTER TABLE thing ADD COLUMN b INTEGER NOT NULL DEFAULT 7"],
    };

    #[test]
    fn an_old_database_is_brought_up_to_date_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let database = Database::open(&path, &[OLD]).unwrap();
        database
            .write(|t| t.execute("INSERT INTO thing VALUES ('x')", []).map_err(Error::from))
            .unwrap();
        drop(database);
        let database = Database::open(&path, &[NEW]).unwrap();
        let b: i64 =
            database.connection().query_row("SELECT b FROM thing", [], |row| row.get(0)).unwrap();
        assert_eq!(b, 7);
        drop(database);
        assert!(matches!(
            Database::open(&path, &[OLD]),
            Err(Error::Newer { found: 2, known: 1, .. })
        ));
    }

    #[test]
    fn a_failed_transaction_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("db"), &[OLD]).unwrap();
        let result: Result<(), Error> = database.write(|t| {
            t.execute("INSERT INTO thing VALUES ('x')", [])?;
            t.execute("INSERT INTO nothing VALUES ('x')", [])?;
            Ok(())
        });
        assert!(result.is_err());
        let count: i64 = database
            .connection()
            .query_row("SELECT count(*) FROM thing", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn several_processes_may_open_a_new_database_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Database::open(&path, &[NEW]).unwrap());
            }
        });
    }
}
