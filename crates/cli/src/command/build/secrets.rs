//! `--secret` and `--ssh`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hako_engine::build::Secret;

use crate::report::Failure;
use crate::session::Session;

/// Reads `id=name,src=path` and `id=name,env=NAME`.
///
/// # Errors
/// When one is malformed, or its file is not there.
pub(super) fn secrets(
    session: &Session,
    texts: &[String],
) -> Result<BTreeMap<String, Secret>, Failure> {
    let mut all = BTreeMap::new();
    for text in texts {
        let (id, secret) = one(session, text)
            .map_err(|why| Failure::new(format!("could not parse secrets: [{text}]: {why}")))?;
        all.insert(id, secret);
    }
    Ok(all)
}

fn one(session: &Session, text: &str) -> Result<(String, Secret), String> {
    let (mut id, mut source, mut env, mut kind) = (None, None, None, None);
    for field in text.split(',') {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"))?;
        match key.to_ascii_lowercase().as_str() {
            "id" => id = Some(value.to_owned()),
            "src" | "source" => source = Some(value.to_owned()),
            "env" => env = Some(value.to_owned()),
            "type" if matches!(value, "file" | "env") => kind = Some(value.to_owned()),
            "type" => return Err(format!("unsupported secret type \"{value}\"")),
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    let id = id
        .or_else(|| source.clone())
        .filter(|id| !id.is_empty())
        .ok_or("secret missing \"id\" field")?;
    if kind.as_deref() == Some("env") && env.is_none() {
        env = source.take();
    }
    let from_env =
        |name: &str| session.around.variable(name).map(|value| Secret::Value(value.into_bytes()));
    if let Some(name) = env {
        return Ok((id, from_env(&name).unwrap_or_else(|| Secret::Value(Vec::new()))));
    }
    if source.is_none()
        && let Some(secret) = from_env(&id)
    {
        return Ok((id, secret));
    }
    let source = source.unwrap_or_else(|| id.clone());
    let path = session.around.absolute(&source);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() || !meta.is_dir() => Ok((id, Secret::File(path))),
        Ok(_) => Err(format!("`{source}` is a directory")),
        Err(error) => Err(format!("failed to stat {source}: {}", crate::report::reason(&error))),
    }
}

/// Reads `default` and `id=socket`.
///
/// # Errors
/// When there is no agent.
pub(super) fn agents(
    session: &Session,
    texts: &[String],
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut all = BTreeMap::new();
    for text in texts {
        let (id, path) =
            text.split_once('=').map_or((text.as_str(), None), |(id, path)| (id, Some(path)));
        let path = match path {
            Some(path) => session.around.absolute(path),
            None => session.around.filled("SSH_AUTH_SOCK").map(PathBuf::from).ok_or_else(|| {
                Failure::new(format!(
                    "invalid empty ssh agent socket for `{id}`: make sure SSH_AUTH_SOCK is set"
                ))
            })?,
        };
        if !path.exists() {
            return Err(Failure::new(format!(
                "could not parse ssh: [{text}]: `{}` does not exist",
                path.display()
            )));
        }
        all.insert(id.to_owned(), path);
    }
    Ok(all)
}
