//! Bundles: a directory with a `config.json`.

use std::fs;
use std::path::{Path, PathBuf};

use hako_runtime::spec::Spec;

use super::Failure;
use super::words::Parsed;

/// A bundle that was read.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    /// The configuration as it was written.
    pub(super) text: Vec<u8>,
    pub(super) spec: Spec,
}

impl Bundle {
    /// Reads the bundle that the options name, or the current directory.
    pub(super) fn read(parsed: &Parsed) -> Result<Self, Failure> {
        Self::at(Path::new(parsed.first(&["bundle", "b"]).unwrap_or(".")))
    }

    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        let path = fs::canonicalize(path)
            .map_err(|error| Failure::new(format!("bundle `{}`: {error}", path.display())))?;
        let file = path.join("config.json");
        let text = fs::read(&file)
            .map_err(|error| Failure::new(format!("open {}: {error}", file.display())))?;
        let spec = parse(&file, &text)?;
        Ok(Self { path, text, spec })
    }

    /// Returns the absolute path of the root file system.
    pub(super) fn rootfs(&self) -> Result<PathBuf, Failure> {
        let root = self
            .spec
            .root
            .as_ref()
            .ok_or_else(|| Failure::new("the configuration has no `root`"))?;
        let path = self.path.join(&root.path);
        fs::canonicalize(&path)
            .map_err(|error| Failure::new(format!("invalid rootfs `{}`: {error}", path.display())))
    }
}

/// Reads a configuration.
pub(super) fn read(file: &Path) -> Result<Spec, Failure> {
    let text = fs::read(file)
        .map_err(|error| Failure::new(format!("open {}: {error}", file.display())))?;
    parse(file, &text)
}

fn parse(file: &Path, text: &[u8]) -> Result<Spec, Failure> {
    let spec: Spec = serde_json::from_slice(text)
        .map_err(|error| Failure::new(format!("parse {}: {error}", file.display())))?;
    // A major version has its own meaning of everything.
    if spec.oci_version.split('.').next() != Some("1") {
        return Err(Failure::new(format!("unsupported ociVersion `{}`", spec.oci_version)));
    }
    Ok(spec)
}
