//! `include`: other projects' files, each with its own directory and variables, taken in whole.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::load::environment::env_file;
use crate::load::read::Reader;
use crate::merge::{merge, strip};
use crate::yaml::{Map, Node, Value};

/// Takes what a tree includes into it.
pub(super) fn apply(
    reader: &mut Reader<'_>,
    tree: &mut Node,
    chain: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let Some(list) = tree.as_map_mut().and_then(|map| map.remove("include")) else { return Ok(()) };
    for item in list.as_list().unwrap_or_default() {
        let mut included = project(reader, item, chain)?;
        strip(&mut included);
        for section in ["services", "networks", "volumes", "secrets", "configs", "models"] {
            take(tree, included.get(section), section)?;
        }
    }
    Ok(())
}

fn texts<'a>(item: &'a Node, key: &str) -> Vec<&'a str> {
    item.get(key)
        .and_then(Node::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_text)
        .collect()
}

fn project(reader: &mut Reader<'_>, item: &Node, chain: &mut Vec<PathBuf>) -> Result<Node, Error> {
    let paths = texts(item, "path");
    let Some(first) = paths.first() else {
        return Err(Error::at(&item.span, "include", "`path` is missing"));
    };
    let directory = match item.get("project_directory").and_then(Node::as_text) {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(first).parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let outer = reader.environment.clone();
    let mut env_files: Vec<PathBuf> =
        texts(item, "env_file").into_iter().map(PathBuf::from).collect();
    if env_files.is_empty() {
        env_files.extend(Some(directory.join(".env")).filter(|path| reader.files.is_file(path)));
    }
    for path in env_files {
        let environment = &reader.environment;
        for (key, value) in
            env_file(reader.files, &path, "", &|name| environment.get(name).cloned())?
        {
            reader.environment.entry(key).or_insert(value);
        }
    }
    let merged = files(reader, item, &paths, &directory, chain);
    reader.environment = outer;
    merged
}

fn files(
    reader: &mut Reader<'_>,
    item: &Node,
    paths: &[&str],
    directory: &Path,
    chain: &mut Vec<PathBuf>,
) -> Result<Node, Error> {
    let mut merged: Option<Node> = None;
    for path in paths.iter().map(PathBuf::from) {
        if chain.contains(&path) {
            let names: Vec<String> =
                chain.iter().chain([&path]).map(|path| path.display().to_string()).collect();
            let message = format!("files include one another in a circle: {}", names.join(" -> "));
            return Err(Error::at(&item.span, "include", message));
        }
        chain.push(path.clone());
        let base = reader.base(directory);
        for tree in reader.parse(&path)? {
            let tree = reader.prepare(tree, &base, chain)?;
            merged = Some(match merged {
                None => tree,
                Some(merged) => merge(merged, tree, ""),
            });
        }
        chain.pop();
    }
    Ok(merged.unwrap_or_else(|| Node::new(Value::Map(Map::default()), &item.span)))
}

/// Takes a section in; a name may be there already only when it means the same.
fn take(tree: &mut Node, section: Option<&Node>, name: &str) -> Result<(), Error> {
    let (Some(section), Some(top)) = (section.and_then(Node::as_map), tree.as_map_mut()) else {
        return Ok(());
    };
    if top.get(name).is_none() {
        let Some((_, first)) = section.entries.first() else { return Ok(()) };
        top.set(name, Node::new(Value::Map(Map::default()), &first.span));
    }
    let Some(target) = top.get_mut(name).and_then(Node::as_map_mut) else { return Ok(()) };
    for (key, node) in &section.entries {
        match target.get(&key.text) {
            None => target.entries.push((key.clone(), node.clone())),
            Some(known) if known == node => {}
            Some(known) => {
                let message = format!(
                    "`{}` conflicts with the one that is included from {}",
                    key.text, node.span
                );
                return Err(Error::at(&known.span, name, message));
            }
        }
    }
    Ok(())
}
