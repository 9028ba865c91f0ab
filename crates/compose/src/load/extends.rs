//! `extends`: a service made from another one, of the same file or of another.

use std::path::{Path, PathBuf};

use crate::canonical::Base;
use crate::error::{Error, Trail};
use crate::load::read::Reader;
use crate::merge::merge;
use crate::yaml::{Map, Node};

/// Replaces every service that extends another by the two of them merged.
pub(super) fn apply(
    reader: &mut Reader<'_>,
    tree: &mut Node,
    base: &Base,
    chain: &[PathBuf],
) -> Result<(), Error> {
    let names: Vec<String> = match tree.get("services").and_then(Node::as_map) {
        Some(services) => services
            .entries
            .iter()
            .filter(|(_, node)| node.get("extends").is_some())
            .map(|(key, _)| key.text.clone())
            .collect(),
        None => return Ok(()),
    };
    for name in names {
        let mut seen = Vec::new();
        let file = chain.last().cloned().unwrap_or_default();
        let merged = resolve(reader, tree, &name, &mut Way { base, file: &file, seen: &mut seen })?;
        if let Some(services) =
            tree.as_map_mut().and_then(|map| map.get_mut("services")).and_then(Node::as_map_mut)
        {
            services.set(&name, merged);
        }
    }
    Ok(())
}

/// How we came here.
struct Way<'a> {
    base: &'a Base,
    file: &'a Path,
    seen: &'a mut Vec<(PathBuf, String)>,
}

fn resolve(
    reader: &mut Reader<'_>,
    tree: &Node,
    name: &str,
    way: &mut Way<'_>,
) -> Result<Node, Error> {
    let services = tree.get("services").and_then(Node::as_map);
    let Some(mut own) = services.and_then(|services| services.get(name)).cloned() else {
        return Err(Error::inconsistent(format!(
            "cannot extend service `{name}` in {}: service not found",
            way.file.display()
        )));
    };
    let Some(extends) =
        own.as_map_mut().and_then(|map| map.remove("extends")).filter(|node| !node.is_reset())
    else {
        return Ok(own);
    };
    let here = (way.file.to_owned(), name.to_owned());
    if way.seen.contains(&here) {
        let names: Vec<&str> =
            way.seen.iter().map(|(_, name)| name.as_str()).chain([name]).collect();
        let message = format!("services extend one another in a circle: {}", names.join(" -> "));
        return Err(Error::at(&extends.span, format!("services.{name}.extends"), message));
    }
    way.seen.push(here);
    let target = extends.get("service").and_then(Node::as_text).unwrap_or_default().to_owned();
    let parent = match extends.get("file").and_then(Node::as_text) {
        Some(file) if Path::new(file) != way.file => foreign(reader, Path::new(file), &target, way)
            .map_err(|error| blame(error, &extends, name, &target))?,
        _ => {
            if services.is_none_or(|services| services.get(&target).is_none()) {
                let message = format!("cannot extend service `{target}`: service not found");
                return Err(Error::at(&extends.span, format!("services.{name}.extends"), message));
            }
            resolve(reader, tree, &target, way)?
        }
    };
    Ok(merge(parent, own, name))
}

/// Says who wanted a file that is not there.
fn blame(error: Error, extends: &Node, name: &str, target: &str) -> Error {
    match error {
        Error::Read { path, source, .. } => {
            let message =
                format!("cannot extend service `{target}` of `{}`: {source}", path.display());
            Error::at(&extends.span, Trail::Root.key("services").key(name).key("extends"), message)
        }
        error => error,
    }
}

fn foreign(
    reader: &mut Reader<'_>,
    file: &Path,
    target: &str,
    way: &mut Way<'_>,
) -> Result<Node, Error> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let base = Base { directory: directory.to_owned(), ..way.base.clone() };
    let mut merged: Option<Node> = None;
    for tree in reader.parse(file)? {
        let tree = reader.refine(tree, &base)?;
        merged = Some(match merged {
            None => tree,
            Some(merged) => merge(merged, tree, ""),
        });
    }
    let Some(tree) = merged else {
        return Err(Error::inconsistent(format!("`{}` is empty", file.display())));
    };
    let service = resolve(reader, &tree, target, &mut Way { base: &base, file, seen: way.seen })?;
    for section in ["networks", "volumes", "secrets", "configs"] {
        if let Some(Map { entries }) = tree.get(section).and_then(Node::as_map) {
            reader.borrowed.extend(
                entries.iter().map(|(key, node)| (section, key.text.clone(), node.clone())),
            );
        }
    }
    Ok(service)
}
