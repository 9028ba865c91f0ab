//! Reads words by a table of flags.

use thiserror::Error;

use super::{Flag, Syntax, Takes, Words};

/// Words that a command cannot be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum UsageError {
    /// A long flag that the command does not have.
    #[error("unknown flag: --{0}")]
    UnknownLong(String),
    /// A letter that the command does not have.
    #[error("unknown shorthand flag: '{letter}' in -{word}")]
    UnknownShort {
        /// The letter.
        letter: char,
        /// The word that it stands in, without the dash.
        word: String,
    },
    /// A flag at the end that wants a value.
    #[error("flag needs an argument: {0}")]
    NoValue(String),
    /// A value that the flag does not take.
    #[error("invalid argument \"{value}\" for \"{flag}\" flag: {reason}")]
    Value {
        /// What was given.
        value: String,
        /// The flag in its quoted form (`-m, --memory`).
        flag: String,
        /// What it should be.
        reason: String,
    },
    /// A flag without a name (`--=x`).
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// Too few or too many words.
    #[error("{0}")]
    Count(String),
    /// The help was asked for.
    #[error("help was asked for")]
    Help,
}

/// What was typed: the flags with their values in order, and the words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parsed {
    given: Vec<(&'static Flag, String)>,
    /// The words that are no flags.
    pub(crate) words: Vec<String>,
}

impl Parsed {
    /// Tells whether a switch is on.
    pub(crate) fn on(&self, long: &str) -> bool {
        self.text(long) == Some("true")
    }

    /// Tells whether a flag was given, whatever its value.
    pub(crate) fn given(&self, long: &str) -> bool {
        self.text(long).is_some()
    }

    /// Returns the last value of a flag.
    pub(crate) fn text(&self, long: &str) -> Option<&str> {
        self.given.iter().rev().find(|(flag, _)| flag.long == long).map(|(_, value)| value.as_str())
    }

    /// Returns the last value of a flag, owned, or nothing at all.
    pub(crate) fn string(&self, long: &str) -> String {
        self.text(long).unwrap_or_default().to_owned()
    }

    /// Returns all values of a flag in order.
    pub(crate) fn all<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a str> {
        self.given
            .iter()
            .filter(move |(flag, _)| flag.long == long)
            .map(|(_, value)| value.as_str())
    }

    /// Returns all values of a flag in order, owned.
    pub(crate) fn list(&self, long: &str) -> Vec<String> {
        self.all(long).map(str::to_owned).collect()
    }

    /// Returns the last value of a flag as `read` reads it.
    ///
    /// # Errors
    /// When `read` refuses a value; the message names the flag and the value.
    pub(crate) fn read<T, E: ToString>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, UsageError> {
        let mut last = None;
        for (flag, text) in self.given.iter().filter(|(flag, _)| flag.long == long) {
            last = Some(read(text).map_err(|reason| refused(flag, text, reason.to_string()))?);
        }
        Ok(last)
    }

    /// Returns all values of a flag as `read` reads them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_all<T, E: ToString>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, UsageError> {
        let of = self.given.iter().filter(|(flag, _)| flag.long == long);
        of.map(|(flag, text)| read(text).map_err(|reason| refused(flag, text, reason.to_string())))
            .collect()
    }

    /// Returns the last value of a flag as a whole number, 0 when it was not given.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn integer(&self, long: &str) -> Result<i64, UsageError> {
        Ok(self.read(long, read_integer)?.unwrap_or(0))
    }
}

/// Reads a whole number as Go's `strconv.ParseInt` with base 0 does for plain decimals.
fn read_integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
}

/// Returns how messages quote a flag: `-m, --memory`.
fn quoted_flag(flag: &Flag) -> String {
    match flag.short {
        Some(letter) => format!("-{letter}, --{}", flag.long),
        None => format!("--{}", flag.long),
    }
}

fn refused(flag: &Flag, value: &str, reason: String) -> UsageError {
    UsageError::Value { value: value.to_owned(), flag: quoted_flag(flag), reason }
}

/// Reads `typed` by `syntax`. `name` is how the command is called in messages (`hako run`).
///
/// # Errors
/// When a flag is unknown or lacks its value, a switch is neither true nor false, the number of words is
/// wrong, or the help was asked for.
pub(crate) fn parse(name: &str, syntax: &Syntax, typed: &[String]) -> Result<Parsed, UsageError> {
    let mut parsed = Parsed::default();
    let mut rest = typed.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            parsed.words.extend(rest.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            parsed.long(syntax, long, &mut rest)?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            parsed.short(syntax, letters, &mut rest)?;
        } else {
            parsed.words.push(word.clone());
            if syntax.program {
                parsed.words.extend(rest.cloned());
                break;
            }
        }
    }
    check_count(name, syntax.count, parsed.words.len())?;
    Ok(parsed)
}

impl Parsed {
    fn long(
        &mut self,
        syntax: &Syntax,
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), UsageError> {
        let (name, attached) =
            word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.starts_with('-') {
            return Err(UsageError::Syntax(format!("--{word}")));
        }
        let Some(flag) = syntax.all().find(|flag| flag.long == name) else {
            return Err(if name == "help" {
                UsageError::Help
            } else {
                UsageError::UnknownLong(name.to_owned())
            });
        };
        let value = match (flag.takes, attached) {
            (Takes::Nothing, value) => truth(flag, value.unwrap_or("true"))?,
            (_, Some(value)) => value.to_owned(),
            (_, None) => {
                rest.next().ok_or_else(|| UsageError::NoValue(format!("--{name}")))?.clone()
            }
        };
        self.given.push((flag, value));
        Ok(())
    }

