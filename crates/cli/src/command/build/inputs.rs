//! What is built from: the context, the Dockerfile, the rules of what is left out.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use hako_engine::build::{Context, Stdin, unpack_context};

use crate::report::{Failure, reason};
use crate::session::Session;

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// What is built from.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The Dockerfile's text.
    pub(super) text: String,
    /// What it is called in messages.
    pub(super) name: String,
    /// The main context, where there is one.
    pub(super) context: Option<Context>,
    _temporary: Option<Temporary>,
}

impl Inputs {
    /// Reads what `path` (a directory, or `-`) and `file` (`--file`) say.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(super) fn read(session: &Session, path: &str, file: Option<&str>) -> Result<Self, Failure> {
        if path == "-" {
            return Self::from_stdin(session, file);
        }
        if path.contains("://") || path.starts_with("git@") {
            return Err(Failure::new(format!("cannot build from the address `{path}`"))
                .with_hint("fetch it first and build from the directory"));
        }
        let directory = session.around.absolute(path);
        match fs::metadata(&directory) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(Failure::new(format!("the context must be a directory: {path}"))),
            Err(error) => {
                return Err(Failure::new(format!(
                    "unable to prepare context: path \"{path}\" not found: {}",
                    reason(&error)
                )));
            }
        }
        if file == Some("-") {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::io("cannot read the Dockerfile", &error))?;
            let context = Some(Context { ignore: None, directory });
            return Ok(Self { text, name: "Dockerfile".into(), context, _temporary: None });
        }
        let place = match file {
            Some(file) => session.around.absolute(file),
            None => default(&directory),
        };
        let text = dockerfile(&place)?;
        let context = Some(Context { ignore: own_ignore(&place), directory });
        Ok(Self { text, name: base(&place), context, _temporary: None })
    }

    fn from_stdin(session: &Session, file: Option<&str>) -> Result<Self, Failure> {
        let parent = session.engine()?.paths().tmp();
        let directory = parent.join(format!(
            "context-{}-{}",
            std::process::id(),
            hako_types::RandomId::random().as_str().get(..8).unwrap_or("x")
        ));
        fs::create_dir_all(&directory)
            .map_err(|error| Failure::io("cannot make a directory for the context", &error))?;
        let temporary = Temporary(directory.clone());
        match unpack_context(std::io::stdin(), &directory)? {
            Stdin::Dockerfile(text) => {
                if file.is_some_and(|file| file != "-") {
                    return Err(Failure::new(
                        "--file names a file of the context, and there is none",
                    ));
                }
                Ok(Self { text, name: "Dockerfile".into(), context: None, _temporary: None })
            }
            Stdin::Context => {
                let place = file.map_or_else(|| default(&directory), |file| directory.join(file));
                let text = dockerfile(&place)?;
                let context = Some(Context { ignore: own_ignore(&place), directory });
                Ok(Self { text, name: base(&place), context, _temporary: Some(temporary) })
            }
        }
    }
}

fn default(directory: &Path) -> PathBuf {
    let usual = directory.join("Dockerfile");
    let lower = directory.join("dockerfile");
    if !usual.exists() && lower.exists() { lower } else { usual }
}

fn base(path: &Path) -> String {
    path.file_name().map_or_else(|| "Dockerfile".into(), |name| name.to_string_lossy().into_owned())
}

fn dockerfile(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let why = reason(&error);
        Failure::new(format!("failed to read dockerfile: open {}: {why}", path.display()))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the rules that belong to this Dockerfile alone.
fn own_ignore(dockerfile: &Path) -> Option<String> {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(".dockerignore");
    fs::read_to_string(PathBuf::from(name)).ok()
}
