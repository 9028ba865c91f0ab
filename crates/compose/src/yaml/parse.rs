//! Text → tree.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::error::{Error, Span};
use crate::yaml::scalar::plain;
use crate::yaml::{Directive, Key, Map, Node, Value};

/// How deep a document may nest.
const DEPTH: usize = 100;
/// How many nodes aliases may copy in one file: far above any honest file, far below a "billion laughs".
const COPIES: usize = 100_000;

/// Reads all documents of a file.
///
/// # Errors
/// When the text is not YAML, a key comes twice or is not text, a document nests deeper than 100 levels, or
/// aliases would copy more than 100,000 nodes.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Node>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        file: file.clone(),
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        copies: COPIES,
    };
    let mut documents = Vec::new();
    loop {
        let (event, _span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                let (event, span) = reader.next()?;
                if matches!(event, Event::DocumentEnd) {
                    documents.push(Node::new(Value::Null, &span));
                } else {
                    documents.push(reader.node(event, &span, DEPTH)?);
                }
                reader.anchors.clear();
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    file: Arc<str>,
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, (Node, usize)>,
    copies: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let start = span.start;
                Ok((
                    event,
                    Span { file: self.file.clone(), line: start.line(), column: start.col() + 1 },
                ))
            }
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok((Event::StreamEnd, Span { file: self.file.clone(), line: 1, column: 1 })),
        }
    }

    fn scan_error(&self, error: &ScanError) -> Error {
        let mark = error.marker();
        let span = Span { file: self.file.clone(), line: mark.line(), column: mark.col() + 1 };
        Error::at(&span, "", format!("not valid YAML: {}", error.info()))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Error> {
        if depth == 0 {
            return Err(Error::at(span, "", "nested too deeply"));
        }
        let before = COPIES - self.copies;
        let (mut node, anchor, tag) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                (Node::new(value, span), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(span, depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(span, depth)?, anchor, tag),
            other => return Err(Error::at(span, "", format!("unexpected {other:?}"))),
        };
        node.directive = tag.as_deref().and_then(directive);
        if anchor > 0 {
            let size = count(&node).max(COPIES - self.copies - before);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, Error> {
        let Some((node, size)) = self.anchors.get(&id) else {
            return Err(Error::at(span, "", "an anchor cannot contain an alias of itself"));
        };
        self.copies = self
            .copies
            .checked_sub(*size)
            .ok_or_else(|| Error::at(span, "", "aliases make the document grow too much"))?;
        Ok(node.clone())
    }

    fn list(&mut self, span: &Span, depth: usize) -> Result<Node, Error> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Node::new(Value::List(items), span));
            }
            items.push(self.node(event, &at, depth - 1)?);
        }
    }

    fn map(&mut self, span: &Span, depth: usize) -> Result<Node, Error> {
        let mut map = Map::default();
        let mut seen = HashSet::new();
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, &at, depth - 1)?;
            let (event, at) = self.next()?;
            let value = self.node(event, &at, depth - 1)?;
            if is_merge {
                merged.push(value);
                continue;
            }
            let Value::Text(text) = key.value else {
                let shown = key.scalar_text().unwrap_or_else(|| key.kind().to_owned());
                return Err(Error::at(
                    &key.span,
                    "",
                    format!("a key must be a string, not {} `{shown}`", key.kind()),
                )
                .with_hint("put the key in quotes"));
            };
            if !seen.insert(text.clone()) {
                return Err(Error::at(
                    &key.span,
                    "",
                    format!("the key `{text}` comes twice in one mapping"),
                ));
            }
            map.entries.push((Key { text, span: key.span }, value));
        }
        for source in merged {
            merge_into(&mut map, &mut seen, source)?;
        }
        Ok(Node::new(Value::Map(map), span))
    }
}

/// Takes what `<<` names into a mapping: own keys win, then earlier sources.
fn merge_into(map: &mut Map, seen: &mut HashSet<String>, source: Node) -> Result<(), Error> {
    match source.value {
        Value::Map(other) => {
            for (key, node) in other.entries {
                if seen.insert(key.text.clone()) {
                    map.entries.push((key, node));
                }
            }
            Ok(())
        }
        Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
            items.into_iter().try_for_each(|item| merge_into(map, seen, item))
        }
        _ => Err(Error::at(&source.span, "", "`<<` must name a mapping or a list of mappings")),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "str" | "binary" => Value::Text(text.to_owned()),
            _ => plain(text),
        },
        _ if style == ScalarStyle::Plain => plain(text),
        _ => Value::Text(text.to_owned()),
    }
}

fn directive(tag: &Tag) -> Option<Directive> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Some(Directive::Reset),
        ("!", "override") => Some(Directive::Override),
        _ => None,
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(map) => map.entries.iter().map(|(_, node)| count(node)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        parse(&Arc::from("t"), text).unwrap().pop().unwrap().to_json().to_string()
    }

    fn fails(text: &str) -> String {
        parse(&Arc::from("t"), text).unwrap_err().to_string()
    }

    #[test]
    fn merge_keys_give_what_the_mapping_itself_does_not_say() {
        assert_eq!(
            json("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}"),
            r#"{"a":{"x":1,"y":1},"b":{"y":2,"x":1}}"#
        );
        assert_eq!(json("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}"), {
            r#"{"a":{"x":1},"b":{"x":2,"z":3},"c":{"x":1,"z":3}}"#
        });
    }

    #[test]
    fn hostile_documents_are_refused() {
        assert!(fails("a: 1\na: 2").contains("t:2:1: the key `a` comes twice"));
        assert!(fails("a: &a [*a]").contains("itself"));
        assert!(fails("1: x").contains("must be a string"));
        assert!(fails(&"[".repeat(5000)).contains("t:"));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let before = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", "));
        }
        assert!(fails(&bomb).contains("grow too much"));
    }
}
