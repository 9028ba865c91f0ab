//! Forms of single keys.

use crate::canonical::{Base, forms, words};
use crate::error::{Error, Trail};
use crate::yaml::{Key, Map, Node, Value};

/// `null` for a network, volume and the like is an empty mapping; `external: {name}` is `external: true`.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn external(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    if node.value == Value::Null {
        node.value = Value::Map(Map::default());
    }
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    let Some(external) = map.get_mut("external") else { return Ok(()) };
    if let Some(inner) = external.as_map_mut() {
        let name = inner.remove("name");
        external.value = Value::Bool(true);
        if let Some(name) = name {
            map.set("name", name);
        }
    }
    Ok(())
}

/// A `deploy` or `develop` of null says nothing.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn without_nulls(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    if let Some(map) = node.as_map_mut() {
        for key in ["deploy", "develop"] {
            if map.get(key).is_some_and(|node| node.value == Value::Null && !node.is_reset()) {
                map.remove(key);
            }
        }
    }
    Ok(())
}

/// A directory becomes `{context}`; what is not said is the current directory and `Dockerfile`.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn build(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    if node.as_text().is_some() {
        let context = std::mem::replace(&mut node.value, Value::Null);
        node.value = forms::map(node, [("context", context)]);
    }
    Ok(())
}

/// `default`, `[default, id=path]` and `{id: path}` become a list of `id=path`.
pub(super) fn ssh(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    forms::list(node, trail, base)?;
    if let Value::Map(Map { entries }) = &node.value {
        let line = |(key, node): &(Key, Node)| match node.scalar_text() {
            Some(value) => Node::text(format!("{}={value}", key.text), &node.span),
            None => Node::text(key.text.clone(), &node.span),
        };
        node.value = Value::List(entries.iter().map(line).collect());
    }
    Ok(())
}

/// A number stays; `{soft, hard}` become numbers.
pub(super) fn ulimit(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    match &mut node.value {
        Value::Map(Map { entries }) => {
            entries.iter_mut().try_for_each(|(_, node)| forms::integer(node, trail, base))
        }
        _ => forms::integer(node, trail, base),
    }
}

/// A list of services becomes a mapping, and conditions that are not said are started and required.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn depends_on(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    names(node, &Value::Map(Map::default()));
    let Some(Map { entries }) = node.as_map_mut() else { return Ok(()) };
    for (_, node) in entries.iter_mut().filter(|(_, node)| !node.is_reset()) {
        forms::default(node, "condition", Value::Text("service_started".into()));
        forms::default(node, "required", Value::Bool(true));
    }
    Ok(())
}

/// A list of names becomes a mapping from them to `value`.
fn names(node: &mut Node, value: &Value) {
    if let Value::List(items) = &node.value {
        let mut map = Map::default();
        for item in items {
            if let Some(name) = item.as_text() {
                map.set(name, Node::new(value.clone(), &item.span));
            }
        }
        node.value = Value::Map(map);
    }
}

/// A list of networks becomes a mapping.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn networks(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    names(node, &Value::Null);
    Ok(())
}

/// A list of models becomes a mapping.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn models(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    names(node, &Value::Null);
    Ok(())
}

/// `SOURCE[:TARGET[:PERMISSIONS]]` becomes a mapping.
pub(super) fn device(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    if let Some(text) = node.as_text() {
        let parts: Vec<&str> = text.split(':').collect();
        let is_mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
        let (source, target, permissions) = match parts[..] {
            [source] => (source, source, "rwm"),
            [source, mode] if is_mode(mode) => (source, source, mode),
            [source, target] => (source, target, "rwm"),
            [source, target, mode] if is_mode(mode) => (source, target, mode),
            _ => {
                return Err(Error::at(
                    &node.span,
                    trail,
                    format!("`{text}` is not a device: want SOURCE:TARGET:rwm"),
                ));
            }
        };
        let text = |text: &str| Value::Text(text.to_owned());
        node.value = forms::map(
            node,
            [
                ("source", text(source)),
                ("target", text(target)),
                ("permissions", text(permissions)),
            ],
        );
        return Ok(());
    }
    let Some(source) = node.get("source").and_then(Node::as_text).map(str::to_owned) else {
        return Err(Error::at(&node.span, trail, "`source` is missing"));
    };
    forms::default(node, "target", Value::Text(source));
    forms::default(node, "permissions", Value::Text("rwm".into()));
    Ok(())
}

/// A path or a list of paths becomes a list of `{path, required}`.
pub(super) fn env_file(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    forms::list(node, trail, base)?;
    let Value::List(items) = &mut node.value else { return Ok(()) };
    for item in items {
        if item.as_text().is_some() {
            let path = std::mem::replace(&mut item.value, Value::Null);
            item.value = forms::map(item, [("path", path)]);
        }
        if item.get("path").is_none() {
            return Err(Error::at(&item.span, trail, "`path` is missing"));
        }
        forms::default(item, "required", Value::Bool(true));
    }
    Ok(())
}

