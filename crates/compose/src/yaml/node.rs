//! The tree.

use crate::error::Span;
use crate::yaml::scalar::float_text;

/// What a tag asks of a merge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Directive {
    /// `!reset`: take away what earlier files gave.
    Reset,
    /// `!override`: replace instead of merging.
    Override,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// What its tag asks of a merge.
    pub directive: Option<Directive>,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A key with its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A mapping that keeps its order. Compose mappings are small: look-up is a walk.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The entries, in the order of the text.
    pub entries: Vec<(Key, Node)>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .all(|(key, node)| other.get(&key.text).is_some_and(|found| found == node))
    }
}

impl Node {
    /// Makes a node that stands at `span`.
    #[must_use]
    pub fn new(value: Value, span: &Span) -> Self {
        Self { value, span: span.clone(), directive: None }
    }

    /// Makes a text node.
    #[must_use]
    pub fn text(text: impl Into<String>, span: &Span) -> Self {
        Self::new(Value::Text(text.into()), span)
    }

    /// Returns whether `!reset` takes this away.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.directive == Some(Directive::Reset)
    }

    /// Returns the text, when it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns any scalar but null written as text, as Docker writes it.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(float_text(*value)),
            Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns the mapping, when it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the mapping, when it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the items, when it is a sequence.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the value under `key` of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// Returns the kind of the value as Compose's messages name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Returns the value as JSON; what `!reset` takes away is left out.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            #[expect(clippy::cast_possible_truncation, reason = "whole and small, as just checked")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                (*value as i64).into()
            }
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => {
                items.iter().filter(|item| !item.is_reset()).map(Self::to_json).collect()
            }
            Value::Map(map) => serde_json::Value::Object(
                map.entries
                    .iter()
                    .filter(|(_, node)| !node.is_reset())
                    .map(|(key, node)| (key.text.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }
}

impl Map {
    /// Returns the value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// Returns the value under `key`.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// Sets `key`, in its old place when it was there.
    pub fn set(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => {
                let key = Key { text: key.to_owned(), span: node.span.clone() };
                self.entries.push((key, node));
            }
        }
    }

    /// Takes the value under `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(found, _)| found.text == key)?;
        Some(self.entries.remove(at).1)
    }
}
