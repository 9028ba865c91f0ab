//! The flags of an instruction (`--name=value`), which stand before its arguments.

use super::Arguments;
use crate::instruction::Word;
use crate::{Problem, Span, nearest};

/// One flag.
pub(super) struct Flag {
    /// Its name, dashes off.
    pub(super) name: Word,
    /// What follows `=`.
    pub(super) value: Option<Word>,
    /// The whole of it.
    pub(super) span: Span,
}

/// The flags of one instruction.
pub(super) struct Flags(Vec<Flag>);

/// Takes the flags off the arguments.
pub(super) fn split(all: Arguments<'_>) -> Result<(Flags, Arguments<'_>), Problem> {
    let text = all.text();
    let (mut flags, mut at) = (Vec::new(), 0);
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if !text[at..].starts_with("--") {
            break;
        }
        let (word, end) = word(&text[at..]);
        if word == "--" {
            at += end;
            at += text[at..].len() - text[at..].trim_start().len();
            break;
        }
        flags.push(flag(&all, &word, at, at + end));
        at += end;
    }
    let range = all.range.start + at..all.range.end;
    Ok((Flags(flags), Arguments { range, ..all }))
}

/// Reads one word, its quotes and escapes taken away; returns it and its length in the text.
fn word(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        match quote {
            None if ch.is_whitespace() => return (out, at),
            None if ch == '\'' || ch == '"' => quote = Some(ch),
            Some(open) if open == ch => quote = None,
            _ if ch == '\\' => out.extend(chars.next().map(|(_, next)| next)),
            _ => out.push(ch),
        }
    }
    (out, text.len())
}

fn flag(all: &Arguments<'_>, word: &str, start: usize, end: usize) -> Flag {
    let whole = all.part(start..end);
    let (name, value) =
        word[2..].split_once('=').map_or((&word[2..], None), |(name, value)| (name, Some(value)));
    let name_end = start + 2 + whole.text[2..].find('=').unwrap_or(whole.text.len() - 2);
    Flag {
        name: all.word_at(name.to_owned(), start..name_end),
        value: value.map(|value| all.word_at(value.to_owned(), (name_end + 1).min(end)..end)),
        span: whole.span,
    }
}

impl Flags {
    /// Refuses every flag that is not among `once` and `many`, and one of `once` that comes twice.
    pub(super) fn only(&self, once: &[&str], many: &[&str]) -> Result<(), Problem> {
        for (at, flag) in self.0.iter().enumerate() {
            let name = flag.name.text.as_str();
            if !once.contains(&name) && !many.contains(&name) {
                let near =
                    nearest(name, once.iter().chain(many).copied()).map(|near| format!("--{near}"));
                let message = format!("unknown flag: `--{name}`");
                return Err(
                    Problem::error(flag.name.span, "flag", message).did_you_mean(near.as_deref())
                );
            }
            if once.contains(&name) && self.0[..at].iter().any(|other| other.name.text == name) {
                return Err(Problem::error(
                    flag.span,
                    "flag",
                    format!("duplicate flag specified: `--{name}`"),
                ));
            }
        }
        Ok(())
    }

    /// Returns the value of `name`, where it is there.
    pub(super) fn value(&self, name: &str) -> Result<Option<Word>, Problem> {
        Ok(self.values(name)?.pop())
    }

    /// Returns all values of `name`.
    pub(super) fn values(&self, name: &str) -> Result<Vec<Word>, Problem> {
        self.named(name).map(|flag| flag.value.clone().ok_or_else(|| missing(flag))).collect()
    }

    /// Returns the truth of `name`, where it is there.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(flag) = self.named(name).last() else { return Ok(None) };
        match flag.value.as_ref().map(|value| value.text.to_ascii_lowercase()).as_deref() {
            None | Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                let message = format!("expecting boolean value for flag `--{name}`, not `{other}`");
                Err(Problem::error(flag.span, "flag", message))
            }
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Flag> {
        self.0.iter().filter(move |flag| flag.name.text == name)
    }
}

fn missing(flag: &Flag) -> Problem {
    Problem::error(flag.span, "flag", format!("missing a value on flag: `--{}`", flag.name.text))
}
