//! From files to a project.

mod consistency;
mod discovery;
mod environment;
mod extends;
mod finish;
mod hash;
mod include;
mod read;
mod select;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::interpolate::{Variable, variables};
use crate::merge::strip;
use crate::model::{Project, Service};
use crate::yaml::Node;

pub use discovery::{check_name, normalized_name};
use read::Reader;

/// Where files come from.
pub trait Files {
    /// Returns the text of a file. `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Returns whether a regular file is there.
    fn is_file(&self, path: &Path) -> bool;
}

/// What to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// The files (`-f`), in order; none: what the environment says, or what is found.
    pub files: Vec<String>,
    /// The current directory, absolute.
    pub directory: PathBuf,
    /// What relative paths are relative to (`--project-directory`); none: where the first file is.
    pub project_directory: Option<PathBuf>,
    /// The name (`-p`).
    pub name: Option<String>,
    /// The profiles that are on (`--profile`).
    pub profiles: Vec<String>,
    /// Files of variables (`--env-file`) in the place of `.env`.
    pub env_files: Vec<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Whether variables are filled.
    pub interpolate: bool,
    /// Whether relative paths become absolute.
    pub resolve_paths: bool,
    /// Whether `env_file` and names without value are resolved into `environment`.
    pub resolve_environment: bool,
    /// Whether the parts are checked against one another.
    pub check: bool,
}

impl Options {
    /// Returns options that load what is found at or above `directory` with `environment`.
    #[must_use]
    pub fn new(directory: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self {
            files: Vec::new(),
            directory,
            project_directory: None,
            name: None,
            profiles: Vec::new(),
            env_files: Vec::new(),
            environment,
            interpolate: true,
            resolve_paths: true,
            resolve_environment: true,
            check: true,
        }
    }
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The project, with the services that are on.
    pub project: Project,
    /// The services whose profile is off.
    pub disabled: BTreeMap<String, Service>,
    /// What relative paths are relative to.
    pub working_directory: PathBuf,
    /// The files, absolute.
    pub files: Vec<String>,
    /// The variables that the files were filled with.
    pub environment: BTreeMap<String, String>,
    /// The profiles that are on.
    pub profiles: BTreeSet<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The merged tree before it became a model; where variables were not filled, this is all there is.
    pub tree: Node,
    /// The variables that the files use.
    pub variables: Vec<Variable>,
    /// What secrets and configs hold that come from the environment or the text, as digests that change with it.
    pub(crate) contents: BTreeMap<String, String>,
}

/// Loads a project.
///
/// # Errors
/// When a file is missing or breaks a rule, or the parts contradict one another; the message names the place.
pub fn load(files: &dyn Files, options: &Options) -> Result<Loaded, Error> {
    let found = discovery::discover(files, options)?;
    let mut reader = Reader::new(files, options, &found);
    let (name, mut tree) = reader.project(options, &found)?;
    let mut used = Vec::new();
    for tree in &reader.unfilled {
        variables(tree, &mut used);
    }
    strip(&mut tree);
    finish::borrow(&mut tree, &reader.borrowed);
    let mut warnings = found.warnings.clone();
    warnings.extend(reader.warnings());
    let mut loaded = Loaded {
        project: Project { name, ..Project::default() },
        disabled: BTreeMap::new(),
        working_directory: found.directory.clone(),
        files: found.files.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        environment: reader.environment.clone(),
        profiles: found.profiles.iter().cloned().collect(),
        warnings,
        tree,
        variables: used,
        contents: BTreeMap::new(),
    };
    if options.interpolate {
        finish::finish(&mut loaded, files, options)?;
    }
    Ok(loaded)
}
