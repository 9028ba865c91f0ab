//! Why the cache did not have a step: what is different from the last time.

use serde::{Deserialize, Serialize};

use crate::graph::Vertex;
use crate::key::{self, Key};

/// What the key of a step was made of.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Ingredients {
    /// The step itself, as its operation is serialised.
    pub(super) definition: String,
    /// The layers that it stands on.
    pub(super) parent: String,
    /// What it takes from elsewhere: a label and a digest each.
    pub(super) contents: Vec<(String, String)>,
}

/// Returns the key under which the ingredients of a step are remembered: the same for the same place in the same project.
pub(super) fn slot(project: &str, vertex: &Vertex) -> Key {
    let place = vertex.name.split(']').next().unwrap_or_default();
    key::of_content(&[], &format!("reason {project} {place}"))
}

/// Says what is different.
pub(super) fn difference(
    before: Option<&Ingredients>,
    now: &Ingredients,
    is_forced: bool,
) -> String {
    let Some(before) = before else { return "it was not built before".into() };
    if is_forced {
        return "it was asked to be done anew".into();
    }
    let mut all = Vec::new();
    if before.definition != now.definition {
        all.push(definition(&before.definition, &now.definition));
    }
    if before.parent != now.parent {
        all.push("the step below it changed".to_owned());
    }
    for (label, digest) in &now.contents {
        if before.contents.iter().any(|(old, content)| old == label && content != digest) {
            all.push(format!("the files of {label} changed"));
        }
    }
    if all.is_empty() { "its layer is not there any more".into() } else { all.join("; ") }
}

/// Says which part of an operation changed.
fn definition(before: &str, now: &str) -> String {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let (before, now) = (parse(before), parse(now));
    let inner = |value: &serde_json::Value| {
        value.as_object().and_then(|all| all.iter().next().map(|(k, v)| (k.clone(), v.clone())))
    };
    let (Some((old_kind, before)), Some((kind, now))) = (inner(&before), inner(&now)) else {
        return "the instruction changed".into();
    };
    if old_kind != kind {
        return "the instruction is another one".into();
    }
    let changed: Vec<String> = now
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| before.get(name.as_str()) != Some(value))
        .map(|(name, value)| match (name.as_str(), before.get("env"), value) {
            ("env", Some(serde_json::Value::Array(old)), serde_json::Value::Array(new)) => {
                let names: Vec<&str> = new
                    .iter()
                    .filter(|pair| !old.contains(pair))
                    .filter_map(|pair| pair.as_str()?.split('=').next())
                    .collect();
                format!("the variables {}", names.join(", "))
            }
            ("args", ..) => "the command".into(),
            _ => format!("`{name}`"),
        })
        .collect();
    format!("{} changed", changed.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let now = Ingredients {
            definition: r#"{"run":{"args":["b"],"env":["A=1","B=2"]}}"#.into(),
            parent: "p".into(),
            contents: vec![("`src`".into(), "1".into())],
        };
        let before = Ingredients {
            definition: r#"{"run":{"args":["a"],"env":["A=1","B=1"]}}"#.into(),
            parent: "q".into(),
            contents: vec![("`src`".into(), "2".into())],
        };
        assert_eq!(
            difference(Some(&before), &now, false),
            "the command and the variables B changed; the step below it changed; the files of `src` changed"
        );
        assert_eq!(difference(None, &now, false), "it was not built before");
        assert_eq!(difference(Some(&now), &now, false), "its layer is not there any more");
    }
}
