//! How arguments are parted into words.

use std::ops::Range;

/// Returns the words parted by white space, quotes meaning nothing.
pub(super) fn fields(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, ch) in text.char_indices() {
        match (ch.is_whitespace(), start) {
            (true, Some(from)) => {
                out.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    out.extend(start.map(|from| from..text.len()));
    out
}

/// Returns the words parted by white space that is neither quoted nor escaped; quotes stay in them.
pub(super) fn quoted(text: &str, escape: char) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        if start.is_none() {
            if ch.is_whitespace() {
                continue;
            }
            start = Some(at);
        } else if quote.is_none() && ch.is_whitespace() {
            out.extend(start.take().map(|from| from..at));
            continue;
        }
        if ch == escape {
            chars.next();
        } else if quote == Some(ch) {
            quote = None;
        } else if quote.is_none() && (ch == '\'' || ch == '"') {
            quote = Some(ch);
        }
    }
    out.extend(start.map(|from| from..text.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_hold_words_together() {
        let words = |text| quoted(text, '\\').into_iter().map(|r| &text[r]).collect::<Vec<&str>>();
        assert_eq!(
            words("A=1  B=\"two words\" C=x\\ y\tD='a b'"),
            ["A=1", "B=\"two words\"", "C=x\\ y", "D='a b'"]
        );
        assert_eq!(words("a=\"q\\\"q r\" b"), ["a=\"q\\\"q r\"", "b"]);
        assert_eq!(fields(" a  'b c' "), [1..2, 4..6, 7..9]);
    }
}
