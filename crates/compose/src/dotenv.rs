//! Files of variables (`.env`, `env_file`, `--env-file`): `KEY=VALUE` lines with shell-like quotes, comments,
//! `export`, values over several lines and variables in values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::template::{self, Broken};

/// A mistake, with its line from one.
struct Mistake {
    line: usize,
    message: String,
}

/// Reads a file of variables. Values may use what `look_up` has and what stands above them.
///
/// A name alone takes the value that `look_up` has for it and is left out when there is none.
///
/// # Errors
/// When a name is not one, a quote is not closed, or a variable in a value is malformed or required and missing.
pub fn parse(
    path: &Path,
    text: &str,
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut reader = Reader {
        rest: text.trim_start_matches('\u{feff}'),
        line: 1,
        values: BTreeMap::new(),
        look_up,
    };
    match reader.read() {
        Ok(()) => Ok(reader.values),
        Err(Mistake { line, message }) => {
            Err(Error::Variables { path: path.to_owned(), line, message })
        }
    }
}

/// Reads a file of `KEY=VALUE` lines in which every character stands for itself (`format: raw`).
///
/// # Errors
/// When a name has white space in it.
pub fn parse_raw(
    path: &Path,
    text: &str,
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line, look_up(line)),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            let message = format!("`{key}` is not a variable's name");
            return Err(Error::Variables { path: path.to_owned(), line: at + 1, message });
        }
        if let Some(value) = value {
            values.insert(key.to_owned(), value);
        }
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    values: BTreeMap<String, String>,
    look_up: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Mistake> {
        loop {
            self.skip_blank();
            if self.rest.is_empty() {
                return Ok(());
            }
            if self.rest.starts_with('#') {
                self.line_text();
                continue;
            }
            if let Some(rest) =
                self.rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']))
            {
                self.rest = rest.trim_start_matches([' ', '\t']);
            }
            self.assignment()?;
        }
    }

    fn assignment(&mut self) -> Result<(), Mistake> {
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let separated = !self.rest[end..].is_empty() && !self.rest[end..].starts_with('\n');
        let mut key = self.rest[..end].trim_end_matches(['\r', ' ', '\t']);
        if !separated {
            key = key.split_once(" #").map_or(key, |(key, _)| key.trim_end());
        }
        let bad = |c: char| !(c.is_alphanumeric() || "_.-[]".contains(c));
        if let Some(c) = key.chars().find(|c| bad(*c)) {
            let message = match c {
                c if c.is_whitespace() => format!("the key `{key}` cannot contain a space"),
                c => format!("unexpected character {c:?} in the variable name `{key}`"),
            };
            return Err(self.mistake(message));
        }
        if key.is_empty() {
            return Err(self.mistake("a variable name is missing".into()));
        }
        let key = key.to_owned();
        if !separated {
            self.rest = &self.rest[end..];
            if let Some(value) = (self.look_up)(&key) {
                self.values.insert(key, value);
            }
            return Ok(());
        }
        self.rest = self.rest[end + 1..].trim_start_matches([' ', '\t']);
        let value = self.value(&key)?;
        self.values.insert(key, value);
        Ok(())
    }

    fn value(&mut self, key: &str) -> Result<String, Mistake> {
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let text = self.quoted(quote, key)?;
                self.line_text();
                if quote == '"' { self.expand(&unescape(&text), key) } else { Ok(text) }
            }
            _ => {
                let line = self.line_text();
                let end = comment(line).unwrap_or(line.len());
                self.expand(line[..end].trim(), key)
            }
        }
    }

    fn quoted(&mut self, quote: char, key: &str) -> Result<String, Mistake> {
        let body = &self.rest[1..];
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                let text = &body[..at];
                self.line += text.matches('\n').count();
                self.rest = &body[at + 1..];
                return Ok(text.to_owned());
            }
        }
        Err(self.mistake(format!("the value of `{key}` has a quote that is not closed")))
    }

    fn expand(&self, text: &str, key: &str) -> Result<String, Mistake> {
        let look_up = |name: &str| (self.look_up)(name).or_else(|| self.values.get(name).cloned());
        template::parse(text)
            .and_then(|parts| template::fill(&parts, &look_up, &mut BTreeSet::new()))
            .map_err(|broken| match broken {
                Broken::Syntax => {
                    self.mistake(format!("invalid variable in the value of `{key}`: `{text}`"))
                }
                Broken::Required { name, message } => {
                    self.mistake(format!("required variable {name} is missing a value: {message}"))
                }
            })
    }

    fn mistake(&self, message: String) -> Mistake {
        Mistake { line: self.line, message }
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.rest.chars().next().filter(|c| c.is_whitespace()) {
            self.line += usize::from(c == '\n');
            self.rest = &self.rest[c.len_utf8()..];
        }
    }

    /// Takes the rest of the line, and leaves its end.
    fn line_text(&mut self) -> &'a str {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        line.trim_end_matches('\r')
    }
}

/// Returns where a comment begins: at a `#` that is first or comes after white space.
fn comment(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    (0..bytes.len())
        .find(|&at| bytes[at] == b'#' && (at == 0 || matches!(bytes[at - 1], b' ' | b'\t')))
}

/// Resolves backslashes of a double-quoted value; `\$` becomes `$$`, which the template keeps as a dollar.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\' | '\'')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        let look_up = |name: &str| (name == "OUTER").then(|| "outer".to_owned());
        parse(Path::new("e"), text, &look_up).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        let text = "A=1\r\n# c\nexport B = two words # note\nC='$A lit # x'\nD=\"q\\n\\\"$A\\\" \\$A\"\nE=a#b\nF=\nG=$A/${NO:-d}\nOUTER\nNONE\n\
                    H: yaml\nI=\"multi\nline\"\nJ=#x\nK.x-y=5";
        let got = read(text).unwrap();
        let want = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$A lit # x"),
            ("D", "q\n\"1\" $A"),
            ("E", "a#b"),
            ("F", ""),
            ("G", "1/d"),
            ("H", "yaml"),
            ("I", "multi\nline"),
            ("J", ""),
            ("K.x-y", "5"),
            ("OUTER", "outer"),
        ];
        assert_eq!(got, want.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, want) in [
            ("A=1\n\nB C=2", "e:3: the key `B C` cannot contain a space"),
            ("A=\"x\ny", "e:1: the value of `A` has a quote that is not closed"),
            ("=x", "e:1: a variable name is missing"),
            ("A=${", "e:1: invalid variable"),
        ] {
            let got = read(text).unwrap_err();
            assert!(got.starts_with(want), "{got}");
        }
    }
}
