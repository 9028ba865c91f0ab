//! `.dockerignore`: which paths of a context stay out of it.
//!
//! The rules are those of the reference implementation (`moby/patternmatcher`): Go's `filepath.Match` with `**`, patterns from the
//! context's root, a pattern that matches a directory matches what is in it, the last pattern that matches decides, `!` takes back in.

use thiserror::Error;

use crate::glob::{self, Class};

/// A line that cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("illegal pattern `{pattern}` in line {line}")]
pub struct BadLine {
    /// The pattern as it stands there.
    pub pattern: String,
    /// Its line, counted from 1.
    pub line: usize,
}

/// One line that says something.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The pattern as it stands there, with its `!`.
    pub text: String,
    /// Its line, counted from 1; 0 for a pattern that came from a flag.
    pub line: usize,
    takes_in: bool,
    pattern: Pattern,
}

/// The rules of one file.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// What is known about a directory when its entries are asked about: which rules matched it.
#[derive(Clone, Debug, Default)]
pub struct Matched(Vec<bool>);

/// What the rules say about one path.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether the path stays out.
    pub is_out: bool,
    /// The number of the rule that decided, where one did.
    pub rule: Option<usize>,
    /// To be given with the entries of this path.
    pub matched: Matched,
}

impl Ignore {
    /// Reads the content of a `.dockerignore`.
    ///
    /// # Errors
    /// At the first pattern that is malformed.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut rules = Vec::new();
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let text = line.trim();
            let (takes_in, pattern) =
                text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim()));
            if text.is_empty() {
                continue;
            }
            rules.push(Rule::new(text, at + 1, takes_in, pattern)?);
        }
        Ok(Self { rules })
    }

    /// Returns the rules made of single patterns, as `COPY --exclude` gives them.
    ///
    /// # Errors
    /// At the first pattern that is malformed.
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, BadLine> {
        let mut rules = Vec::new();
        for text in patterns {
            let (takes_in, pattern) =
                text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
            rules.push(Rule::new(text, 0, takes_in, pattern)?);
        }
        Ok(Self { rules })
    }

    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Tells whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Decides about `path` (relative, `/` between its parts), given what is known about its directory.
    #[must_use]
    pub fn decide(&self, path: &str, directory: &Matched) -> Verdict {
        let mut verdict =
            Verdict { is_out: false, rule: None, matched: Matched(vec![false; self.rules.len()]) };
        for (at, rule) in self.rules.iter().enumerate() {
            let mut is_match = directory.0.get(at).copied().unwrap_or(false);
            if !is_match {
                if rule.takes_in != verdict.is_out {
                    continue;
                }
                is_match = rule.pattern.matches(path);
            }
            verdict.matched.0[at] = is_match;
            if is_match {
                verdict.is_out = !rule.takes_in;
                verdict.rule = Some(at);
            }
        }
        verdict
    }

    /// Decides about `path` alone, by asking about its directories first.
    #[must_use]
    pub fn decide_alone(&self, path: &str) -> Verdict {
        let mut matched = Matched::default();
        for (at, _) in path.match_indices('/') {
            matched = self.decide(&path[..at], &matched).matched;
        }
        self.decide(path, &matched)
    }

    /// Tells whether a directory that is left out must still be entered, because a `!` may take something in it back.
    #[must_use]
    pub fn must_enter(&self, directory: &str) -> bool {
        self.rules
            .iter()
            .filter(|rule| rule.takes_in)
            .any(|rule| rule.pattern.may_match_below(directory))
    }
}

impl Rule {
    fn new(text: &str, line: usize, takes_in: bool, pattern: &str) -> Result<Self, BadLine> {
        let bad = || BadLine { pattern: text.to_owned(), line };
        if pattern.is_empty() || glob::matches(pattern, ".").is_err() {
            return Err(bad());
        }
        let cleaned = clean(pattern);
        let rooted = if cleaned.len() > 1 { cleaned.trim_start_matches('/') } else { &cleaned };
        Ok(Self {
            text: text.to_owned(),
            line,
            takes_in,
            pattern: Pattern::compile(rooted).ok_or_else(bad)?,
        })
    }

    /// Tells whether the rule takes back in (`!`).
    #[must_use]
    pub fn takes_in(&self) -> bool {
        self.takes_in
    }
}

/// Returns the path without `.`, `..`, doubled and trailing slashes, as Go's `filepath.Clean` does.
#[must_use]
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

#[derive(Clone, Debug)]
enum Pattern {
    /// The very path.
    Exact(String),
    /// Every path that ends so (from `**`), or is what follows the slash.
    Suffix(String),
    /// All other patterns.
    Parts(Vec<Part>, String),
}

#[derive(Clone, Debug)]
enum Part {
    Char(char),
    One,
    Star,
    Class(Class),
    /// `**/`: any number of directories, none too.
    Directories,
    /// `**` at the end: everything.
    Rest,
}

