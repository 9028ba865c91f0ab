//! Secrets and configs as files of a container.
//!
//! What lies in a file is mounted from there, so that a change shows at once. What comes from the environment or the
//! Compose file, or is to have an owner or a mode of its own, is written below the state directory, once per content, and
//! mounted read-only from there: it works with read-only roots, and never becomes part of a container's layer.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hako_compose::model::{Grant, Service};
use hako_engine::Engine;
use hako_engine::model::{BindOptions, Mount, MountKind};
use hako_types::Digest;

use crate::{Actual, Error, Wanted};

/// Where a secret's or config's content comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Origin {
    File(PathBuf),
    Text(String),
}

/// A file to be mounted.
#[derive(Clone, Debug, PartialEq)]
struct Planned {
    kind: &'static str,
    grant: Grant,
    target: String,
    origin: Origin,
}

/// Returns the directory of a project's contents.
pub(crate) fn directory(engine: &Engine, project: &str) -> PathBuf {
    engine.paths().root().join("projects").join(project)
}

/// Checks that everything that a service's secrets and configs hold is there.
///
/// # Errors
/// When a file or variable is missing; the message names it.
pub(crate) fn check(wanted: &Wanted, name: &str, service: &Service) -> Result<(), Error> {
    for planned in plan(wanted, name, service)? {
        if let Origin::File(path) = &planned.origin
            && let Err(error) = fs::metadata(path)
        {
            let reason = format!("the file `{}` cannot be read: {error}", path.display());
            return Err(missing(planned.kind, &planned.grant.source, name, reason));
        }
    }
    Ok(())
}

/// Returns the mounts of a service's secrets and configs, with their contents written where they have to be.
///
/// # Errors
/// When a file or variable is missing, or a content cannot be written.
pub(crate) fn mounts(
    engine: &Engine,
    wanted: &Wanted,
    name: &str,
    service: &Service,
) -> Result<Vec<Mount>, Error> {
    check(wanted, name, service)?;
    let directory = directory(engine, &wanted.project.name);
    plan(wanted, name, service)?
        .into_iter()
        .map(|planned| {
            let source = match &planned.origin {
                Origin::File(path) if is_plain(&planned.grant) => path.clone(),
                Origin::File(path) => {
                    let content = fs::read(path).map_err(Error::io("read", path))?;
                    write(&directory, &planned.grant, &content)?
                }
                Origin::Text(text) => write(&directory, &planned.grant, text.as_bytes())?,
            };
            Ok(Mount {
                kind: MountKind::Bind,
                source: source.to_string_lossy().into_owned(),
                target: planned.target,
                read_only: true,
                bind_options: Some(BindOptions::default()),
                ..Mount::default()
            })
        })
        .collect()
}

/// How old a content must be before it counts as left over: one that is younger may be on its way into a container.
const FRESH: Duration = Duration::from_secs(60);

/// Removes the contents that none of a project's containers has. What cannot be removed now goes with the project.
pub(crate) fn sweep(engine: &Engine, project: &str, containers: &[Actual]) {
    let mounts = containers.iter().flat_map(|actual| &actual.container.record.mounts);
    let used: BTreeSet<&Path> = mounts.map(|mount| Path::new(&mount.point.source)).collect();
    let Ok(entries) = fs::read_dir(directory(engine, project)) else { return };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > FRESH) && !used.contains(entry.path().as_path()) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn is_plain(grant: &Grant) -> bool {
    grant.uid.is_empty() && grant.gid.is_empty() && grant.mode.is_empty()
}

fn missing(kind: &'static str, name: &str, service: &str, reason: String) -> Error {
    Error::Grant { kind, name: name.to_owned(), service: service.to_owned(), reason }
}

fn plan(wanted: &Wanted, name: &str, service: &Service) -> Result<Vec<Planned>, Error> {
    let mut out = Vec::new();
    for grant in &service.secrets {
        let Some(secret) = wanted.project.secrets.get(&grant.source) else { continue };
        let sources = [&secret.file, &secret.environment, &secret.content];
        let origin = origin(wanted, sources, secret.external)
            .map_err(|reason| missing("secret", &grant.source, name, reason))?;
        let named = if grant.target.is_empty() { &grant.source } else { &grant.target };
        let target =
            if named.starts_with('/') { named.clone() } else { format!("/run/secrets/{named}") };
        out.push(Planned { kind: "secret", grant: grant.clone(), target, origin });
    }
    for grant in &service.configs {
        let Some(config) = wanted.project.configs.get(&grant.source) else { continue };
        let sources = [&config.file, &config.environment, &config.content];
        let origin = origin(wanted, sources, config.external)
            .map_err(|reason| missing("config", &grant.source, name, reason))?;
        let named = if grant.target.is_empty() { &grant.source } else { &grant.target };
        let target = format!("/{}", named.trim_start_matches('/'));
        out.push(Planned { kind: "config", grant: grant.clone(), target, origin });
    }
    Ok(out)
}

fn origin(
    wanted: &Wanted,
    [file, variable, content]: [&String; 3],
    external: bool,
) -> Result<Origin, String> {
    if external {
        return Err(
            "external secrets and configs are not supported: there is no swarm to hold them".into(),
        );
    }
    if !file.is_empty() {
        return Ok(Origin::File(PathBuf::from(file)));
    }
    if variable.is_empty() {
        return Ok(Origin::Text(content.clone()));
    }
    match wanted.variables.get(variable) {
        Some(value) => Ok(Origin::Text(value.clone())),
        None => Err(format!("the environment variable `{variable}` is not set")),
    }
}

/// Writes a content under a name that follows from it, its owner and its mode.
fn write(directory: &Path, grant: &Grant, content: &[u8]) -> Result<PathBuf, Error> {
    let mode = u32::from_str_radix(&grant.mode, 8).unwrap_or(0o444);
    let number = |text: &str| text.parse::<u32>().ok();
    let facts = format!("{mode:o} {} {}\n", grant.uid, grant.gid);
    let digest = Digest::of(&[facts.as_bytes(), content].concat());
    let path = directory.join(digest.hex());
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))
        .map_err(Error::io("set the mode of", directory))?;
    let draft = directory.join(format!(".{}-{:?}", digest.short(), std::thread::current().id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        chown(&draft, number(&grant.uid).or(Some(0)), number(&grant.gid).or(Some(0)))?;
        fs::set_permissions(&draft, Permissions::from_mode(mode))?;
        fs::rename(&draft, &path)
    };
    write().map_err(Error::io("write", &path))?;
    Ok(path)
}
