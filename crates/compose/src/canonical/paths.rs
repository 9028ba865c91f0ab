//! Relative paths → absolute ones.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Trail};
use crate::yaml::{Node, Value};

/// What relative paths of a file are relative to.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// What `~` stands for.
    pub(crate) home: Option<PathBuf>,
    /// Whether paths stay as they are.
    pub(crate) keep: bool,
}

/// Removes `.` and `..` by name alone.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

impl Base {
    /// Returns the absolute form of a path as it stands in a file.
    pub(crate) fn absolute(&self, text: &str) -> String {
        if self.keep {
            return text.to_owned();
        }
        if let (Some(home), Some(rest)) = (&self.home, text.strip_prefix('~'))
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return clean(&home.join(rest.trim_start_matches('/'))).to_string_lossy().into_owned();
        }
        clean(&self.directory.join(text)).to_string_lossy().into_owned()
    }
}

/// A path becomes absolute.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn path(node: &mut Node, _: Trail<'_>, base: &Base) -> Result<(), Error> {
    if let Some(text) = node.as_text().filter(|text| !text.is_empty()) {
        node.value = Value::Text(base.absolute(text));
    }
    Ok(())
}

/// A build context becomes absolute, unless it is somewhere else or another service's image.
pub(super) fn context(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    match node.as_text() {
        Some(text) if is_elsewhere(text) => Ok(()),
        _ => path(node, trail, base),
    }
}

fn is_elsewhere(text: &str) -> bool {
    text.contains("://")
        || ["git@", "github.com/", "service:", "target:"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
}

/// The `device` of a volume that is a bind mount becomes absolute.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn bound_volume(node: &mut Node, _: Trail<'_>, base: &Base) -> Result<(), Error> {
    let Some(options) = node.as_map_mut().and_then(|map| map.get_mut("driver_opts")) else {
        return Ok(());
    };
    let is_bind = options.get("o").and_then(Node::as_text).is_some_and(|options| {
        options.split(',').any(|option| option == "bind" || option == "rbind")
    });
    if is_bind
        && let Some(device) = options.as_map_mut().and_then(|map| map.get_mut("device"))
        && let Some(text) = device.as_text()
    {
        device.value = Value::Text(base.absolute(text));
    }
    Ok(())
}

/// An include becomes `{path: […], project_directory, env_file: […]}`.
pub(super) fn include(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.as_text().is_some() {
        let item = Node::new(std::mem::replace(&mut node.value, Value::Null), &node.span);
        node.value = super::forms::map(&item, [("path", item.value.clone())]);
    }
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    for key in ["path", "env_file"] {
        let Some(node) = map.get_mut(key) else { continue };
        super::forms::list(node, trail, base)?;
        if let Value::List(items) = &mut node.value {
            items.iter_mut().try_for_each(|item| path(item, trail, base))?;
        }
    }
    match map.get_mut("project_directory") {
        Some(node) => path(node, trail, base),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_by_name() {
        let base = Base { directory: "/p/q".into(), home: Some("/home/u".into()), keep: false };
        for (text, want) in [
            (".", "/p/q"),
            ("./a/../b", "/p/q/b"),
            ("../x", "/p/x"),
            ("/abs/./y/", "/abs/y"),
            ("~/z", "/home/u/z"),
            ("../../../x", "/x"),
        ] {
            assert_eq!(base.absolute(text), want, "{text}");
        }
    }
}
