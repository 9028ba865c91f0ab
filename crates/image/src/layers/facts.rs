//! What is noted beside a layer's files.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use hako_types::{Digest, Moment};
use serde::{Deserialize, Serialize};

use super::Error;

/// What is known of a layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// The sizes of its files in bytes; a file with several names counts once.
    pub size: u64,
    /// The number of members of its tar.
    pub files: u64,
    /// The length of its tar in bytes.
    pub tar_size: u64,
    /// How it came about.
    pub origin: Origin,
    /// When it was made here.
    pub made: Moment,
    /// The boot that it was made in, until its data is known to be on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What later members of the tar replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<Shadow>,
}

/// How a layer came about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Unpacked from a tar.
    Unpacked,
    /// A directory that was made here.
    Made,
}

/// Something that a tar has twice: the first one lies in `shadow/`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Shadow {
    /// What the recipe calls it; as bytes, since names need not be text.
    pub path: Vec<u8>,
    /// Recorded files before this number are meant.
    pub before: u64,
}

impl Facts {
    /// Reads the facts of the layer in `directory`.
    pub(super) fn read(directory: &Path, diff_id: &Digest) -> Result<Self, Error> {
        let path = directory.join("facts.json");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing(diff_id.clone()));
            }
            other => other.map_err(Error::at("read", &path))?,
        };
        serde_json::from_slice(&bytes).map_err(Error::at("read", &path))
    }

    /// Writes the facts into `directory`; they appear whole.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let new = directory.join("facts.new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, directory.join("facts.json"))
    }
}
