//! Logical lines: continuations joined, comments left out, heredocs taken in, and every byte's place remembered.

use std::ops::Range;

use crate::expand::Lexer;
use crate::instruction::Heredoc;
use crate::{Problem, Span};

/// What the parser directives at the top of the file say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directives {
    /// `# syntax=`: the frontend that was asked for; accepted and not used.
    pub syntax: Option<String>,
    /// `` # escape=` ``: another escape character than the back-slash.
    pub escape: Option<char>,
    /// `# check=`: lint rules to skip (`skip=A,B`) and whether findings are errors (`error=true`).
    pub check: Option<String>,
}

impl Directives {
    /// Returns the escape character.
    #[must_use]
    pub fn escape(&self) -> char {
        self.escape.unwrap_or('\\')
    }
}

/// One instruction's text.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The text without continuations and comments, trimmed.
    pub(crate) text: String,
    /// Where it lies, heredocs included.
    pub(crate) span: Span,
    /// Its heredocs, in order.
    pub(crate) heredocs: Vec<Heredoc>,
    /// Pairs of an offset in `text` and its offset in the source.
    pieces: Vec<(usize, usize)>,
}

impl Line {
    /// Returns where the bytes `range` of the text lie in the source.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let start = self.offset(range.start);
        let end = if range.end > range.start { self.offset(range.end - 1) + 1 } else { start };
        Span::new(start, end.max(start))
    }

    fn offset(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(logical, _)| *logical <= at).saturating_sub(1);
        self.pieces.get(piece).map_or(self.span.start, |(logical, source)| source + (at - logical))
    }

    /// Returns a line that stands alone, as a trigger of an image does.
    pub(crate) fn alone(text: &str) -> Self {
        let text = text.trim();
        Self {
            text: text.into(),
            span: Span::new(0, text.len()),
            heredocs: Vec::new(),
            pieces: vec![(0, 0)],
        }
    }
}

/// All logical lines of a text, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) directives: Directives,
    pub(crate) lines: Vec<Line>,
    pub(crate) problems: Vec<Problem>,
}

/// Splits `text` into logical lines.
pub(crate) fn read(text: &str) -> Lines {
    let mut out = Lines::default();
    let mut reader = Reader { text, at: text.len() - text.trim_start_matches('\u{feff}').len() };
    let mut at_top = true;
    while let Some((start, source)) = reader.next() {
        let trimmed = source.trim();
        if at_top {
            at_top = trimmed.starts_with('#') && directive(trimmed, start, source, &mut out);
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let line = reader.instruction(start, source, &mut out);
        if !line.text.is_empty() {
            out.lines.push(line);
        }
    }
    out
}

/// Reads one line of the top of the file; tells whether it was a directive.
fn directive(comment: &str, start: usize, source: &str, out: &mut Lines) -> bool {
    let Some((key, value)) = comment[1..].split_once('=') else { return false };
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
    if value.is_empty() || !key.starts_with(|ch: char| ch.is_ascii_alphabetic()) {
        return false;
    }
    let span = Span::new(start, start + source.trim_end().len());
    let mut twice = |is_set: bool| {
        if is_set {
            let message = format!("only one `{key}` parser directive can be used");
            out.problems.push(Problem::error(span, "directive", message));
        }
    };
    match key.as_str() {
        "syntax" => {
            twice(out.directives.syntax.is_some());
            out.directives.syntax = Some(value.into());
        }
        "check" => {
            twice(out.directives.check.is_some());
            out.directives.check = Some(value.into());
        }
        "escape" => {
            twice(out.directives.escape.is_some());
            if value == "\\" || value == "`" {
                out.directives.escape = value.chars().next();
            } else {
                let message = format!("invalid escape `{value}`: want \\ or `");
                out.problems.push(Problem::error(span, "directive", message));
            }
        }
        _ => return false,
    }
    true
}

/// Physical lines, one after another.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Returns the next line with its end, and its offset.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let start = self.at;
        self.at += length;
        Some((start, &rest[..length]))
    }

    /// Reads the instruction that begins with `source`, whose offset is `start`.
    fn instruction(&mut self, start: usize, source: &str, out: &mut Lines) -> Line {
        let escape = out.directives.escape();
        let indent = source.len() - source.trim_start().len();
        let mut line = Line {
            span: Span::new(start + indent, start + source.trim_end().len()),
            ..Line::default()
        };
        let (mut part, mut at) = (&source[indent..], start + indent);
        loop {
            let (text, goes_on) = continuation(part.trim_end_matches(['\n', '\r']), escape);
            line.pieces.push((line.text.len(), at));
            line.text.push_str(text);
            if !goes_on {
                break;
            }
            let Some((start, source)) = self.continued(out) else { break };
            (part, at) = (source, start);
            line.span.end = start + source.trim_end().len();
        }
        line.text.truncate(line.text.trim_end().len());
        self.heredocs(&mut line, escape, out);
        line
    }

    /// Returns the next line of a continued instruction: neither blank nor a comment.
    fn continued(&mut self, out: &mut Lines) -> Option<(usize, &'a str)> {
        let mut blank = None;
        loop {
            let (start, source) = self.next()?;
            let trimmed = source.trim();
            if trimmed.is_empty() {
                blank = blank.or(Some(start));
            } else if !trimmed.starts_with('#') {
                if let Some(at) = blank {
                    let message = "an empty line within a continued instruction";
                    out.problems.push(
                        Problem::warning(Span::new(at, at), "NoEmptyContinuation", message)
                            .hint("leave the line out, or put a `#` on it"),
                    );
                }
                return Some((start, source));
            }
        }
    }

    /// Reads the heredocs that `line` announces.
    fn heredocs(&mut self, line: &mut Line, escape: char, out: &mut Lines) {
        if !line.text.contains("<<") || !can_have_heredocs(&line.text) {
            return;
        }
        let lexer =
            Lexer { raw_quotes: true, raw_escapes: true, skip_unset: true, ..Lexer::new(escape) };
        let words =
            lexer.expand(&line.text, &|_: &str| None).map(|out| out.words).unwrap_or_default();
        for mut heredoc in words.iter().filter_map(|word| Heredoc::announced(word)) {
            let mut is_closed = false;
            while let Some((start, source)) = self.next() {
                line.span.end = start + source.trim_end().len();
                let bare = source.trim_end_matches(['\n', '\r']);
                let bare = if heredoc.strip_tabs { bare.trim_start_matches('\t') } else { bare };
                if bare == heredoc.name {
                    is_closed = true;
                    break;
                }
                heredoc.content.push_str(source);
            }
            if !is_closed {
                let message = format!("unterminated heredoc: no line `{}`", heredoc.name);
                out.problems.push(Problem::error(line.span, "heredoc", message));
            }
            line.heredocs.push(heredoc);
        }
    }
}

