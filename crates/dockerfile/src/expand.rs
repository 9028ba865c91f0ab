//! Variables in words, by the builder's own rules, which resemble a shell's and are not a shell's.
//!
//! `$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}`, where `w`
//! may hold variables again and `p` knows `*` and `?`. Double quotes keep variables, single quotes do not, and the
//! escape character (of the parser directive) makes the next one ordinary.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

use crate::glob::Wildcard;

/// What variables have as values.
pub trait Variables {
    /// Returns the value of `name`, where it is set.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Why a word cannot be expanded.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// A quote, brace or slash is open at the end.
    #[error("unexpected end of statement while looking for matching {0}")]
    Unterminated(&'static str),
    /// `${` without `}`.
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    /// `${}`, `${:` and the like.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// `${v!w}` and the like.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${v:?message}` and `v` is unset or empty.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author wants to be said.
        message: String,
    },
    /// A pattern that cannot be used.
    #[error("invalid escape '\\{0}' in pattern")]
    Pattern(char),
}

/// What became of a word.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// The text as words: unquoted white space, also from variables, parts them.
    pub words: Vec<String>,
    /// Variables that had a value.
    pub used: BTreeSet<String>,
    /// Variables that had none and no default either.
    pub unset: BTreeSet<String>,
}

/// The rules by which words are expanded.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent switches of one lexer")]
pub struct Lexer {
    /// The escape character.
    pub escape: char,
    /// Keep quotes in the result.
    pub raw_quotes: bool,
    /// Keep escape characters in the result.
    pub raw_escapes: bool,
    /// Leave variables that are not set as they are written.
    pub skip_unset: bool,
    /// Quotes are ordinary characters (as in heredocs).
    pub ignore_quotes: bool,
}

impl Lexer {
    /// Returns the rules for instructions, with this escape character.
    #[must_use]
    pub fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            skip_unset: false,
            ignore_quotes: false,
        }
    }

    /// Returns the rules for the content of heredocs.
    #[must_use]
    pub fn heredoc(escape: char) -> Self {
        Self { ignore_quotes: true, ..Self::new(escape) }
    }

    /// Expands `text`.
    ///
    /// # Errors
    /// When a quote or brace is open, a modifier is unknown, or a required variable is missing.
    pub fn expand(&self, text: &str, variables: &dyn Variables) -> Result<Expanded, Error> {
        let mut run =
            Run { lexer: self, rest: text.chars().peekable(), variables, out: Expanded::default() };
        let (text, words) = run.until(None, false)?;
        Ok(Expanded { text, words, ..run.out })
    }
}

/// Words in the making.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    open: String,
    in_word: bool,
}

impl Words {
    fn soft(&mut self, text: &str) {
        for ch in text.chars() {
            if ch.is_whitespace() {
                self.close();
            } else {
                self.open.push(ch);
                self.in_word = true;
            }
        }
    }

    fn hard(&mut self, text: &str) {
        self.open.push_str(text);
        self.in_word = true;
    }

    fn close(&mut self) {
        if self.in_word {
            self.done.push(std::mem::take(&mut self.open));
            self.in_word = false;
        }
    }
}

struct Run<'a> {
    lexer: &'a Lexer,
    rest: Peekable<Chars<'a>>,
    variables: &'a dyn Variables,
    out: Expanded,
}

