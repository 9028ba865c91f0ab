//! Environment variables and labels: flags and files of `NAME=value`.

use std::collections::BTreeMap;

use crate::environment::Surroundings;

/// Returns the variables of `files` and then those of `flags`. A name without a value takes that of hako's own
/// environment, and is left out where that has none.
///
/// # Errors
/// When a file cannot be read or has a line that is no variable; the message names both.
pub(crate) fn environment(
    around: &Surroundings,
    files: &[String],
    flags: &[String],
) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in files {
        for (name, value) in read_file(around, file)? {
            let value = value.or_else(|| around.variable(&name));
            all.extend(value.map(|value| format!("{name}={value}")));
        }
    }
    for flag in flags {
        match flag.split_once('=') {
            Some(("", _)) => return Err(format!("invalid environment variable: {flag}")),
            Some(_) => all.push(flag.clone()),
            None if flag.is_empty() => return Err("invalid environment variable: ".into()),
            None => all.extend(around.variable(flag).map(|value| format!("{flag}={value}"))),
        }
    }
    Ok(all)
}

/// Returns the labels of `files` and then those of `flags`, which win. A label without a value is empty.
///
/// # Errors
/// As [`environment`].
pub(crate) fn labels(
    around: &Surroundings,
    files: &[String],
    flags: &[String],
) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for file in files {
        all.extend(
            read_file(around, file)?
                .into_iter()
                .map(|(name, value)| (name, value.unwrap_or_default())),
        );
    }
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        if name.is_empty() {
            return Err(format!("invalid label format: \"{flag}\""));
        }
        all.insert(name.to_owned(), value.to_owned());
    }
    Ok(all)
}

/// Returns pairs of `name=value`; a name alone has an empty value.
pub(crate) fn pairs<'a>(flags: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    flags
        .map(|flag| flag.split_once('=').unwrap_or((flag, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn read_file(around: &Surroundings, file: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let bytes = std::fs::read(around.absolute(file))
        .map_err(|error| format!("open {file}: {}", crate::report::reason(&error)))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("env file {file} contains invalid utf8 bytes at line {line}")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines =
        text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            read_line(line).map_err(|reason| format!("invalid env file ({file}): {reason}"))
        })
        .collect()
}

fn read_line(line: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (line.trim_end(), None),
    };
    if name.is_empty() {
        return Err(format!("no variable name on line '{line}'"));
    }
    if name.contains(char::is_whitespace) {
        return Err(format!("variable '{name}' contains whitespaces"));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(directory: &std::path::Path) -> Surroundings {
        Surroundings::for_tests(directory, &[("HERE", "from outside"), ("F", "f")])
    }

    #[test]
    fn files_come_first_and_names_alone_are_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("f"),
            "\u{feff}# no\n\n  A=1\nB= 'x y' \nHERE\nNOT_HERE\nE=\n",
        )
        .unwrap();
        let got = environment(
            &around(dir.path()),
            &["f".into()],
            &["A=2".into(), "F".into(), "NONE".into(), "X=".into()],
        );
        assert_eq!(
            got.unwrap(),
            ["A=1", "B= 'x y' ", "HERE=from outside", "E=", "A=2", "F=f", "X="]
        );
        let labels =
            labels(&around(dir.path()), &["f".into()], &["A=3".into(), "only".into()]).unwrap();
        assert_eq!(labels["A"], "3");
        assert_eq!((labels["only"].as_str(), labels["NOT_HERE"].as_str()), ("", ""));
    }

    #[test]
    fn lines_that_are_no_variables_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let told = |text: &[u8]| {
            std::fs::write(dir.path().join("f"), text).unwrap();
            environment(&around(dir.path()), &["f".into()], &[]).unwrap_err()
        };
        assert!(told(b"A B=1").contains("variable 'A B' contains whitespaces"));
        assert!(told(b"=1").contains("no variable name on line '=1'"));
        assert!(told(b"A=1\nB=\xff").contains("line 2"));
        assert!(
            environment(&around(dir.path()), &["none".into()], &[])
                .unwrap_err()
                .contains("open none: no such file")
        );
        assert!(environment(&around(dir.path()), &[], &["=x".into()]).is_err());
    }
}
