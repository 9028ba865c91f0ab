//! The check of a tree against its shape. Text that says a number or a truth value where one is wanted
//! becomes it, because variables always give text.

use crate::error::{Error, Trail};
use crate::schema::{B, I, N, S, Shape, Z};
use crate::yaml::{Map, Node, Value};

/// Checks `node`, which stands at `trail`.
pub(crate) fn check(node: &mut Node, shape: &Shape, trail: Trail<'_>) -> Result<(), Error> {
    if node.is_reset() {
        return Ok(());
    }
    match shape {
        Shape::Any => Ok(()),
        Shape::Scalar(types) => scalar(node, *types, trail),
        Shape::Word(words) => word(node, words, trail),
        Shape::List(item) => match &mut node.value {
            Value::List(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(at, node)| check(node, item, trail.index(at))),
            _ => Err(wrong(node, shape, trail)),
        },
        Shape::Map(_) | Shape::Named(_) | Shape::Object(_) if node.as_map().is_none() => {
            Err(wrong(node, shape, trail))
        }
        Shape::Map(item) => entries(node, |_, node, trail| check(node, item, trail), trail),
        Shape::Named(item) => {
            entries(node, |key, node, trail| named(key, node, item, trail), trail)
        }
        Shape::Object(fields) => object(node, fields, trail),
        Shape::Either(shapes) => match shapes.iter().find(|shape| fits(node, shape)) {
            Some(shape) => check(node, shape, trail),
            None => Err(wrong(node, shape, trail)),
        },
    }
}

fn entries(
    node: &mut Node,
    each: impl Fn(&str, &mut Node, Trail<'_>) -> Result<(), Error>,
    trail: Trail<'_>,
) -> Result<(), Error> {
    let Some(Map { entries }) = node.as_map_mut() else { return Ok(()) };
    entries.iter_mut().try_for_each(|(key, node)| each(&key.text, node, trail.key(&key.text)))
}

fn named(key: &str, node: &mut Node, item: &Shape, trail: Trail<'_>) -> Result<(), Error> {
    if key.starts_with("x-") && matches!(trail, Trail::Key(Trail::Root, _)) {
        return Ok(());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if key.is_empty() || !key.chars().all(fits) {
        let message = format!("`{key}` is not a name: want letters, digits, `.`, `_` and `-`");
        return Err(Error::at(&node.span, trail, message));
    }
    check(node, item, trail)
}

fn object(node: &mut Node, fields: &[(&str, Shape)], trail: Trail<'_>) -> Result<(), Error> {
    let Some(Map { entries }) = node.as_map_mut() else { return Ok(()) };
    for (key, node) in entries {
        if key.text.starts_with("x-") {
            continue;
        }
        let Some((_, shape)) = fields.iter().find(|(name, _)| *name == key.text) else {
            let error = Error::at(&key.span, trail, format!("unknown key `{}`", key.text));
            return Err(match nearest(&key.text, fields.iter().map(|(name, _)| *name)) {
                Some(name) => error.with_hint(format!("did you mean `{name}`?")),
                None => error,
            });
        };
        check(node, shape, trail.key(&key.text))?;
    }
    Ok(())
}

/// Returns whether a node's type, not yet its content, is what the shape wants.
fn fits(node: &Node, shape: &Shape) -> bool {
    match (shape, &node.value) {
        (Shape::Any, _)
        | (Shape::List(_), Value::List(_))
        | (Shape::Map(_) | Shape::Named(_) | Shape::Object(_), Value::Map(_)) => true,
        (Shape::Word(words), Value::Text(text)) => words.contains(&text.as_str()),
        (Shape::Scalar(types), value) => coerced(value, *types).is_some(),
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits(node, shape)),
        _ => false,
    }
}

fn scalar(node: &mut Node, types: u8, trail: Trail<'_>) -> Result<(), Error> {
    match coerced(&node.value, types) {
        Some(Some(value)) => node.value = value,
        Some(None) => {}
        None => return Err(wrong(node, &Shape::Scalar(types), trail)),
    }
    Ok(())
}

/// Returns nothing when the value does not fit, and the value that it becomes when it fits only so.
#[expect(clippy::option_option, reason = "three answers: no, as it is, as this")]
fn coerced(value: &Value, types: u8) -> Option<Option<Value>> {
    let has = |bit| types & bit != 0;
    match value {
        Value::Null if has(Z) => Some(None),
        Value::Bool(_) if has(B) => Some(None),
        Value::Int(_) if has(I) || has(N) => Some(None),
        Value::Float(_) if has(N) => Some(None),
        Value::Float(value) if has(I) && value.fract() == 0.0 && value.abs() < 1e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and small, as just checked")]
            let value = *value as i64;
            Some(Some(Value::Int(value)))
        }
        Value::Text(_) if has(S) => Some(None),
        Value::Text(text) if has(B) => truth(text).map(|value| Some(Value::Bool(value))),
        Value::Text(text) if has(I) => text.parse().ok().map(|value| Some(Value::Int(value))),
        Value::Text(text) if has(N) => text.parse().ok().map(|value| Some(Value::Float(value))),
        _ => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "t" | "y" | "yes" | "on" => Some(true),
        "false" | "0" | "f" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn word(node: &Node, words: &[&str], trail: Trail<'_>) -> Result<(), Error> {
    match &node.value {
        Value::Text(text) if words.contains(&text.as_str()) => Ok(()),
        _ => {
            let got = node.scalar_text().unwrap_or_else(|| node.kind().to_owned());
            let message = format!("must be one of {}, not `{got}`", words.join(", "));
            Err(Error::at(&node.span, trail, message))
        }
    }
}

fn wrong(node: &Node, shape: &Shape, trail: Trail<'_>) -> Error {
    let got = match node.scalar_text() {
        Some(text) => format!("{} (`{text}`)", node.kind()),
        None => node.kind().to_owned(),
    };
    Error::at(&node.span, trail, format!("must be {}, not {got}", wanted(shape).join(" or ")))
}

fn wanted(shape: &Shape) -> Vec<&'static str> {
    match shape {
        Shape::Any => vec!["anything"],
        Shape::Scalar(types) => {
            [(S, "a string"), (I, "an integer"), (N, "a number"), (B, "a boolean"), (Z, "null")]
                .into_iter()
                .filter(|(bit, _)| types & bit != 0)
                .map(|(_, name)| name)
                .collect()
        }
        Shape::Word(words) => words.to_vec(),
        Shape::List(_) => vec!["a list"],
        Shape::Map(_) | Shape::Named(_) | Shape::Object(_) => vec!["a mapping"],
        Shape::Either(shapes) => {
            let mut names = Vec::new();
            for name in shapes.iter().flat_map(wanted) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        }
    }
}

/// Returns the name nearest to a mistyped one, when one is near.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if text.len() < 5 { 1 } else { 2 };
    names
        .map(|name| (distance(text, name), name))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Counts the edits between two words; a swap of neighbours is one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitute = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitute.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_finds_its_neighbour() {
        let names = ["command", "image", "ports", "build"];
        assert_eq!(nearest("comand", names.into_iter()), Some("command"));
        assert_eq!(nearest("imgae", names.into_iter()), Some("image"));
        assert_eq!(nearest("volumes", names.into_iter()), None);
    }
}
