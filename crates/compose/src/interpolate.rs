//! Filling the variables of a tree.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Trail};
use crate::template::{self, Broken, Operator, Part};
use crate::yaml::{Node, Value};

/// Fills the variables of all text below `node`; keys are left alone.
pub(crate) fn interpolate(
    node: &mut Node,
    trail: Trail<'_>,
    look_up: &dyn Fn(&str) -> Option<String>,
    missing: &mut BTreeSet<String>,
) -> Result<(), Error> {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => {
            let filled =
                template::parse(text).and_then(|parts| template::fill(&parts, look_up, missing));
            match filled {
                Ok(filled) => *text = filled,
                Err(Broken::Syntax) => {
                    let message = format!("invalid interpolation format: `{text}`");
                    return Err(Error::at(&node.span, trail, message)
                        .with_hint("write $$ where a dollar sign is meant to stay"));
                }
                Err(Broken::Required { name, message }) => {
                    let message = format!("required variable {name} is missing a value: {message}");
                    return Err(Error::at(&node.span, trail, message));
                }
            }
            Ok(())
        }
        Value::List(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(at, item)| interpolate(item, trail.index(at), look_up, missing)),
        Value::Map(map) => map
            .entries
            .iter_mut()
            .try_for_each(|(key, node)| interpolate(node, trail.key(&key.text), look_up, missing)),
        _ => Ok(()),
    }
}

/// A variable that a file uses (`config --variables`).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What stands for it when it is missing.
    pub default_value: String,
    /// What stands for it when it is there.
    pub presence_value: String,
    /// Whether the file is refused without it.
    pub required: bool,
}

/// Gathers the variables that a tree uses, each once, in alphabetical order.
pub(crate) fn variables(node: &Node, found: &mut Vec<Variable>) {
    match &node.value {
        Value::Text(text) if text.contains('$') => {
            if let Ok(parts) = template::parse(text) {
                gather(&parts, found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| variables(item, found)),
        Value::Map(map) => map.entries.iter().for_each(|(_, node)| variables(node, found)),
        _ => {}
    }
}

fn gather(parts: &[Part], found: &mut Vec<Variable>) {
    for part in parts {
        let Part::Variable { name, otherwise } = part else { continue };
        let at = match found.binary_search_by(|known| known.name.cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                found.insert(at, Variable { name: name.clone(), ..Variable::default() });
                at
            }
        };
        let Some((operator, inner)) = otherwise else { continue };
        let text = template::source(inner);
        match operator {
            Operator::Default { .. } if found[at].default_value.is_empty() => {
                found[at].default_value = text;
            }
            Operator::Replace { .. } if found[at].presence_value.is_empty() => {
                found[at].presence_value = text;
            }
            Operator::Require { .. } => found[at].required = true,
            _ => {}
        }
        gather(inner, found);
    }
}
