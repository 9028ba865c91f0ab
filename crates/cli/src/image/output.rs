//! Files that archives are written to and read from.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use crate::report::{Failure, reason};
use crate::session::Session;

/// Where an archive goes: standard output, or a file that only appears when it is whole.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    place: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// Opens the file at `path`, or standard output, which must not be a terminal.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn open(session: &Session, path: Option<&str>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| !path.is_empty() && *path != "-") else {
            if crate::terminal::is_terminal(rustix::stdio::stdout()) {
                let hint = "use the -o flag or redirect";
                return Err(Failure::new("cowardly refusing to write an archive to a terminal")
                    .with_hint(hint));
            }
            return Ok(Self {
                writer: BufWriter::with_capacity(1 << 18, Box::new(io::stdout())),
                place: None,
            });
        };
        let target = session.around.absolute(path);
        let failed = |error: io::Error| Failure::new(format!("open {path}: {}", reason(&error)));
        // What is there and is no file (a pipe, a device) is written to as it is.
        if target.metadata().is_ok_and(|meta| !meta.is_file()) {
            let file = File::options().write(true).open(&target).map_err(failed)?;
            return Ok(Self {
                writer: BufWriter::with_capacity(1 << 18, Box::new(file)),
                place: None,
            });
        }
        let name =
            target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let partial = target.with_file_name(format!(".{name}.{}", std::process::id()));
        let file = File::create(&partial).map_err(failed)?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 18, Box::new(file)),
            place: Some((partial, target)),
        })
    }

    /// Returns where to write.
    pub(crate) fn writer(&mut self) -> &mut (dyn Write + Send) {
        &mut self.writer
    }

    /// Finishes: the file appears under its name.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub(crate) fn keep(mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| Failure::io("cannot write the archive", &error))?;
        if let Some((partial, target)) = self.place.take() {
            fs::rename(&partial, &target).map_err(|error| {
                Failure::io(format!("cannot write `{}`", target.display()), &error)
            })?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.place {
            fs::remove_file(partial).ok();
        }
    }
}

/// Opens the file at `path`, or standard input for nothing and `-`.
///
/// # Errors
/// When the file cannot be opened; the message names it.
pub(crate) fn input(session: &Session, path: Option<&str>) -> Result<Box<dyn Read>, Failure> {
    let Some(path) = path.filter(|path| !path.is_empty() && *path != "-") else {
        return Ok(Box::new(io::stdin()));
    };
    let file = File::open(session.around.absolute(path));
    let file = file.map_err(|error| Failure::new(format!("open {path}: {}", reason(&error))))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Failure::new(format!("open {path}: is a directory")));
    }
    Ok(Box::new(file))
}
