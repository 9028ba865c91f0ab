//! What a context has, and what keeps the rest out of it.

use std::fs;
use std::path::Path;

use hako_dockerfile::Ignore;
use hako_dockerfile::ignore::Matched;

use super::Context;
use crate::Error;

/// One file of a context, or a directory that is left out whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its path from the context.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// What leaves it out: the line of the `.dockerignore` and the pattern.
    pub rule: Option<String>,
}

/// Lists a context, sorted by path.
///
/// # Errors
/// When it cannot be read, or its `.dockerignore` is malformed.
pub fn list_context(context: &Context) -> Result<Vec<Listed>, Error> {
    let text = match &context.ignore {
        Some(text) => text.clone(),
        None => fs::read_to_string(context.directory.join(".dockerignore")).unwrap_or_default(),
    };
    let ignore =
        Ignore::parse(&text).map_err(|bad| Error::Invalid(format!(".dockerignore: {bad}")))?;
    let mut all = Vec::new();
    list(&context.directory, "", (&ignore, &Matched::default()), &mut all)?;
    Ok(all)
}

fn list(
    directory: &Path,
    prefix: &str,
    (ignore, above): (&Ignore, &Matched),
    all: &mut Vec<Listed>,
) -> Result<(), Error> {
    let entries = fs::read_dir(directory).map_err(Error::io("read", directory))?;
    let mut names: Vec<_> = entries.filter_map(Result::ok).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata().map_err(Error::io("look at", directory))?;
        let verdict = ignore.decide(&path, above);
        let is_entered = meta.is_dir() && (!verdict.is_out || ignore.must_enter(&path));
        if is_entered {
            list(&entry.path(), &format!("{path}/"), (ignore, &verdict.matched), all)?;
            continue;
        }
        let rule = verdict.rule.filter(|_| verdict.is_out).map(|at| {
            let rule = &ignore.rules()[at];
            format!("line {}: {}", rule.line, rule.text)
        });
        let path = if meta.is_dir() { format!("{path}/") } else { path };
        all.push(Listed { path, size: if meta.is_file() { meta.len() } else { 0 }, rule });
    }
    Ok(())
}
