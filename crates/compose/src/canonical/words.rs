//! Text → words, by the quoting of a shell.

use crate::canonical::Base;
use crate::error::{Error, Trail};
use crate::yaml::{Node, Value};

/// A command written as text becomes its words; an empty one becomes an empty list.
pub(super) fn command(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Some(text) = node.as_text() else { return Ok(()) };
    let Some(words) = split(text) else {
        return Err(Error::at(
            &node.span,
            trail,
            format!("`{text}` has a quote that is not closed"),
        ));
    };
    node.value = Value::List(words.into_iter().map(|word| Node::text(word, &node.span)).collect());
    Ok(())
}

/// Splits text into words. Nothing is expanded, and operators are words like others.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => match chars.next()? {
                'n' => word.get_or_insert_default().push('\n'),
                't' => word.get_or_insert_default().push('\t'),
                c => word.get_or_insert_default().push(c),
            },
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_a_shell_splits_them() {
        for (text, want) in [
            (r#"sh -c "echo 'a  b' \"c\"""#, vec!["sh", "-c", r#"echo 'a  b' "c""#]),
            ("a\\ b  '' x#y #z", vec!["a b", "", "x#y", "#z"]),
            ("a && b", vec!["a", "&&", "b"]),
            (" ", vec![]),
        ] {
            assert_eq!(split(text).unwrap(), want, "{text}");
        }
        assert_eq!(split("a 'b"), None);
    }
}
