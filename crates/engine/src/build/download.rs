//! What `ADD` has from elsewhere: files by HTTP, and git repositories.
//!
//! It is fetched anew in each build; whether the step that copies it has to be done is decided by its content.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use hako_build::graph::DownloadOp;
use hako_build::{Failure, Record, Work};
use hako_types::{Hasher, Moment};

use super::workshop::{Workshop, say};
use crate::Error;

/// Fetches what a step names; it lies in a layer of its own until the build ends.
pub(super) fn download(
    shop: &Workshop<'_>,
    operation: &DownloadOp,
    work: &Work<'_>,
) -> Result<Record, Failure> {
    let making = shop.snapshots.begin().map_err(Failure::of)?;
    let directory = making.upper();
    if operation.is_git {
        clone(operation, &directory, work)?;
    } else {
        fetch(operation, &directory.join(&operation.name))?;
    }
    let layer = making.id.clone();
    shop.downloads.lock().unwrap_or_else(PoisonError::into_inner).push(making);
    Ok(Record {
        layer,
        size: 0,
        created: Moment::now(),
        description: work.name.to_owned(),
        kind: "source.http",
    })
}

fn failed(operation: &DownloadOp, why: impl std::fmt::Display) -> Failure {
    Failure::of(Error::Invalid(format!("cannot load `{}`: {why}", operation.url)))
}

fn fetch(operation: &DownloadOp, path: &Path) -> Result<(), Failure> {
    let io = |error| Failure::of(Error::io("write", path)(error));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .user_agent("hako")
        .build()
        .into();
    let mut response =
        agent.get(&operation.url).call().map_err(|error| failed(operation, error))?;
    let modified =
        response.headers().get("last-modified").and_then(|v| v.to_str().ok()).and_then(http_date);
    let mut file = File::create(path).map_err(io)?;
    let mut body = response.body_mut().as_reader();
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = body.read(&mut buffer).map_err(|error| failed(operation, error))?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        file.write_all(&buffer[..length]).map_err(io)?;
    }
    let digest = hasher.finish().to_string();
    if let Some(wanted) = operation.checksum.as_ref().filter(|wanted| **wanted != digest) {
        return Err(failed(operation, format_args!("its digest is {digest}, not {wanted}")));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
    file.set_modified(modified).map_err(io)
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(zoned.timestamp().as_second().try_into().ok()?))
}

/// Clones a repository (`url#reference:subdirectory`) with the caller's git.
fn clone(operation: &DownloadOp, directory: &Path, work: &Work<'_>) -> Result<(), Failure> {
    let (url, fragment) = operation.url.split_once('#').unwrap_or((&operation.url, ""));
    let (reference, below) = fragment.split_once(':').unwrap_or((fragment, ""));
    let run = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(directory).args(args).output();
        let output =
            output.map_err(|error| failed(operation, format_args!("cannot run git: {error}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(failed(operation, String::from_utf8_lossy(&output.stderr).trim()))
    };
    run(&["init", "-q"])?;
    run(&["remote", "add", "origin", url])?;
    let wanted = if reference.is_empty() { "HEAD" } else { reference };
    if run(&["fetch", "-q", "--depth", "1", "origin", wanted]).is_err() {
        run(&["fetch", "-q", "origin"])?;
        run(&["checkout", "-q", wanted])?;
    } else {
        run(&["checkout", "-q", "FETCH_HEAD"])?;
    }
    let commit = run(&["rev-parse", "HEAD"])?;
    say(work, &commit);
    if operation.checksum.as_ref().is_some_and(|wanted| !commit.starts_with(wanted.as_str())) {
        return Err(failed(operation, format_args!("its commit is {commit}")));
    }
    let io = |error| Failure::of(Error::io("prepare", directory)(error));
    if !operation.keep_git_dir {
        fs::remove_dir_all(directory.join(".git")).map_err(io)?;
    }
    if !below.is_empty() {
        let inner = directory.join(below);
        let aside = directory.with_extension("sub");
        fs::rename(&inner, &aside).map_err(io)?;
        fs::remove_dir_all(directory).map_err(io)?;
        fs::rename(&aside, directory).map_err(io)?;
    }
    Ok(())
}
