//! The paths of a state directory.

use std::path::{Path, PathBuf};

/// The paths of one state directory. All of them lie below its root.
///
/// ```text
/// hako.db            the database
/// layers/<hex>/      an unpacked layer (by diff ID) with its tar recipe beside it
/// blobs/sha256/<hex> manifests and configurations
/// containers/<id>/   one container: upper and work directory, logs, hosts file, sockets
/// volumes/<name>/    one volume: `_data`, and what the engine keeps about it
/// base/              the mount points below every container's image
/// events.jsonl       what happened
/// build/             snapshots and cache mounts of builds
/// tmp/               what is being made; anything here without a live owner is debris
/// locks/             files that are locked
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Returns the paths below `root`, which need not exist yet and must be absolute.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns the state directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("hako.db")
    }

    /// Returns the directory of unpacked layers.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Returns the directory of manifests and configurations.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// Returns the directory of containers.
    #[must_use]
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// Returns the directory of volumes.
    #[must_use]
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// Returns the directory of builds.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// Returns the directory of what is being made.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Returns the directory of lock files.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// Returns the lowest layer of every container: the mount points that an image may lack.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        self.root.join("base")
    }

    /// Returns the journal of what happened.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// Makes the state directory and those in it where they are missing.
    ///
    /// The root is passable but not readable for others (0711), as Docker's is, so that containers' users reach
    /// their files and nobody lists them.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o711);
        builder.create(&self.root)?;
        for directory in [
            self.layers(),
            self.blobs(),
            self.containers(),
            self.volumes(),
            self.build(),
            self.tmp(),
            self.locks(),
        ] {
            builder.create(directory)?;
        }
        Ok(())
    }
}
