//! `--filter name=value`, as all the listings take it.

use std::collections::BTreeMap;

use hako_types::Moment;

use crate::args::Parsed;
use crate::report::Failure;

/// Filters by name. Values of one name are alternatives, except where their command says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the filters of a command that knows those in `known`.
    ///
    /// # Errors
    /// When one is unknown or has no value.
    pub(crate) fn read(parsed: &Parsed, known: &[&str]) -> Result<Self, Failure> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in parsed.all("filter").filter(|text| !text.is_empty()) {
            let Some((name, value)) = text.split_once('=') else {
                return Err(Failure::new(format!("invalid filter '{text}': want name=value")));
            };
            let name = name.trim().to_lowercase();
            if !known.contains(&name.as_str()) {
                let hint = format!("known filters: {}", known.join(", "));
                return Err(Failure::new(format!("invalid filter '{name}'")).with_hint(hint));
            }
            all.entry(name).or_default().push(value.trim().to_owned());
        }
        Ok(Self(all))
    }

    /// Returns the values of one filter.
    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether a filter was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Tells whether a filter was not given, or one of its values fits.
    pub(crate) fn any(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        let values = self.values(name);
        values.is_empty() || values.iter().any(|value| fits(value))
    }

    /// Tells whether all of the filter's values fit.
    pub(crate) fn all(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.values(name).iter().all(|value| fits(value))
    }

    /// Tells whether labels have what `label` asks for and lack what `label!` does.
    pub(crate) fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.all("label", |wanted| has_label(labels, wanted))
            && self.all("label!", |wanted| !has_label(labels, wanted))
    }

    /// Returns the truth that a filter asks for, where it was given.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.values(name).last().map(String::as_str) {
            None => Ok(None),
            Some("1" | "true" | "True" | "TRUE" | "t") => Ok(Some(true)),
            Some("0" | "false" | "False" | "FALSE" | "f") => Ok(Some(false)),
            Some(other) => Err(Failure::new(format!("invalid filter '{name}={other}'"))),
        }
    }

    /// Returns the moment that `until` says.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn until(&self) -> Result<Option<Moment>, Failure> {
        let Some(text) = self.values("until").last() else { return Ok(None) };
        Moment::parse_flag(text, Moment::now())
            .map(Some)
            .map_err(|error| Failure::new(error.to_string()))
    }
}

/// Returns the moment that a flag such as `--since` says, as seen from `now`; nothing when it is not given or empty.
///
/// # Errors
/// When the text is no moment.
pub(crate) fn moment(parsed: &Parsed, flag: &str, now: Moment) -> Result<Option<Moment>, Failure> {
    let Some(text) = parsed.text(flag).filter(|text| !text.is_empty()) else { return Ok(None) };
    Moment::parse_flag(text, now)
        .map(Some)
        .map_err(|error| Failure::new(format!("invalid value for \"{flag}\": {error}")))
}

/// Tells whether labels have `name` or `name=value`.
pub(crate) fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// Tells whether `text` has a part that `pattern` fits: the small part of regular expressions that people use in filters
/// (`^`, `$`, `.`, `*`, `+`, `?`, `[…]`, `|`, `\`).
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    pattern.split('|').any(|one| {
        let letters: Vec<char> = one.chars().collect();
        let text: Vec<char> = text.chars().collect();
        match letters.split_first() {
            Some(('^', rest)) => here(rest, &text),
            _ => (0..=text.len()).any(|start| here(&letters, &text[start..])),
        }
    })
}

/// Tells whether `pattern` fits the beginning of `text`.
fn here(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return true };
    if *first == '$' && pattern.len() == 1 {
        return text.is_empty();
    }
    let length = atom(pattern);
    let (one, rest) = pattern.split_at(length);
    let fits = |text: &[char]| text.first().is_some_and(|letter| fits(one, *letter));
    match rest.first() {
        Some('?') => (fits(text) && here(&rest[1..], &text[1..])) || here(&rest[1..], text),
        Some(repeat @ ('*' | '+')) => {
            let most = text.iter().take_while(|letter| self::fits(one, **letter)).count();
            let least = usize::from(*repeat == '+');
            (least..=most).rev().any(|count| here(&rest[1..], &text[count..]))
        }
        _ => fits(text) && here(rest, &text[1..]),
    }
}

/// Returns how many letters of the pattern its first atom has.
fn atom(pattern: &[char]) -> usize {
    match pattern[0] {
        '\\' if pattern.len() > 1 => 2,
        '[' => pattern.iter().skip(2).position(|letter| *letter == ']').map_or(1, |end| end + 3),
        _ => 1,
    }
}

fn fits(atom: &[char], letter: char) -> bool {
    match atom {
        ['.'] => true,
        ['\\', escaped] => *escaped == letter,
        ['[', '^', inner @ .., ']'] => !in_class(inner, letter),
        ['[', inner @ .., ']'] => in_class(inner, letter),
        [plain] => *plain == letter,
        _ => false,
    }
}

fn in_class(inner: &[char], letter: char) -> bool {
    let mut rest = inner;
    while let Some((first, after)) = rest.split_first() {
        if let ['-', last, ..] = after {
            if (*first..=*last).contains(&letter) {
                return true;
            }
            rest = &after[2..];
        } else if *first == letter {
            return true;
        } else {
            rest = after;
        }
    }
    false
}

/// Tells whether `text` fits a path pattern (`*` and `?` stop at slashes, `[…]` is a class), as Go's `path.Match`.
pub(crate) fn matches_path(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    path_here(&pattern, &text)
}

fn path_here(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => {
            let most = text.iter().take_while(|letter| **letter != '/').count();
            (0..=most).any(|count| path_here(rest, &text[count..]))
        }
        Some(('?', rest)) => {
            text.first().is_some_and(|letter| *letter != '/') && path_here(rest, &text[1..])
        }
        Some(_) => {
            let (one, rest) = pattern.split_at(atom(pattern));
            let one = if one == ['.'] { &['\\', '.'][..] } else { one };
            text.first().is_some_and(|letter| fits(one, *letter)) && path_here(rest, &text[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_patterns_match_as_regular_expressions_do() {
        for (pattern, text, want) in [
            ("web", "/my-web-1", true),
            ("^/web$", "/web", true),
            ("^/web$", "/web1", false),
            ("^/we.*[0-9]+$", "/web12", true),
            ("a|b", "xb", true),
            ("x?y", "y", true),
            ("a1b2c3-", "/a1b2c3-x", true),
            ("a\\.b", "axb", false),
            ("[^a-c]z", "dz", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn reference_patterns_match_as_paths_do() {
        for (pattern, text, want) in [
            ("a*:1", "ab:1", true),
            ("a*", "ab/c", false),
            ("*/x", "lib/x", true),
            ("b.c", "bxc", false),
            ("[ab]?", "bq", true),
        ] {
            assert_eq!(matches_path(pattern, text), want, "{pattern} {text}");
        }
    }
}
