//! Opening a state directory.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hako_image::Images;
use hako_store::{Database, Paths, Room};

use crate::container::Containers;
use crate::event::Events;
use crate::network::Networks;
use crate::system::System;
use crate::volume::Volumes;
use crate::{Error, schema};

/// What an engine is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The state directory, absolute.
    pub root: PathBuf,
    /// The program that is re-executed as monitor (`/proc/self/exe`).
    pub program: PathBuf,
    /// Tables of the rooms above the engine, the same in every process.
    pub rooms: &'static [Room],
}

/// One state directory and everything in it.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    paths: Paths,
    database: Database,
}

impl Engine {
    /// Opens the state directory, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made or opened, or a newer hako has used it.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let paths = Paths::new(settings.root.clone());
        let mut rooms = vec![hako_image::ROOM, hako_build::cache::ROOM, schema::ROOM];
        rooms.extend_from_slice(settings.rooms);
        if !paths.base().join("dev").exists() {
            paths.create().map_err(Error::io("create", paths.root()))?;
            make_base(&paths.base())?;
        }
        let database = Database::open(&paths.database(), &rooms)?;
        Ok(Self { settings, paths, database })
    }

    /// Opens the same state directory again, for another thread.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&self) -> Result<Self, Error> {
        Self::open(self.settings.clone())
    }

    /// Returns what the engine was opened with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns where things lie.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Returns the database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the database alone, for another thread.
    pub(crate) fn into_database(self) -> Database {
        self.database
    }

    /// Returns the containers.
    #[must_use]
    pub fn containers(&self) -> Containers<'_> {
        Containers::new(self)
    }

    /// Returns the images.
    ///
    /// # Errors
    /// When the layers cannot be looked at.
    pub fn images(&self) -> Result<Images<'_>, Error> {
        Images::new(&self.paths, &self.database).map_err(Error::below("cannot look at the images"))
    }

    /// Returns the networks.
    #[must_use]
    pub fn networks(&self) -> Networks<'_> {
        Networks::new(self)
    }

    /// Returns the volumes.
    #[must_use]
    pub fn volumes(&self) -> Volumes<'_> {
        Volumes::new(self)
    }

    /// Returns what happened.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events::new(self)
    }

    /// Returns the state directory as a whole.
    #[must_use]
    pub fn system(&self) -> System<'_> {
        System::new(self)
    }
}

/// Makes the lowest layer of every container: the mount points that an image may lack.
///
/// Because it lies below the image's own layers, owners and modes of the image's directories win, and nothing of it ever
/// counts as a change of the container.
fn make_base(base: &Path) -> Result<(), Error> {
    let make = |name: &str| {
        let path = base.join(name);
        std::fs::create_dir_all(&path).map_err(Error::io("create", &path))
    };
    for name in ["proc", "sys", "etc"] {
        make(name)?;
    }
    for name in ["etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv", ".hako-init"] {
        let path = base.join(name);
        std::fs::write(&path, "").map_err(Error::io("create", &path))?;
    }
    let mtab = base.join("etc/mtab");
    match symlink("/proc/mounts", &mtab) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &mtab)(error));
        }
        _ => {}
    }
    make("dev")
}
