//! Finds and executes the user's program.

use std::ffi::{CStr, CString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

use crate::Trouble;
use crate::channel::Failure;

/// Where programs are searched for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program that will replace init.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// Its arguments, the zeroth included.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
}

impl Program {
    /// Returns the value of a variable; the last setting counts.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let pairs = self.env.iter().rev().filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn name(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        Failure::Program(self.name().to_owned(), trouble)
    }

    /// Finds the program as a shell would, with the container's `PATH`.
    ///
    /// `overrides` says that it will have the capability to ignore permissions.
    pub(crate) fn find(&self, overrides: bool) -> Result<PathBuf, Failure> {
        let name = self.name();
        if name.contains('/') {
            let path = PathBuf::from(name);
            return match examine(&path, overrides) {
                None => Ok(path),
                Some(trouble) => Err(self.failure(trouble)),
            };
        }
        let paths = self.variable("PATH").unwrap_or(DEFAULT_PATH);
        let candidates = paths.split(':').filter(|directory| !directory.is_empty());
        let found = candidates
            .map(|directory| Path::new(directory).join(name))
            .find(|path| examine(path, overrides).is_none());
        found.filter(|_| !name.is_empty()).ok_or_else(|| self.failure(Trouble::NotInPath))
    }

    /// Becomes the program; returns only with the reason why not.
    pub(crate) fn execute(&self, path: &Path) -> Failure {
        let list = |items: &[String]| -> Result<Vec<CString>, std::ffi::NulError> {
            items.iter().map(|item| CString::new(item.as_str())).collect()
        };
        let path = CString::new(path.as_os_str().as_encoded_bytes());
        let (Ok(path), Ok(args), Ok(env)) = (path, list(&self.args), list(&self.env)) else {
            return self.failure(Trouble::Other(Errno::INVAL.raw_os_error()));
        };
        let args: Vec<&CStr> = args.iter().map(CString::as_c_str).collect();
        let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
        self.failure(trouble(&hako_sys::process::execute(&path, &args, &env)))
    }
}

/// Says what keeps a path from being executed, as far as can be seen without trying.
fn examine(path: &Path, overrides: bool) -> Option<Trouble> {
    let stat = match rustix::fs::stat(path) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR) => {
            return Some(Trouble::Missing(path.display().to_string()));
        }
        Err(Errno::ACCESS) => return Some(Trouble::Denied),
        Err(errno) => return Some(Trouble::Other(errno.raw_os_error())),
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Some(Trouble::Directory);
    }
    if overrides && stat.st_mode & 0o111 != 0 {
        return None;
    }
    match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => None,
        Err(Errno::ACCESS) => Some(Trouble::Denied),
        Err(errno) => Some(Trouble::Other(errno.raw_os_error())),
    }
}

fn trouble(error: &io::Error) -> Trouble {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        // It was there a moment ago: what is missing is the interpreter that it names.
        Some(Errno::NOENT) => Trouble::Interpreter,
        Some(Errno::ACCESS) => Trouble::Denied,
        Some(Errno::NOEXEC) => Trouble::Format,
        Some(Errno::ISDIR) => Trouble::Directory,
        other => Trouble::Other(other.map_or(0, Errno::raw_os_error)),
    }
}
