//! Variables in text: `$V`, `${V}`, `${V:-default}`, `${V-default}`, `${V:?error}`, `${V?error}`, `${V:+other}`,
//! `${V+other}`, nested to any depth, and `$$` for a dollar.

use std::collections::BTreeSet;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// Text to keep.
    Text(String),
    /// A variable.
    Variable { name: String, otherwise: Option<(Operator, Vec<Self>)> },
}

/// What follows a variable's name; with `or_empty` an empty value counts as missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    /// `-`: this text when it is missing.
    Default { or_empty: bool },
    /// `?`: fail with this text when it is missing.
    Require { or_empty: bool },
    /// `+`: this text when it is there.
    Replace { or_empty: bool },
}

/// Why a template gave no text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Broken {
    /// It is not one.
    Syntax,
    /// A variable is missing that must be there.
    Required { name: String, message: String },
}

/// Reads a template.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, Broken> {
    let mut reader = Reader { rest: text, depth: 0 };
    let parts = reader.parts(false)?;
    Ok(parts)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// Reads up to the end, or up to the brace that closes the variable that we are in.
    fn parts(&mut self, braced: bool) -> Result<Vec<Part>, Broken> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut braces = 0_usize;
        loop {
            let Some(c) = self.rest.chars().next() else {
                if braced {
                    return Err(Broken::Syntax);
                }
                break;
            };
            if braced && c == '}' && braces == 0 {
                break;
            }
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '$' if self.rest.starts_with('$') => {
                    self.rest = &self.rest[1..];
                    text.push('$');
                }
                '$' => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(self.variable()?);
                }
                '{' if braced => {
                    braces += 1;
                    text.push(c);
                }
                '}' if braced => {
                    braces -= 1;
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(parts)
    }

    fn variable(&mut self) -> Result<Part, Broken> {
        let Some(rest) = self.rest.strip_prefix('{') else {
            return Ok(Part::Variable { name: self.name()?, otherwise: None });
        };
        self.rest = rest;
        self.depth += 1;
        if self.depth > 50 {
            return Err(Broken::Syntax);
        }
        let name = self.name()?;
        let otherwise = match self.operator() {
            None => None,
            Some(operator) => Some((operator, self.parts(true)?)),
        };
        self.rest = self.rest.strip_prefix('}').ok_or(Broken::Syntax)?;
        self.depth -= 1;
        Ok(Part::Variable { name, otherwise })
    }

    fn name(&mut self) -> Result<String, Broken> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Broken::Syntax);
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn operator(&mut self) -> Option<Operator> {
        let (or_empty, rest) = match self.rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, self.rest),
        };
        let operator = match rest.chars().next()? {
            '-' => Operator::Default { or_empty },
            '?' => Operator::Require { or_empty },
            '+' => Operator::Replace { or_empty },
            _ => return None,
        };
        self.rest = &rest[1..];
        Some(operator)
    }
}

/// Writes a template out with the values that `look_up` has; names without one are put into `missing`.
pub(crate) fn fill(
    parts: &[Part],
    look_up: &dyn Fn(&str) -> Option<String>,
    missing: &mut BTreeSet<String>,
) -> Result<String, Broken> {
    let mut out = String::new();
    for part in parts {
        let (name, otherwise) = match part {
            Part::Text(text) => {
                out.push_str(text);
                continue;
            }
            Part::Variable { name, otherwise } => (name, otherwise),
        };
        let value = look_up(name);
        let Some((operator, text)) = otherwise else {
            match value {
                Some(value) => out.push_str(&value),
                None => {
                    missing.insert(name.clone());
                }
            }
            continue;
        };
        let (Operator::Default { or_empty }
        | Operator::Require { or_empty }
        | Operator::Replace { or_empty }) = *operator;
        let given = value.filter(|value| !(or_empty && value.is_empty()));
        match (operator, given) {
            (Operator::Default { .. } | Operator::Require { .. }, Some(value)) => {
                out.push_str(&value);
            }
            (Operator::Default { .. }, None) | (Operator::Replace { .. }, Some(_)) => {
                out.push_str(&fill(text, look_up, missing)?);
            }
            (Operator::Replace { .. }, None) => {}
            (Operator::Require { .. }, None) => {
                return Err(Broken::Required {
                    name: name.clone(),
                    message: fill(text, look_up, missing)?,
                });
            }
        }
    }
    Ok(out)
}

/// Writes the source of parts again, for tables of defaults.
pub(crate) fn source(parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.replace('$', "$$"),
            Part::Variable { name, otherwise: None } => format!("${{{name}}}"),
            Part::Variable { name, otherwise: Some((operator, text)) } => {
                let (mark, or_empty) = match *operator {
                    Operator::Default { or_empty } => ('-', or_empty),
                    Operator::Require { or_empty } => ('?', or_empty),
                    Operator::Replace { or_empty } => ('+', or_empty),
                };
                format!("${{{name}{}{mark}{}}}", if or_empty { ":" } else { "" }, source(text))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Broken> {
        let look_up = |name: &str| match name {
            "SET" => Some("s".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        fill(&parse(text)?, &look_up, &mut BTreeSet::new())
    }

    #[test]
    fn variables_expand_as_compose_has_them() {
        for (text, want) in [
            ("$SET-${SET}", "s-s"),
            ("$$SET $${X:-y}", "$SET ${X:-y}"),
            ("${A:-${B:-${C:-deep}}}", "deep"),
            ("${A:-$SET}/${A:-$$x}", "s/$x"),
            ("${EMPTY-no}${EMPTY:-yes}", "yes"),
            ("${SET:+a}${A:+b}${EMPTY+c}${EMPTY:+d}", "ac"),
            (r#"${A:-{"a": {"b": 1}}}"#, r#"{"a": {"b": 1}}"#),
            ("${SET:?no}", "s"),
            ("${A:-a:b-c?d+e}", "a:b-c?d+e"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(want), "{text}");
        }
        for bad in
            ["${", "${}", "${A", "${A:b}", "${1a}", "$", "a $ b", "$1", "${A:-${B}", "${A B}"]
        {
            assert_eq!(expand(bad), Err(Broken::Syntax), "{bad}");
        }
        assert_eq!(
            expand("${A?because $SET}"),
            Err(Broken::Required { name: "A".into(), message: "because s".into() })
        );
    }
}
