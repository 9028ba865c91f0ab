//! Two kinds of patterns: the wildcards of `${v#p}`, and those of paths (Go's `filepath.Match`).

/// A pattern of a variable: `*` is any text, `?` any character.
#[derive(Clone, Debug)]
pub struct Wildcard(Vec<Part>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Char(char),
    One,
    Many,
}

impl Wildcard {
    /// Parses `text`; only `*`, `?` and `\` can be escaped, and `\/` and `\}` stand for themselves.
    ///
    /// # Errors
    /// Returns the character behind a back-slash that cannot be there.
    pub fn parse(text: &str) -> Result<Self, char> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            parts.push(match ch {
                '*' if parts.last() == Some(&Part::Many) => continue,
                '*' => Part::Many,
                '?' => Part::One,
                '\\' => match chars.next() {
                    Some(next @ ('*' | '?' | '\\' | '/' | '}')) => Part::Char(next),
                    other => return Err(other.unwrap_or('\\')),
                },
                _ => Part::Char(ch),
            });
        }
        Ok(Self(parts))
    }

    /// Returns `text` without the shortest (or longest) beginning that matches.
    #[must_use]
    pub fn trim_start(&self, text: &str, longest: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let end = Self::end(&self.0, &chars, longest).unwrap_or(0);
        chars[end..].iter().collect()
    }

    /// Returns `text` without the shortest (or longest) end that matches.
    #[must_use]
    pub fn trim_end(&self, text: &str, longest: bool) -> String {
        let chars: Vec<char> = text.chars().rev().collect();
        let parts: Vec<Part> = self.0.iter().rev().copied().collect();
        let end = Self::end(&parts, &chars, longest).unwrap_or(0);
        chars[end..].iter().rev().collect()
    }

    /// Returns `text` with the first match, or all of them, replaced; each match is as long as it can be.
    #[must_use]
    pub fn replace(&self, text: &str, with: &str, all: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut out = String::new();
        let (mut at, mut after_match) = (0, false);
        while at <= chars.len() {
            match Self::end(&self.0, &chars[at..], true) {
                Some(length) if length > 0 || !after_match => {
                    out.push_str(with);
                    at += length;
                    if !all {
                        break;
                    }
                    after_match = length > 0;
                    if length > 0 {
                        continue;
                    }
                }
                _ => after_match = false,
            }
            out.extend(chars.get(at));
            at += 1;
        }
        out.extend(chars.get(at..).unwrap_or_default());
        out
    }

    /// Returns how much of the beginning of `text` matches, by keeping the set of parts that can come next.
    fn end(parts: &[Part], text: &[char], longest: bool) -> Option<usize> {
        let mut next = vec![false; parts.len() + 1];
        next[0] = true;
        let mut found = None;
        for at in 0..=text.len() {
            for i in 0..parts.len() {
                if next[i] && parts[i] == Part::Many {
                    next[i + 1] = true;
                }
            }
            if next[parts.len()] {
                found = Some(at);
                if !longest {
                    break;
                }
            }
            let Some(&ch) = text.get(at) else { break };
            let mut after = vec![false; parts.len() + 1];
            for (i, part) in parts.iter().enumerate().filter(|(i, _)| next[*i]) {
                match part {
                    Part::Many if ch != '\n' => after[i] = true,
                    Part::One if ch != '\n' => after[i + 1] = true,
                    Part::Char(want) if *want == ch => after[i + 1] = true,
                    _ => {}
                }
            }
            next = after;
        }
        found
    }
}

/// A pattern that is no pattern: an open class, or a back-slash at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadPattern;

/// Tells whether `name` matches `pattern` as Go's `filepath.Match` has it: `*` and `?` stop at `/`, classes are
/// `[a-z]` and `[^a-z]`, a back-slash makes the next character ordinary.
///
/// # Errors
/// When the pattern is malformed, whatever the name.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let parts = compile(pattern)?;
    let name: Vec<char> = name.chars().collect();
    let mut next = vec![false; parts.len() + 1];
    next[0] = true;
    for at in 0..=name.len() {
        for i in 0..parts.len() {
            if next[i] && matches!(parts[i], PathPart::Star) {
                next[i + 1] = true;
            }
        }
        let Some(&ch) = name.get(at) else { break };
        let mut after = vec![false; parts.len() + 1];
        for (i, part) in parts.iter().enumerate().filter(|(i, _)| next[*i]) {
            match part {
                PathPart::Star if ch != '/' => after[i] = true,
                PathPart::One if ch != '/' => after[i + 1] = true,
                PathPart::Class(class) if class.contains(ch) => after[i + 1] = true,
                PathPart::Char(want) if *want == ch => after[i + 1] = true,
                _ => {}
            }
        }
        next = after;
    }
    Ok(next[parts.len()])
}

/// Tells whether `path` has a character that makes it a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

enum PathPart {
    Star,
    One,
    Class(Class),
    Char(char),
}

/// A set of characters: `[a-z_]`, or all but those: `[^a-z_]`.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Parses what follows a `[`, up to and with its `]`.
    pub(crate) fn parse(
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    ) -> Result<Self, BadPattern> {
        let negated = chars.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                return Ok(Self { negated, ranges });
            }
            let low = Self::member(chars)?;
            let high = if chars.next_if_eq(&'-').is_some() { Self::member(chars)? } else { low };
            ranges.push((low, high));
        }
    }

    fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
        match chars.next() {
            None | Some('-' | ']') => Err(BadPattern),
            Some('\\') => chars.next().ok_or(BadPattern),
            Some(ch) => Ok(ch),
        }
    }

    pub(crate) fn contains(&self, ch: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&ch)) != self.negated
    }
}

fn compile(pattern: &str) -> Result<Vec<PathPart>, BadPattern> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(ch) = chars.next() {
        parts.push(match ch {
            '*' => PathPart::Star,
            '?' => PathPart::One,
            '[' => PathPart::Class(Class::parse(&mut chars)?),
            '\\' => PathPart::Char(chars.next().ok_or(BadPattern)?),
            _ => PathPart::Char(ch),
        });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_patterns_are_those_of_go() {
        for (pattern, name, want) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("[\\]a]", "]", Ok(true)),
            ("[x-]", "x", Err(BadPattern)),
            ("[]a]", "]", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
