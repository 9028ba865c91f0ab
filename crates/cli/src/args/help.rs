//! The help of a command, from its table.

use super::{Flag, Syntax, Takes};

/// The width that the help is written for.
const WIDTH: usize = 96;

/// Returns the line that says how a command is typed.
pub(crate) fn usage_line(name: &str, syntax: &Syntax) -> String {
    let mut line = format!("hako {name}");
    if syntax.all().any(|flag| !flag.help.is_empty()) {
        line.push_str(" [OPTIONS]");
    }
    if !syntax.words.is_empty() {
        line.push(' ');
        line.push_str(syntax.words);
    }
    line
}

/// Returns the help of the command that can be called by all of `names`.
pub(crate) fn help(names: &[&str], about: &str, syntax: &Syntax) -> String {
    let mut text = format!("Usage:  {}\n\n{about}\n", usage_line(names[0], syntax));
    if names.len() > 1 {
        let all: Vec<String> = names.iter().map(|name| format!("hako {name}")).collect();
        text.push_str(&format!("\nAliases:\n  {}\n", all.join(", ")));
    }
    let mut flags: Vec<&Flag> = syntax.all().filter(|flag| !flag.help.is_empty()).collect();
    flags.sort_by_key(|flag| flag.long);
    if !flags.is_empty() {
        text.push_str("\nOptions:\n");
        let heads: Vec<String> = flags.iter().map(|flag| head(flag)).collect();
        let width = heads.iter().map(String::len).max().unwrap_or(0);
        for (flag, head) in flags.iter().zip(&heads) {
            let mut lines = wrap(flag.help, WIDTH.saturating_sub(width + 3).max(30)).into_iter();
            text.push_str(&format!("{head:width$}   {}\n", lines.next().unwrap_or_default()));
            for line in lines {
                text.push_str(&format!("{:width$}   {line}\n", ""));
            }
        }
    }
    text
}

fn head(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "      ".to_owned(), |letter| format!("  -{letter}, "));
    match flag.takes {
        Takes::Nothing => format!("{short}--{}", flag.long),
        Takes::Value(what) | Takes::Values(what) => format!("{short}--{} {what}", flag.long),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// Returns the one of `known` that was probably meant by `typed`.
pub(crate) fn did_you_mean<'a>(
    typed: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = 1 + typed.len() / 4;
    known
        .map(|name| (distance(typed, name), name))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Returns how many letters must be changed, added, taken away or swapped to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let same = usize::from(from[i - 1] != to[j - 1]);
            row[j] = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::super::{Words, switch, values};
    use super::*;

    #[test]
    fn the_help_lists_the_flags_in_order() {
        const FLAGS: &[Flag] = &[
            values("env", "list", "set a variable").short('e'),
            switch("all", "all of them"),
            switch("secret", ""),
        ];
        let syntax =
            Syntax { words: "NAME", count: Words::Exactly(1), program: false, flags: &[FLAGS] };
        assert_eq!(
            help(&["ps", "container ls"], "List containers", &syntax),
            "Usage:  hako ps [OPTIONS] NAME\n\nList containers\n\nAliases:\n  hako ps, hako container ls\n\nOptions:\n      \
             --all        all of them\n  -e, --env list   set a variable\n"
        );
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["publish", "privileged", "pull"];
        assert_eq!(did_you_mean("pubilsh", known.into_iter()), Some("publish"));
        assert_eq!(did_you_mean("zzz", known.into_iter()), None);
    }
}
