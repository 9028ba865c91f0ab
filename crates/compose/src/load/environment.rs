//! Files of variables, read through [`Files`].

use std::collections::BTreeMap;
use std::path::Path;

use crate::dotenv;
use crate::error::Error;
use crate::load::Files;

/// Reads a file of variables; `format` is empty or `raw`.
pub(super) fn env_file(
    files: &dyn Files,
    path: &Path,
    format: &str,
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let text = files.read(path).map_err(|source| Error::Read {
        what: "the env file",
        path: path.to_owned(),
        source,
    })?;
    match format {
        "raw" => dotenv::parse_raw(path, &text, look_up),
        _ => dotenv::parse(path, &text, look_up),
    }
}
