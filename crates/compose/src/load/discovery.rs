//! Which files, which directory, which name, which profiles, which `.env`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::canonical::clean;
use crate::error::Error;
use crate::load::environment::env_file;
use crate::load::{Files, Options};

const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What was found.
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    pub(super) directory: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) profiles: Vec<String>,
    pub(super) warnings: Vec<String>,
}

pub(super) fn discover(files: &dyn Files, options: &Options) -> Result<Found, Error> {
    let mut environment = options.environment.clone();
    let start = options.project_directory.clone().unwrap_or_else(|| options.directory.clone());
    let env_files = env_files(options);
    load_env_files(files, options, &env_files, &start, &mut environment)?;
    let mut warnings = Vec::new();
    let named = named_files(options, &environment);
    let found = if named.is_empty() { search(files, &start, &mut warnings)? } else { named };
    let directory = match &options.project_directory {
        Some(directory) => clean(&options.directory.join(directory)),
        None => match found.first() {
            Some(first) if first.as_os_str() != "-" => {
                first.parent().unwrap_or(Path::new("/")).to_owned()
            }
            _ => options.directory.clone(),
        },
    };
    load_env_files(files, options, &env_files, &directory, &mut environment)?;
    let mut profiles = options.profiles.clone();
    if profiles.is_empty() {
        let listed = environment.get("COMPOSE_PROFILES").map_or("", String::as_str);
        profiles.extend(
            listed.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
        );
    }
    Ok(Found { files: found, directory, environment, profiles, warnings })
}

fn env_files(options: &Options) -> Vec<String> {
    if !options.env_files.is_empty() {
        return options.env_files.clone();
    }
    let listed = options.environment.get("COMPOSE_ENV_FILES").map_or("", String::as_str);
    listed.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Adds what the files of variables say; the environment wins, then later files.
fn load_env_files(
    files: &dyn Files,
    options: &Options,
    named: &[String],
    directory: &Path,
    environment: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let disabled = options.environment.get("COMPOSE_DISABLE_ENV_FILE").is_some_and(|text| {
        ["1", "true", "t", "yes"].contains(&text.to_ascii_lowercase().as_str())
    });
    let mut values = BTreeMap::new();
    if named.is_empty() {
        let path = directory.join(".env");
        if disabled || !files.is_file(&path) {
            return Ok(());
        }
        values = env_file(files, &path, "", &|name| environment.get(name).cloned())?;
    }
    for name in named {
        let path = clean(&options.directory.join(name));
        let look_up = |name: &str| environment.get(name).or_else(|| values.get(name)).cloned();
        let more = env_file(files, &path, "", &look_up)?;
        values.extend(more);
    }
    for (key, value) in values {
        environment.entry(key).or_insert(value);
    }
    Ok(())
}

fn named_files(options: &Options, environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let absolute = |name: &str| match name {
        "-" => PathBuf::from("-"),
        name => clean(&options.directory.join(name)),
    };
    if !options.files.is_empty() {
        return options.files.iter().map(|name| absolute(name)).collect();
    }
    let separator = environment.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
    let listed = environment.get("COMPOSE_FILE").map_or("", String::as_str);
    listed
        .split(separator.map_or(":", String::as_str))
        .filter(|name| !name.is_empty())
        .map(absolute)
        .collect()
}

/// Looks for a Compose file in a directory and above it, with the override beside it.
fn search(
    files: &dyn Files,
    start: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, Error> {
    for directory in start.ancestors() {
        let there: Vec<PathBuf> = NAMES
            .iter()
            .map(|name| directory.join(name))
            .filter(|path| files.is_file(path))
            .collect();
        let Some(first) = there.first() else { continue };
        if there.len() > 1 {
            let names: Vec<String> = there.iter().map(|path| path.display().to_string()).collect();
            warnings.push(format!(
                "Found multiple config files with supported names: {}",
                names.join(", ")
            ));
            warnings.push(format!("Using {}", first.display()));
        }
        let mut found = vec![first.clone()];
        found.extend(
            OVERRIDES.iter().map(|name| directory.join(name)).find(|path| files.is_file(path)),
        );
        return Ok(found);
    }
    Err(Error::NoFile(start.to_owned()))
}

/// Returns the project name that a directory's name gives: lower case, letters, digits, `-` and `_`.
#[must_use]
pub fn normalized_name(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// Checks a project name that somebody chose.
///
/// # Errors
/// When it has other letters than lower case ones, digits, `-` and `_`, or begins with one of the last two.
pub fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let starts = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.starts_with(starts) && name.chars().all(fits) {
        Ok(())
    } else {
        Err(Error::ProjectName(name.to_owned()))
    }
}
