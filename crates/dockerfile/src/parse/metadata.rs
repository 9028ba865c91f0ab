//! Instructions that only say something about the image.

use super::{Arguments, flags::Flags, words};
use crate::Problem;
use crate::expand::Lexer;
use crate::instruction::{Declaration, From, Pair, Word};

pub(super) fn from(arguments: &Arguments<'_>, flags: &Flags) -> Result<From, Problem> {
    flags.only(&["platform"], &[])?;
    let mut list: Vec<Word> =
        words::fields(arguments.text()).into_iter().map(|r| arguments.part(r)).collect();
    let name = match &list[..] {
        [_] => None,
        [_, word, _] if word.text.eq_ignore_ascii_case("as") => list.pop(),
        _ => {
            return Err(arguments
                .error("`FROM` requires either one or three arguments")
                .hint("write `FROM image` or `FROM image AS name`"));
        }
    };
    if let Some(name) = &name {
        let text = name.text.to_ascii_lowercase();
        let is_name = text.starts_with(|ch: char| ch.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !is_name {
            let message = format!(
                "invalid name for build stage: `{}`, a name cannot start with a number or contain symbols",
                name.text
            );
            return Err(Problem::error(name.span, "stage-name", message));
        }
    }
    Ok(From { image: list.swap_remove(0), name, platform: flags.value("platform")? })
}

/// Reads `ENV` and `LABEL`: `name=value …`, or the old `name the rest`.
pub(super) fn pairs(arguments: &Arguments<'_>) -> Result<Vec<Pair>, Problem> {
    arguments.at_least_one()?;
    let text = arguments.text();
    let list = words::quoted(text, arguments.escape);
    let first = &text[list[0].clone()];
    if !first.contains('=') {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let value = text[end..].trim_start();
        if value.is_empty() {
            return Err(arguments.error(format!("`{}` must have two arguments", arguments.name())));
        }
        let name = arguments.part(0..end);
        return Ok(vec![Pair {
            name,
            value: checked(arguments, text.len() - value.len()..text.len())?,
        }]);
    }
    list.into_iter()
        .map(|range| {
            let word = arguments.part(range.clone());
            let Some((name, _)) = word.text.split_once('=') else {
                let message = format!(
                    "syntax error: can't find = in `{}`, which must be of the form name=value",
                    word.text
                );
                return Err(Problem::error(word.span, "pair", message));
            };
            if name.is_empty() {
                let message = format!("`{}` names can not be blank", arguments.name());
                return Err(Problem::error(word.span, "pair", message));
            }
            let split = range.start + name.len();
            let name = arguments.part(range.start..split);
            Ok(Pair { name, value: checked(arguments, split + 1..range.end)? })
        })
        .collect()
}

/// Returns a part whose quotes are closed.
fn checked(arguments: &Arguments<'_>, range: std::ops::Range<usize>) -> Result<Word, Problem> {
    let word = arguments.part(range);
    match Lexer::new(arguments.escape).expand(&word.text, &|_: &str| Some("x".into())) {
        Ok(_) | Err(crate::expand::Error::Pattern(_)) => Ok(word),
        Err(error) => Err(Problem::error(
            word.span,
            "word",
            format!("failed to process `{}`: {error}", word.text),
        )),
    }
}

pub(super) fn declarations(arguments: &Arguments<'_>) -> Result<Vec<Declaration>, Problem> {
    arguments.at_least_one()?;
    words::quoted(arguments.text(), arguments.escape)
        .into_iter()
        .map(|range| {
            let word = arguments.part(range.clone());
            let Some((name, _)) = word.text.split_once('=') else {
                return Ok(Declaration { name: word, default: None });
            };
            if name.is_empty() {
                return Err(Problem::error(word.span, "pair", "`ARG` names can not be blank"));
            }
            let split = range.start + name.len();
            let name = arguments.part(range.start..split);
            Ok(Declaration { name, default: Some(checked(arguments, split + 1..range.end)?) })
        })
        .collect()
}

pub(super) fn shell(arguments: &Arguments<'_>) -> Result<Vec<String>, Problem> {
    arguments.at_least_one()?;
    match arguments.json()? {
        Some(words) if words.is_empty() => {
            Err(arguments.error("`SHELL` requires at least one argument"))
        }
        Some(words) => Ok(words),
        None => Err(arguments
            .error("`SHELL` requires the arguments to be in JSON form")
            .hint(r#"write it like `SHELL ["/bin/sh", "-c"]`"#)),
    }
}

pub(super) fn expose(arguments: &Arguments<'_>) -> Result<Vec<Word>, Problem> {
    arguments.at_least_one()?;
    let list: Vec<Word> =
        words::fields(arguments.text()).into_iter().map(|r| arguments.part(r)).collect();
    for word in list.iter().filter(|word| !word.text.contains(['$', '"', '\'', '\\'])) {
        if hako_types::port::parse_exposed(&word.text).is_err() {
            let message = format!("invalid port: `{}`", word.text);
            return Err(Problem::error(word.span, "port", message)
                .hint("write it like `80`, `53/udp` or `8000-8010/tcp`"));
        }
    }
    Ok(list)
}

pub(super) fn volume(arguments: &Arguments<'_>) -> Result<Vec<Word>, Problem> {
    arguments.at_least_one()?;
    let list = arguments.list()?;
    if list.is_empty() || list.iter().any(|word| word.text.is_empty()) {
        return Err(arguments.error("`VOLUME` specified can not be an empty string"));
    }
    Ok(list)
}

pub(super) fn stop_signal(arguments: &Arguments<'_>) -> Result<Word, Problem> {
    let word = arguments.exactly_one()?;
    if word.text.contains('$') || is_signal(&word.text) {
        return Ok(word);
    }
    Err(Problem::error(word.span, "signal", format!("invalid signal: `{}`", word.text)))
}

/// Tells whether `text` is the name or number of a signal.
pub fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u32>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |prefix: &str| {
        name.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n <= 15)
    };
    hako_types::signal::named(name).is_some()
        || matches!(name, "CLD" | "IOT" | "POLL" | "UNUSED" | "RTMIN" | "RTMAX")
        || offset("RTMIN+")
        || offset("RTMAX-")
}