impl Pattern {
    fn compile(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            parts.push(match ch {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    chars.next_if_eq(&'/');
                    if chars.peek().is_none() { Part::Rest } else { Part::Directories }
                }
                '*' => Part::Star,
                '?' => Part::One,
                '[' => Part::Class(Class::parse(&mut chars).ok()?),
                '\\' => Part::Char(chars.next().unwrap_or('\\')),
                _ => Part::Char(ch),
            });
        }
        let is_literal = |parts: &[Part]| parts.iter().all(|part| matches!(part, Part::Char(_)));
        Some(match parts.first() {
            Some(Part::Directories | Part::Rest)
                if is_literal(&parts[1..]) && !text.contains('\\') =>
            {
                Self::Suffix(text.trim_start_matches("**").to_owned())
            }
            _ if is_literal(&parts) && !text.contains('\\') => Self::Exact(text.to_owned()),
            _ => Self::Parts(parts, text.to_owned()),
        })
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Suffix(text) => {
                path.ends_with(text.as_str()) || text.strip_prefix('/') == Some(path)
            }
            Self::Parts(parts, _) => run(parts, path),
        }
    }

    /// Tells whether some path below `directory` may match.
    fn may_match_below(&self, directory: &str) -> bool {
        match self {
            Self::Suffix(_) => true,
            Self::Exact(text) | Self::Parts(_, text) => {
                let fixed = &text[..text.find(['*', '?', '[', '\\']).unwrap_or(text.len())];
                let inside = format!("{directory}/");
                if fixed.len() == text.len() {
                    fixed.starts_with(&inside)
                } else {
                    fixed.starts_with(&inside) || inside.starts_with(fixed)
                }
            }
        }
    }
}

/// Keeps the set of parts that can come next while it walks over `path`.
fn run(parts: &[Part], path: &str) -> bool {
    let mut next = vec![false; parts.len() + 1];
    // Inside the directories that a `**/` eats: it may end only behind a slash.
    let mut eating = vec![false; parts.len()];
    next[0] = true;
    for ch in path.chars().map(Some).chain([None]) {
        for i in 0..parts.len() {
            if next[i] {
                match parts[i] {
                    Part::Star | Part::Rest => next[i + 1] = true,
                    Part::Directories => {
                        next[i + 1] = true;
                        eating[i] = true;
                    }
                    _ => {}
                }
            }
        }
        let Some(ch) = ch else { break };
        let mut after = vec![false; parts.len() + 1];
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::Directories if eating[i] => after[i + 1] |= ch == '/',
                _ if !next[i] => {}
                Part::Star => after[i] |= ch != '/',
                Part::Rest => after[i] = true,
                Part::One => after[i + 1] |= ch != '/',
                Part::Class(class) => after[i + 1] |= class.contains(ch),
                Part::Char(want) => after[i + 1] |= *want == ch,
                Part::Directories => {}
            }
        }
        next = after;
    }
    next[parts.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_out(rules: &str, path: &str) -> bool {
        Ignore::parse(rules).unwrap().decide_alone(path).is_out
    }

    #[test]
    fn patterns_match_as_the_reference_does() {
        for (rules, path, want) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/file", true),
            ("**/file", "dir/xfile", false),
            ("**file*", "dir/file.txt", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "aze", true),
            ("a\\?b", "a?b", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc?def", "abc/def", false),
            ("a\\*b", "a*b", true),
            ("util/docker/web", "util/docker/web/foo", true),
            ("/node_modules/", "node_modules/x/y", true),
            ("*.log", "a/b.log", false),
            ("*", "a/b", true),
            ("foo/../bar", "bar", true),
        ] {
            assert_eq!(is_out(rules, path), want, "{rules} {path}");
        }
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let rules = "*\n!src\n!docs/README.md\n!docs/api\nsrc/b.c\n!secret.txt\nsecret.*\n";
        for (path, want) in [
            ("src/a.c", false),
            ("src/b.c", true),
            ("docs/a.md", true),
            ("docs/README.md", false),
            ("docs/api/x.md", false),
            ("secret.txt", true),
        ] {
            assert_eq!(is_out(rules, path), want, "{path}");
        }
        let ignore = Ignore::parse(rules).unwrap();
        assert!(ignore.must_enter("docs"));
        assert!(!ignore.must_enter("other"));
        assert_eq!(ignore.rules()[ignore.decide_alone("src/b.c").rule.unwrap()].line, 5);
    }

    #[test]
    fn bad_patterns_are_told_with_their_line() {
        assert_eq!(Ignore::parse("a\n[").unwrap_err(), BadLine { pattern: "[".into(), line: 2 });
        assert!(Ignore::parse("!").is_err());
    }
}
