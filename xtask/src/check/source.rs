//! Rules on the text of the sources: where `unsafe` may stand, names that say nothing, and sizes (which only warn).

use std::path::{Path, PathBuf};

use crate::Outcome;

/// More lines than this without tests, and a file holds more than one noun.
const FILE_LINES: usize = 400;

/// Names that mean that the noun was not found.
const NO_NOUN: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "manager"];

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What must not be.
    pub(crate) faults: Vec<String>,
    /// What should not be.
    pub(crate) warnings: Vec<String>,
}

/// Looks at all Rust sources below `root`.
pub(crate) fn look(root: &Path) -> Outcome<Findings> {
    let mut findings = Findings::default();
    for top in ["crates", "testkit", "tests", "xtask"] {
        for path in sources(&root.join(top))? {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            judge(path.strip_prefix(root).unwrap_or(&path), &text, &mut findings);
        }
    }
    Ok(findings)
}

fn sources(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot read `{}`: {error}", dir.display())),
        };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn judge(path: &Path, text: &str, findings: &mut Findings) {
    let name = path.display();
    if path.file_stem().is_some_and(|stem| NO_NOUN.iter().any(|none| stem == *none)) {
        findings.faults.push(format!("`{name}`: a name that says nothing; what is its noun?"));
    }
    if !path.starts_with("crates/sys") {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| says_unsafe(line)) {
            findings.faults.push(format!(
                "{name}:{}: only crates/sys says unsafe: {}",
                number + 1,
                line.trim()
            ));
        }
    }
    let lines = without_tests(text).lines().count();
    if lines > FILE_LINES {
        findings.warnings.push(format!(
            "{name} has {lines} lines without its tests (want at most {FILE_LINES})"
        ));
    }
}

/// Tells whether the line's code (not its comments or texts) has the keyword.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut outside_texts = code.split('"').step_by(2);
    let forms = ["{", "fn ", "impl ", "extern ", "trait "];
    outside_texts
        .any(|part| forms.iter().any(|form| part.contains(&format!("{} {form}", "unsafe"))))
}

fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests").map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_seen_in_code_only() {
        let block = ["let a = ", "unsafe", " { f() };"].concat();
        assert!(says_unsafe(&block));
        assert!(!says_unsafe(&format!("// {block}")));
        assert!(!says_unsafe(&format!("\"{block}\"")));
    }

    #[test]
    fn a_file_without_a_noun_is_refused_and_a_long_one_warned_of() {
        let mut findings = Findings::default();
        judge(Path::new("crates/a/src/utils.rs"), &"\n".repeat(500), &mut findings);
        assert_eq!((findings.faults.len(), findings.warnings.len()), (1, 1));
    }
}