/// A service's name becomes `{service}`; the file becomes absolute.
pub(super) fn extends(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.as_text().is_some() {
        let service = std::mem::replace(&mut node.value, Value::Null);
        node.value = forms::map(node, [("service", service)]);
    }
    if node.get("service").is_none() {
        return Err(Error::at(&node.span, trail, "`service` is missing"));
    }
    if let Some(file) = node.as_map_mut().and_then(|map| map.get_mut("file"))
        && let Some(text) = file.as_text()
    {
        let resolved = Base { keep: false, ..base.clone() }.absolute(text);
        file.value = Value::Text(resolved);
    }
    Ok(())
}

/// `HOST:IP`, `HOST=IP` and `{HOST: IP or list}` become a list of `HOST=IP`.
pub(super) fn extra_hosts(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let mut lines = Vec::new();
    match &node.value {
        Value::List(items) => {
            for item in items {
                let Some(text) = item.as_text() else { continue };
                let Some((host, address)) = text.split_once('=').or_else(|| text.split_once(':'))
                else {
                    let message = format!("`{text}` is not an extra host: want HOST=ADDRESS");
                    return Err(Error::at(&item.span, trail, message));
                };
                lines.push(Node::text(host_line(host, address), &item.span));
            }
        }
        Value::Map(Map { entries }) => {
            for (key, node) in entries.iter().filter(|(_, node)| !node.is_reset()) {
                let addresses = node.as_list().unwrap_or(std::slice::from_ref(node));
                for address in addresses.iter().filter_map(Node::as_text) {
                    lines.push(Node::text(host_line(&key.text, address), &node.span));
                }
            }
        }
        _ => return Ok(()),
    }
    node.value = Value::List(lines);
    Ok(())
}

fn host_line(host: &str, address: &str) -> String {
    let bare = address.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(address);
    format!("{}={}", host.trim(), bare.trim())
}

/// `all` becomes a list of one request.
pub(super) fn gpus(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.as_text() == Some("all") {
        let request = forms::map(node, [("count", Value::Text("all".into()))]);
        node.value = Value::List(vec![Node::new(request, &node.span)]);
    }
    let Value::List(items) = &mut node.value else { return Ok(()) };
    for (at, item) in items.iter_mut().enumerate() {
        let gpu = Value::List(vec![Node::text("gpu", &item.span)]);
        forms::default(item, "capabilities", gpu);
        device_request(item, trail.index(at), base)?;
    }
    Ok(())
}

/// `count: all`, which is also what is meant when neither a count nor ids are said, becomes -1.
pub(super) fn device_request(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.get("device_ids").is_none() {
        forms::default(node, "count", Value::Text("all".into()));
    }
    if let Some(count) = node.as_map_mut().and_then(|map| map.get_mut("count")) {
        if count.as_text() == Some("all") {
            count.value = Value::Int(-1);
        }
        forms::integer(count, trail.key("count"), base)?;
    }
    if let Some(options) = node.as_map_mut().and_then(|map| map.get_mut("options")) {
        forms::labels(options, trail.key("options"), base)?;
    }
    Ok(())
}

/// A test written as text is a shell's.
pub(super) fn healthcheck(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(test) = node.as_map_mut().and_then(|map| map.get_mut("test")) else { return Ok(()) };
    if let Some(text) = test.as_text() {
        test.value =
            Value::List(vec![Node::text("CMD-SHELL", &test.span), Node::text(text, &test.span)]);
    }
    match test
        .as_list()
        .and_then(|items| items.first())
        .map(|first| first.as_text().unwrap_or_default())
    {
        Some("CMD" | "CMD-SHELL" | "NONE") | None => Ok(()),
        Some(first) => {
            let message = format!("must begin with NONE, CMD or CMD-SHELL, not `{first}`");
            Err(Error::at(&test.span, trail.key("test"), message))
        }
    }
}

/// A hook's command becomes words, its environment a mapping.
pub(super) fn hook(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    if let Some(command) = map.get_mut("command") {
        words::command(command, trail.key("command"), base)?;
    }
    match map.get_mut("environment") {
        Some(environment) => forms::pairs(environment, trail.key("environment"), base),
        None => Ok(()),
    }
}

/// A length of time or a number of microseconds becomes the number.
pub(super) fn microseconds(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if let Some(read) =
        node.as_text().filter(|text| text.parse::<i64>().is_err()).and_then(super::parse_duration)
    {
        node.value = Value::Int(i64::try_from(read.as_micros()).unwrap_or(i64::MAX));
    }
    forms::integer(node, trail, base)
}

/// A restart policy is one of Docker's.
pub(super) fn restart(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.as_text() else { return Ok(()) };
    let fits = match text.split_once(':') {
        Some(("on-failure", count)) => count.parse::<u32>().is_ok(),
        Some(_) => false,
        None => ["no", "always", "on-failure", "unless-stopped", ""].contains(&text),
    };
    if fits {
        return Ok(());
    }
    let message = format!(
        "`{text}` is not a restart policy: want no, always, on-failure[:COUNT] or unless-stopped"
    );
    Err(Error::at(&node.span, trail, message))
}
