//! What surrounds the program: the environment, the working directory. Read here and nowhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment and the working directory, or a stand-in for them.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    directory: PathBuf,
    variables: Option<BTreeMap<String, String>>,
}

impl Surroundings {
    /// Returns those of this process.
    pub(crate) fn real() -> Self {
        Self {
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            variables: None,
        }
    }

    /// Returns made-up ones.
    #[cfg(test)]
    pub(crate) fn for_tests(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self { directory: directory.to_owned(), variables: Some(variables) }
    }

    /// Returns an environment variable's value, where it is set and text.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match &self.variables {
            Some(variables) => variables.get(name).cloned(),
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the environment"
            )]
            None => std::env::var(name).ok(),
        }
    }

    /// Returns an environment variable's value where it is set and not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<String> {
        self.variable(name).filter(|value| !value.is_empty())
    }

    /// Returns the working directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns `path` as seen from the root, without `.` and `..` where the text alone tells.
    pub(crate) fn absolute(&self, path: &str) -> PathBuf {
        let mut all = PathBuf::new();
        for part in self.directory.join(path).components() {
            match part {
                std::path::Component::ParentDir => {
                    all.pop();
                }
                std::path::Component::CurDir => {}
                other => all.push(other),
            }
        }
        all
    }
}
