//! Secrets and configs as they are given to a service or a build.

use crate::canonical::{Base, forms};
use crate::error::{Error, Trail};
use crate::yaml::{Map, Node, Value};

/// A name becomes `{source}`; ids become text and a mode becomes text in octal.
pub(super) fn grants(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    items.iter_mut().enumerate().try_for_each(|(at, item)| grant(item, trail.index(at), base))
}

fn grant(node: &mut Node, trail: Trail<'_>, base: &Base) -> Result<(), Error> {
    if node.as_text().is_some() {
        let source = std::mem::replace(&mut node.value, Value::Null);
        node.value = forms::map(node, [("source", source)]);
    }
    let span = node.span.clone();
    let Value::Map(Map { entries }) = &mut node.value else { return Ok(()) };
    if !entries.iter().any(|(key, _)| key.text == "source") {
        return Err(Error::at(&span, trail, "`source` is missing"));
    }
    for (key, node) in entries {
        match key.text.as_str() {
            "uid" | "gid" => forms::text(node, trail, base)?,
            "mode" => mode(node, trail.key("mode"))?,
            _ => {}
        }
    }
    Ok(())
}

/// A mode becomes text in octal with a leading zero.
pub(super) fn mode(node: &mut Node, trail: Trail<'_>) -> Result<(), Error> {
    let bits = match &node.value {
        Value::Int(bits) => u32::try_from(*bits).ok(),
        Value::Text(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => None,
    };
    match bits.filter(|bits| *bits <= 0o7777) {
        Some(bits) => node.value = Value::Text(format!("{bits:04o}")),
        None => {
            return Err(Error::at(
                &node.span,
                trail,
                "is not a file mode: want up to four octal digits",
            ));
        }
    }
    Ok(())
}
