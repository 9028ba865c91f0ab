//! Where things lie: the checkout, its target directory.

use std::path::{Path, PathBuf};

/// Returns the root of the checkout that this program was built from.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Returns the directory that cargo builds into.
pub(crate) fn target() -> PathBuf {
    match variable("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Returns an environment variable's value, where it is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
