//! Two trees in canonical form → one: the later wins for scalars, mappings merge, lists append and keep one
//! entry per target. `!override` replaces, `!reset` removes.

use crate::yaml::{Directive, Map, Node, Value};

/// Merges `over` into `base`. `key` is the key that both stand under.
pub(crate) fn merge(base: Node, over: Node, key: &str) -> Node {
    if over.directive.is_some() || base.is_reset() {
        return over;
    }
    let directive = base.directive;
    let replaced = ["command", "entrypoint", "test"].contains(&key);
    let mut merged = match (base.value, over.value) {
        (kept @ (Value::Map(_) | Value::List(_)), Value::Null) if !replaced => {
            Node::new(kept, &base.span)
        }
        (Value::Map(base_map), Value::Map(over_map))
            if !(key == "logging" && other_driver(&base_map, &over_map)) =>
        {
            Node::new(Value::Map(merge_maps(base_map, over_map)), &over.span)
        }
        (Value::List(mut items), Value::List(more)) if !replaced => {
            items.extend(more);
            Node::new(Value::List(unique(items, key)), &over.span)
        }
        (_, value) => Node::new(value, &over.span),
    };
    merged.directive = directive;
    merged
}

fn merge_maps(mut base: Map, over: Map) -> Map {
    for (key, node) in over.entries {
        match base.entries.iter().position(|(found, _)| found.text == key.text) {
            None => base.entries.push((key, node)),
            Some(at) => {
                let (old_key, old) = base.entries.remove(at);
                let merged = merge(old, node, &key.text);
                base.entries.insert(at, (old_key, merged));
            }
        }
    }
    base
}

fn other_driver(base: &Map, over: &Map) -> bool {
    let driver = |map: &Map| map.get("driver").and_then(Node::scalar_text);
    matches!((driver(base), driver(over)), (Some(base), Some(over)) if base != over)
}

/// Keeps the last of the entries that mean the same target, at the place of the first.
pub(crate) fn unique(items: Vec<Node>, key: &str) -> Vec<Node> {
    let mut out: Vec<(Option<String>, Node)> = Vec::with_capacity(items.len());
    for item in items {
        let name = identity(&item, key);
        match out.iter_mut().find(|(known, _)| name.is_some() && *known == name) {
            Some((_, old)) => *old = item,
            None => out.push((name, item)),
        }
    }
    out.into_iter().map(|(_, item)| item).collect()
}

/// Returns what makes an entry the same as another, or nothing when entries may repeat.
fn identity(item: &Node, key: &str) -> Option<String> {
    let text = |key: &str| item.get(key).and_then(Node::scalar_text);
    match key {
        "ports" => item.as_map().map(|_| {
            let part = |key| text(key).unwrap_or_default();
            format!(
                "{}|{}|{}|{}",
                part("host_ip"),
                part("published"),
                part("target"),
                part("protocol")
            )
        }),
        "volumes" | "devices" => text("target"),
        "configs" => text("target").or_else(|| text("source").map(|source| format!("/{source}"))),
        "secrets" => text("target").or_else(|| text("source")).map(|target| {
            if target.starts_with('/') { target } else { format!("/run/secrets/{target}") }
        }),
        "env_file" => text("path"),
        "tmpfs" => item.as_text().map(|line| line.split(':').next().unwrap_or(line).to_owned()),
        "cap_add" | "cap_drop" | "dns" | "dns_opt" | "dns_search" | "expose" | "profiles"
        | "aliases" | "link_local_ips" | "tags" | "platforms" | "group_add" | "extra_hosts"
        | "links" | "external_links" | "security_opt" | "volumes_from" | "label_file"
        | "cache_from" | "cache_to" => item.scalar_text(),
        _ => None,
    }
}

/// Removes what `!reset` takes away, once all files are merged.
pub(crate) fn strip(node: &mut Node) {
    if node.directive == Some(Directive::Override) {
        node.directive = None;
    }
    match &mut node.value {
        Value::List(items) => {
            items.retain(|item| !item.is_reset());
            items.iter_mut().for_each(strip);
        }
        Value::Map(Map { entries }) => {
            entries.retain(|(_, node)| !node.is_reset());
            entries.iter_mut().for_each(|(_, node)| strip(node));
        }
        _ => {}
    }
}
