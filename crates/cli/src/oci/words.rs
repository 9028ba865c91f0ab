//! Options and arguments, in any order, as runc's users mix them.

use super::Failure;

/// The words of a command, told apart.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    options: Vec<(String, String)>,
    /// What is not an option.
    pub(super) arguments: Vec<String>,
}

/// An option's name, and whether a value follows.
pub(super) type Known<'a> = &'a [(&'a str, bool)];

impl Parsed {
    /// Reads options and arguments in any order; after `--`, only arguments.
    pub(super) fn all(words: &[String], known: Known<'_>) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if word == "--" {
                parsed.arguments.extend_from_slice(rest);
                break;
            }
            match option(word) {
                Some(name) => rest = parsed.take(name, rest, known)?,
                None => parsed.arguments.push(word.clone()),
            }
        }
        Ok(parsed)
    }

    /// Reads options up to the first argument; returns what begins there.
    pub(super) fn leading<'a>(
        words: &'a [String],
        known: Known<'_>,
    ) -> Result<(Self, &'a [String]), Failure> {
        Self::up_to(words, known, 0)
    }

    /// Reads options up to the argument after `count` others; returns what begins there.
    pub(super) fn up_to<'a>(
        words: &'a [String],
        known: Known<'_>,
        count: usize,
    ) -> Result<(Self, &'a [String]), Failure> {
        let mut parsed = Self::default();
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            if word == "--" {
                return Ok((parsed, after));
            }
            match option(word) {
                Some(name) => rest = parsed.take(name, after, known)?,
                None if parsed.arguments.len() == count => break,
                None => {
                    parsed.arguments.push(word.clone());
                    rest = after;
                }
            }
        }
        Ok((parsed, rest))
    }

    fn take<'a>(
        &mut self,
        name: &str,
        rest: &'a [String],
        known: Known<'_>,
    ) -> Result<&'a [String], Failure> {
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let wanted = known.iter().find(|(known, _)| *known == name);
        let (_, has_value) = wanted
            .ok_or_else(|| Failure::new(format!("flag provided but not defined: -{name}")))?;
        let (value, rest) = match (given, has_value) {
            (Some(value), _) => (value.to_owned(), rest),
            (None, false) => ("true".to_owned(), rest),
            (None, true) => {
                let (value, rest) = rest
                    .split_first()
                    .ok_or_else(|| Failure::new(format!("flag needs an argument: -{name}")))?;
                (value.clone(), rest)
            }
        };
        self.options.push((name.to_owned(), value));
        Ok(rest)
    }

    /// Returns whether an option is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    /// Returns whether one of several spellings of an option is set.
    pub(super) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// Returns the last value of an option.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the last value of the first spelling that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.value(name))
    }

    /// Returns all values of all spellings, in order.
    pub(super) fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.options
            .iter()
            .filter(|(known, _)| names.contains(&known.as_str()))
            .map(|(_, value)| value.as_str())
    }

    /// Returns a number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let number = text
            .parse()
            .map_err(|_| Failure::new(format!("invalid value `{text}` for flag -{name}")))?;
        Ok(Some(number))
    }

    /// Returns the only argument.
    pub(super) fn id(&self) -> Result<&str, Failure> {
        match self.arguments.as_slice() {
            [id] => Ok(id),
            [] => Err(Failure::new("container id cannot be empty")),
            more => {
                Err(Failure::new(format!("exactly one argument is wanted, not {}", more.len())))
            }
        }
    }
}

/// Returns the name of an option, without its dashes.
fn option(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_may_follow_arguments() {
        let parsed =
            Parsed::all(&words("box --pid-file=p -b dir"), &[("pid-file", true), ("b", true)])
                .unwrap();
        assert_eq!(parsed.id().unwrap(), "box");
        assert_eq!((parsed.value("pid-file"), parsed.value("b")), (Some("p"), Some("dir")));
    }

    #[test]
    fn a_programs_own_options_are_left_alone() {
        let words = words("-t box ls -l");
        let (parsed, rest) = Parsed::up_to(&words, &[("t", false)], 1).unwrap();
        assert!(parsed.has("t"));
        assert_eq!(rest, ["ls", "-l"]);
    }
}
