//! The wanted state in the database.

use hako_engine::Engine;
use hako_store::rusqlite::{OptionalExtension, params};
use hako_store::{Lock, Room};

use crate::{Error, Wanted};

/// The tables of projects.
pub const ROOM: Room = Room {
    name: "project",
    steps: &["
CREATE TABLE project (
    name TEXT PRIMARY KEY,
    wanted TEXT NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"],
};

/// Waits until nobody else changes the project's containers, and keeps others from it until the lock is dropped.
///
/// Whoever plans takes it before looking at what is there: a plan is about that moment.
///
/// # Errors
/// When the lock cannot be taken.
pub fn lock(engine: &Engine, name: &str) -> Result<Lock, Error> {
    let path = engine.paths().locks().join(format!("project-{name}"));
    Lock::exclusive(&path).map_err(Error::io("lock", path))
}

/// Keeps what is wanted.
///
/// # Errors
/// When the database fails.
pub fn remember(engine: &Engine, wanted: &Wanted) -> Result<(), Error> {
    let text = serde_json::to_string(wanted).unwrap_or_default();
    engine.database().write(|transaction| {
        transaction.execute(
            "INSERT INTO project (name, wanted, changed) VALUES (?1, ?2, unixepoch()) \
             ON CONFLICT (name) DO UPDATE SET wanted = excluded.wanted, changed = excluded.changed",
            params![wanted.project.name, text],
        )?;
        Ok(())
    })
}

/// Returns what was wanted last of the project of this name.
///
/// # Errors
/// When the database fails.
pub fn recall(engine: &Engine, name: &str) -> Result<Option<Wanted>, Error> {
    let text: Option<String> = engine
        .database()
        .connection()
        .query_row("SELECT wanted FROM project WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Forgets a project, with the contents of secrets and configs that were kept for it.
///
/// # Errors
/// When the database fails or the contents cannot be removed.
pub fn forget(engine: &Engine, name: &str) -> Result<(), Error> {
    let directory = crate::grants::directory(engine, name);
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", directory)(error));
        }
        _ => {}
    }
    engine.database().write(|transaction| {
        transaction.execute("DELETE FROM project WHERE name = ?1", [name])?;
        Ok(())
    })
}
