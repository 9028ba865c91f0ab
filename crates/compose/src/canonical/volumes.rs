//! Mounts of a service: `[SOURCE:]TARGET[:MODE]` and the long form.

use crate::canonical::grants::mode;
use crate::canonical::paths::clean;
use crate::canonical::{Base, forms};
use crate::error::{Error, Trail};
use crate::yaml::{Node, Value};

/// Every entry becomes the long form, with absolute sources.
pub(super) fn volumes(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    for (at, item) in items.iter_mut().enumerate() {
        let trail = trail.index(at);
        if item.is_reset() {
            continue;
        }
        match item.as_text() {
            Some(text) => {
                let value = short(text, item, base).map_err(|message| {
                    Error::at(&item.span, trail, format!("`{text}` is not a volume: {message}"))
                })?;
                item.value = value;
            }
            None => long(item, trail, base)?,
        }
    }
    Ok(())
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn target(path: &str) -> Value {
    text(clean(std::path::Path::new(path)).to_string_lossy())
}

fn short(spec: &str, at: &Node, base: &Base) -> Result<Value, String> {
    let parts: Vec<&str> = spec.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("an empty part between colons".into());
    }
    let (source, path, modes) = match parts[..] {
        [path] => {
            return Ok(forms::map(
                at,
                [
                    ("type", text("volume")),
                    ("target", target(path)),
                    ("volume", forms::map(at, [])),
                ],
            ));
        }
        [source, path] => (source, path, ""),
        [source, path, modes] => (source, path, modes),
        _ => return Err("too many colons".into()),
    };
    let is_path = source.starts_with(['.', '/', '~']);
    let mut fields = vec![("type", text(if is_path { "bind" } else { "volume" }))];
    fields.push(("source", if is_path { text(base.absolute(source)) } else { text(source) }));
    fields.push(("target", target(path)));
    let mut bind = Vec::new();
    let mut volume = Vec::new();
    for word in modes.split(',').filter(|word| !word.is_empty()) {
        match word {
            "rw" => {}
            "ro" => fields.push(("read_only", Value::Bool(true))),
            "nocopy" => volume.push(("nocopy", Value::Bool(true))),
            "z" | "Z" => bind.push(("selinux", text(word))),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                bind.push(("propagation", text(word)));
            }
            "consistent" | "cached" | "delegated" => fields.push(("consistency", text(word))),
            _ => return Err(format!("unknown mode `{word}`")),
        }
    }
    if is_path {
        bind.push(("create_host_path", Value::Bool(true)));
        fields.push(("bind", forms::map(at, bind)));
    } else {
        fields.push(("volume", forms::map(at, volume)));
    }
    Ok(forms::map(at, fields))
}

fn long(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    let has = |key| node.get(key).and_then(Node::as_text).is_some_and(|text| !text.is_empty());
    if !has("target") {
        return Err(Error::at(&node.span, trail, "`target` is missing"));
    }
    let kind = match node.get("type").and_then(Node::as_text) {
        Some(kind) => kind.to_owned(),
        None => return Err(Error::at(&node.span, trail, "`type` is missing")),
    };
    if kind == "bind" && !has("source") {
        return Err(Error::at(&node.span, trail, "a bind mount needs a `source`"));
    }
    if kind == "bind" {
        forms::default(node, "bind", forms::map(node, []));
    }
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    if kind == "bind"
        && let Some(source) = map.get_mut("source")
        && let Some(text) = source.as_text()
    {
        source.value = Value::Text(base.absolute(text));
    }
    if let Some(node) = map.get_mut("target")
        && let Some(path) = node.as_text()
    {
        node.value = target(path);
    }
    if let Some(bind) = map.get_mut("bind") {
        forms::default(bind, "create_host_path", Value::Bool(true));
    }
    if let Some(labels) =
        map.get_mut("volume").and_then(Node::as_map_mut).and_then(|map| map.get_mut("labels"))
    {
        forms::labels(labels, trail, base)?;
    }
    if let Some(tmpfs) = map.get_mut("tmpfs").and_then(Node::as_map_mut) {
        if let Some(size) = tmpfs.get_mut("size") {
            forms::size(size, trail.key("tmpfs.size"), base)?;
        }
        if let Some(node) = tmpfs.get_mut("mode") {
            mode(node, trail.key("tmpfs.mode"))?;
        }
    }
    Ok(())
}