    fn short(
        &mut self,
        syntax: &Syntax,
        letters: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), UsageError> {
        let mut left = letters;
        while let Some(letter) = left.chars().next() {
            left = &left[letter.len_utf8()..];
            let Some(flag) = syntax.all().find(|flag| flag.short == Some(letter)) else {
                let unknown = UsageError::UnknownShort { letter, word: letters.to_owned() };
                return Err(if letter == 'h' { UsageError::Help } else { unknown });
            };
            let attached = left.strip_prefix('=');
            let value = match (flag.takes, attached) {
                (Takes::Nothing, Some(value)) => truth(flag, value)?,
                (Takes::Nothing, None) => "true".to_owned(),
                (_, Some(value)) => value.to_owned(),
                (_, None) if !left.is_empty() => std::mem::take(&mut left).to_owned(),
                (_, None) => {
                    let missing = || UsageError::NoValue(format!("'{letter}' in -{letters}"));
                    rest.next().ok_or_else(missing)?.clone()
                }
            };
            if attached.is_some() {
                left = "";
            }
            self.given.push((flag, value));
        }
        Ok(())
    }
}

/// Reads a switch's value, in all of Go's spellings.
fn truth(flag: &Flag, text: &str) -> Result<String, UsageError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".into()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".into()),
        _ => Err(refused(
            flag,
            text,
            format!("strconv.ParseBool: parsing \"{text}\": invalid syntax"),
        )),
    }
}

fn check_count(name: &str, count: Words, found: usize) -> Result<(), UsageError> {
    let plural = |number: usize| if number == 1 { "argument" } else { "arguments" };
    let message = match count {
        Words::Exactly(want) if found != want => format!("requires {want} {}", plural(want)),
        Words::AtLeast(want) if found < want => {
            format!("requires at least {want} {}", plural(want))
        }
        Words::AtMost(want) if found > want => format!("requires at most {want} {}", plural(want)),
        Words::Between(low, high) if found < low || found > high => {
            format!("requires at least {low} and at most {high} {}", plural(high))
        }
        _ => return Ok(()),
    };
    Err(UsageError::Count(format!("'{name}' {message}")))
}

#[cfg(test)]
mod tests {
    use super::super::{switch, value, values};
    use super::*;

    const FLAGS: &[Flag] = &[
        switch("interactive", "").short('i'),
        switch("tty", "").short('t'),
        switch("sig-proxy", ""),
        values("env", "list", "").short('e'),
        values("publish", "list", "").short('p'),
        value("memory", "bytes", "").short('m'),
    ];
    const RUN: Syntax =
        Syntax { words: "IMAGE", count: Words::AtLeast(1), program: true, flags: &[FLAGS] };
    const LIST: Syntax = Syntax { program: false, count: Words::AtMost(1), ..RUN };

    fn typed(syntax: &Syntax, line: &str) -> Result<Parsed, UsageError> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse("hako x", syntax, &words)
    }

    #[test]
    fn all_forms_of_flags_are_read() {
        let p = typed(&RUN, "-it -eK=V -e=L=W --env M=X --env=N= -p=80:80 -m 1g -m -1 --sig-proxy=false a -t -- --x").unwrap();
        assert!(p.on("interactive") && p.on("tty") && !p.on("sig-proxy") && p.given("sig-proxy"));
        assert_eq!(p.list("env"), ["K=V", "L=W", "M=X", "N="]);
        assert_eq!(p.list("publish"), ["80:80"]);
        assert_eq!(p.text("memory"), Some("-1"));
        assert_eq!(p.words, ["a", "-t", "--", "--x"]);
    }

    #[test]
    fn flags_may_stand_behind_words_where_no_program_is_run() {
        let p = typed(&LIST, "a -i").unwrap();
        assert!(p.on("interactive"));
        assert_eq!(typed(&LIST, "-i -- -t").unwrap().words, ["-t"]);
        assert_eq!(typed(&LIST, "-").unwrap().words, ["-"]);
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_docker() {
        let told = |line: &str| typed(&LIST, line).unwrap_err().to_string();
        assert_eq!(told("--no-such-flag=1"), "unknown flag: --no-such-flag");
        assert_eq!(told("-ix"), "unknown shorthand flag: 'x' in -ix");
        assert_eq!(told("--env"), "flag needs an argument: --env");
        assert_eq!(told("-ie"), "flag needs an argument: 'e' in -ie");
        assert_eq!(
            told("-i=maybe"),
            "invalid argument \"maybe\" for \"-i, --interactive\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
        );
        assert_eq!(told("a b"), "'hako x' requires at most 1 argument");
        assert_eq!(
            typed(&RUN, "-i").unwrap_err().to_string(),
            "'hako x' requires at least 1 argument"
        );
        assert_eq!(typed(&LIST, "--help").unwrap_err(), UsageError::Help);
    }
}
