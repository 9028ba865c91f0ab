//! Where things lie: the paths of a state directory, its database, and its locks.
//!
//! An engine is a *state directory* (`/var/lib/hako`, or what `--root` says). Several processes use it at once and none
//! of them is in charge, so everything here is safe for that: the database is SQLite with a
//! write-ahead log, and a lock is a `flock(2)` on a file, which the kernel drops when its holder dies.
//!
//! The store knows no container: each room brings its own tables as a [`Room`].

mod database;
mod lock;
mod paths;

pub use database::{Database, Error, Room};
pub use lock::Lock;
pub use paths::Paths;
pub use rusqlite;
