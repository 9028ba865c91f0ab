//! Forms that many keys share.

use hako_types::Bytes;

use crate::canonical::{Base, format_duration, parse_duration};
use crate::error::{Error, Trail};
use crate::yaml::{Key, Map, Node, Value};

/// A scalar becomes text.
#[expect(clippy::unnecessary_wraps, reason = "a form among others")]
pub(super) fn text(node: &mut Node, _: Trail<'_>, _: &Base) -> Result<(), Error> {
    if let Some(text) = node.scalar_text() {
        node.value = Value::Text(text);
    }
    Ok(())
}

/// The scalars of a list become texts.
pub(super) fn texts(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    match &mut node.value {
        Value::List(items) => items.iter_mut().try_for_each(|item| text(item, trail, base)),
        _ => Ok(()),
    }
}

/// One text becomes a list of one.
pub(super) fn list(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.scalar_text().is_some() {
        let item = Node::new(std::mem::replace(&mut node.value, Value::Null), &node.span);
        node.value = Value::List(vec![item]);
    }
    texts(node, trail, base)
}

/// `[K=V, K]` becomes `{K: V, K: null}`.
pub(super) fn pairs(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if let Value::List(items) = &node.value {
        let mut map = Map::default();
        for item in items {
            let Some(line) = item.as_text() else { continue };
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, Value::Text(value.to_owned())),
                None => (line, Value::Null),
            };
            if key.is_empty() {
                return Err(Error::at(
                    &item.span,
                    trail,
                    format!("`{line}` has no name before the `=`"),
                ));
            }
            map.set(key, Node::new(value, &item.span));
        }
        node.value = Value::Map(map);
    }
    let Value::Map(map) = &mut node.value else { return Ok(()) };
    map.entries.iter_mut().try_for_each(|(_, node)| text(node, trail, base))
}

/// As [`pairs`], and no value is an empty one.
pub(super) fn labels(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    pairs(node, trail, base)?;
    let Value::Map(map) = &mut node.value else { return Ok(()) };
    for (_, node) in &mut map.entries {
        if node.value == Value::Null && !node.is_reset() {
            node.value = Value::Text(String::new());
        }
    }
    Ok(())
}

/// A size with a unit becomes a number of bytes, as text.
pub(super) fn size(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.scalar_text() else { return Ok(()) };
    let bytes = match text.as_str() {
        "-1" => text,
        text => {
            let read = text
                .parse::<Bytes>()
                .map_err(|error| Error::at(&node.span, trail, error.to_string()))?;
            read.0.to_string()
        }
    };
    node.value = Value::Text(bytes);
    Ok(())
}

/// A length of time is written in one way.
pub(super) fn duration(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.as_text() else { return Ok(()) };
    match parse_duration(text) {
        Some(read) => node.value = Value::Text(format_duration(read)),
        None => {
            let message = format!(
                "`{text}` is not a duration: want a number and a unit, as in 1m30s or 500ms"
            );
            return Err(Error::at(&node.span, trail, message));
        }
    }
    Ok(())
}

/// Text becomes a whole number.
pub(super) fn integer(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.as_text() else { return Ok(()) };
    match text.trim().parse() {
        Ok(value) => node.value = Value::Int(value),
        Err(_) => return Err(Error::at(&node.span, trail, format!("`{text}` is not an integer"))),
    }
    Ok(())
}

/// Text becomes a number.
pub(super) fn number(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.as_text() else { return Ok(()) };
    match text.trim().parse() {
        Ok(value) => node.value = Value::Float(value),
        Err(_) => return Err(Error::at(&node.span, trail, format!("`{text}` is not a number"))),
    }
    Ok(())
}

/// Makes a mapping of keys and values that all stand at the place of `node`.
pub(super) fn map(node: &Node, entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entry = |(key, value): (&str, Value)| {
        (Key { text: key.to_owned(), span: node.span.clone() }, Node::new(value, &node.span))
    };
    Value::Map(Map { entries: entries.into_iter().map(entry).collect() })
}

/// Sets `key` when the mapping lacks it.
pub(super) fn default(node: &mut Node, key: &str, value: Value) {
    let span = node.span.clone();
    if let Some(map) = node.as_map_mut()
        && map.get(key).is_none()
    {
        map.set(key, Node::new(value, &span));
    }
}