/// Splits off the escape character at the end of a line; tells whether there was one.
fn continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(text) if !text.ends_with(escape) => (text, true),
        _ => (line, false),
    }
}

/// Tells whether the instruction `text` is one whose `<<` announces a heredoc: `RUN`, `COPY` or `ADD`, and not in JSON form.
fn can_have_heredocs(text: &str) -> bool {
    let (mut keyword, mut rest) = first_word(text);
    if keyword.eq_ignore_ascii_case("ONBUILD") {
        (keyword, rest) = first_word(rest);
    }
    while rest.starts_with("--") {
        rest = first_word(rest).1;
    }
    ["RUN", "COPY", "ADD"].iter().any(|name| keyword.eq_ignore_ascii_case(name))
        && serde_json::from_str::<Vec<String>>(rest).is_err()
}

/// Splits off the first word and the space behind it.
fn first_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_keep_their_places() {
        let text = "FROM a\nRUN one \\\n# no\n\n  two \\  \r\n  three\n";
        let lines = read(text);
        let line = &lines.lines[1];
        assert_eq!(line.text, "RUN one   two   three");
        let at = line.text.find("three").unwrap();
        let span = line.span(at..at + 5);
        assert_eq!(&text[span.start..span.end], "three");
        assert_eq!(span.position(text).line, 6);
        assert_eq!(lines.problems[0].code, "NoEmptyContinuation");
    }

    #[test]
    fn directives_are_only_at_the_top() {
        let lines =
            read("# Escape = `\n# syntax=docker/dockerfile:1\n# x\n# check=skip=all\nRUN a`\n b\n");
        assert_eq!(lines.directives.escape(), '`');
        assert_eq!(lines.directives.check, None);
        assert_eq!(lines.lines[0].text, "RUN a b");
    }

    #[test]
    fn heredocs_end_where_their_word_stands() {
        let lines = read(
            "COPY <<a <<-'b' /x\r\n1 $v\r\na\r\n\t2\n\tb\nRUN cat <<EOF && [ 1 << 2 ]\nx\nEOF\n",
        );
        let [copy, run] = &lines.lines[..] else { panic!("{lines:?}") };
        assert_eq!(copy.heredocs[0].content, "1 $v\r\n");
        assert!(copy.heredocs[0].expand && !copy.heredocs[1].expand);
        assert_eq!(copy.heredocs[1].text(), "2\n");
        assert_eq!(run.heredocs.len(), 1);
        assert!(lines.problems.is_empty());
    }
}