impl Run<'_> {
    /// Expands up to `stop`, or to the end where there is none.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), Error> {
        let mut text = String::new();
        let mut words = Words::default();
        let mut buffer = [0; 4];
        while let Some(&ch) = self.rest.peek() {
            if Some(ch) == stop {
                self.rest.next();
                words.close();
                return Ok((text, words.done));
            }
            match ch {
                '$' => {
                    let value = self.dollar()?;
                    text.push_str(&value);
                    words.soft(&value);
                }
                '\'' | '"' if !self.lexer.ignore_quotes => {
                    let value =
                        if ch == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    text.push_str(&value);
                    words.hard(&value);
                }
                _ if ch == self.lexer.escape => {
                    self.rest.next();
                    if self.lexer.raw_escapes || raw_escapes {
                        text.push(ch);
                        words.hard(ch.encode_utf8(&mut buffer));
                    }
                    if let Some(next) = self.rest.next() {
                        text.push(next);
                        words.hard(next.encode_utf8(&mut buffer));
                    }
                }
                _ => {
                    self.rest.next();
                    text.push(ch);
                    words.soft(ch.encode_utf8(&mut buffer));
                }
            }
        }
        match stop {
            None => {
                words.close();
                Ok((text, words.done))
            }
            Some('/') => Err(Error::Unterminated("/")),
            Some(_) => Err(Error::MissingBrace),
        }
    }

    fn single_quoted(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        self.rest.next();
        if self.lexer.raw_quotes {
            text.push('\'');
        }
        for ch in self.rest.by_ref() {
            if ch == '\'' {
                if self.lexer.raw_quotes {
                    text.push('\'');
                }
                return Ok(text);
            }
            text.push(ch);
        }
        Err(Error::Unterminated("single-quote"))
    }

    fn double_quoted(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        self.rest.next();
        if self.lexer.raw_quotes {
            text.push('"');
        }
        while let Some(&ch) = self.rest.peek() {
            match ch {
                '$' => text.push_str(&self.dollar()?),
                '"' => {
                    self.rest.next();
                    if self.lexer.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                _ if ch == self.lexer.escape => {
                    self.rest.next();
                    if self.lexer.raw_escapes {
                        text.push(ch);
                    }
                    match self.rest.peek() {
                        None => {}
                        Some(&next) if next == '"' || next == '$' || next == ch => {
                            self.rest.next();
                            text.push(next);
                        }
                        Some(_) if self.lexer.raw_escapes => {}
                        Some(_) => text.push(ch),
                    }
                }
                _ => {
                    self.rest.next();
                    text.push(ch);
                }
            }
        }
        Err(Error::Unterminated("double-quote"))
    }

    fn dollar(&mut self) -> Result<String, Error> {
        self.rest.next();
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".into());
            }
            return Ok(match self.value(&name) {
                Some(value) => value,
                None if self.lexer.skip_unset => format!("${name}"),
                None => self.missing(name),
            });
        }
        self.rest.next();
        match self.rest.peek() {
            None => return Err(Error::MissingBrace),
            Some('{' | '}' | ':') => return Err(Error::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.rest.next() {
            None => Err(Error::MissingBrace),
            Some('}') => Ok(match self.value(&name) {
                Some(value) => value,
                None if self.lexer.skip_unset => format!("${{{name}}}"),
                None => self.missing(name),
            }),
            Some(':') => {
                let modifier = self.rest.next().ok_or(Error::MissingBrace)?;
                match modifier {
                    '-' | '+' | '?' => self.default(name, modifier, true),
                    _ => Err(Error::Modifier(format!(":{modifier}"))),
                }
            }
            Some(modifier @ ('-' | '+' | '?')) => self.default(name, modifier, false),
            Some(modifier @ ('#' | '%')) => self.trim(name, modifier),
            Some('/') => self.replace(name),
            Some(other) => Err(Error::Modifier(other.into())),
        }
    }

    /// `${v:-w}` and its relatives; `colon` makes an empty value count as none.
    fn default(&mut self, name: String, modifier: char, colon: bool) -> Result<String, Error> {
        let (word, _) = self.until(Some('}'), false)?;
        let value = self.value(&name);
        let is_set = value.as_ref().is_some_and(|value| !colon || !value.is_empty());
        match modifier {
            '-' if is_set => Ok(value.unwrap_or_default()),
            '+' if !is_set => Ok(String::new()),
            '-' | '+' => Ok(word),
            _ if is_set => Ok(value.unwrap_or_default()),
            _ => {
                let state = if value.is_some() { "empty" } else { "unset" };
                let message =
                    if word.is_empty() { format!("is not allowed to be {state}") } else { word };
                Err(Error::Required { name, message })
            }
        }
    }

    /// `${v#p}`, `${v##p}`, `${v%p}` and `${v%%p}`.
    fn trim(&mut self, name: String, side: char) -> Result<String, Error> {
        let (word, _) = self.until(Some('}'), true)?;
        let (word, greedy) =
            word.strip_prefix(side).map_or((word.as_str(), false), |rest| (rest, true));
        let Some(value) = self.value(&name) else {
            return Ok(if self.lexer.skip_unset {
                format!("${{{name}{side}{word}}}")
            } else {
                self.missing(name)
            });
        };
        let pattern = Wildcard::parse(word).map_err(Error::Pattern)?;
        Ok(if side == '#' {
            pattern.trim_start(&value, greedy)
        } else {
            pattern.trim_end(&value, greedy)
        })
    }

    /// `${v/p/r}` and `${v//p/r}`.
    fn replace(&mut self, name: String) -> Result<String, Error> {
        let all = self.rest.next_if_eq(&'/').is_some();
        let (pattern, _) = self.until(Some('/'), true)?;
        let (replacement, _) = self.until(Some('}'), true)?;
        let Some(value) = self.value(&name) else {
            let written = format!("${{{name}/{pattern}/{replacement}}}");
            return Ok(if self.lexer.skip_unset { written } else { self.missing(name) });
        };
        Ok(Wildcard::parse(&pattern).map_err(Error::Pattern)?.replace(&value, &replacement, all))
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.rest.peek() {
            Some(ch) if ch.is_numeric() => {
                while let Some(digit) = self.rest.next_if(|ch| ch.is_numeric()) {
                    name.push(digit);
                }
            }
            Some(&ch @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.rest.next();
                name.push(ch);
            }
            _ => {
                while let Some(ch) = self.rest.next_if(|ch| ch.is_alphanumeric() || *ch == '_') {
                    name.push(ch);
                }
            }
        }
        name
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?;
        self.out.used.insert(name.to_owned());
        Some(value)
    }

    fn missing(&mut self, name: String) -> String {
        self.out.unset.insert(name);
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "v" => Some("foo.bar.baz".into()),
            "e" => Some(String::new()),
            "s" => Some("two words".into()),
            _ => None,
        }
    }

    fn text(word: &str) -> Result<String, Error> {
        Lexer::new('\\').expand(word, &variables).map(|out| out.text)
    }

    #[test]
    fn every_form_of_a_variable_is_known() {
        for (word, want) in [
            ("$v", "foo.bar.baz"),
            ("${v}x$none-", "foo.bar.bazx-"),
            ("${none:-def}${e:-def}<${e-def}>${none-def}", "defdef<>def"),
            ("${v:+set}<${e:+set}><${e+set}><${none+set}>", "set<><set><>"),
            ("${v#*.} ${v##*.} ${v%.*} ${v%%.*}", "bar.baz baz foo.bar foo"),
            ("${v/ba/X} ${v//ba/X} ${v/b?r./} ${v//o/}", "foo.Xr.baz foo.Xr.Xz foo.baz f.bar.baz"),
            ("${none:-${v}} ${none:-a ${none:-b}}", "foo.bar.baz a b"),
            (r"\$v \${v} '$v' '\x' ", r"$v ${v} $v \x "),
            (r#""$v" "\$v" "\x" "q\"q""#, r#"foo.bar.baz $v \x q"q"#),
            (r"a\ b \\ x\", r"a b \ x"),
            ("$ a$ $1x", "$ a$ x"),
            ("${v?m}${v:?m}", "foo.bar.bazfoo.bar.baz"),
        ] {
            assert_eq!(text(word).as_deref(), Ok(want), "{word}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (word, want) in [
            ("${v", "syntax error: missing '}'"),
            ("${v:-x", "syntax error: missing '}'"),
            ("${}", "syntax error: bad substitution"),
            ("${v:x}", "unsupported modifier (:x) in substitution"),
            ("${v!x}", "unsupported modifier (!) in substitution"),
            ("\"open", "unexpected end of statement while looking for matching double-quote"),
            ("${none:?please give x}", "none: please give x"),
            ("${e:?}", "e: is not allowed to be empty"),
        ] {
            assert_eq!(text(word).unwrap_err().to_string(), want, "{word}");
        }
    }

    #[test]
    fn unquoted_space_parts_words() {
        let words = |word| Lexer::new('\\').expand(word, &variables).unwrap().words;
        assert_eq!(words("a $s \"$s\" b\\ c"), ["a", "two", "words", "two words", "b c"]);
        assert_eq!(words(" '' "), [""]);
    }
}
