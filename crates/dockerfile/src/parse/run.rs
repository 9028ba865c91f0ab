//! `RUN`.

use super::{Arguments, flags::Flags};
use crate::instruction::{MountOption, Run, RunMount, Word};
use crate::{Problem, nearest};

pub(super) fn run(arguments: &Arguments<'_>, flags: &Flags) -> Result<Run, Problem> {
    flags.only(&["network", "security"], &["mount", "device"])?;
    let command = arguments.command()?;
    if command.is_empty() {
        return Err(arguments
            .error("`RUN` requires at least one argument")
            .hint("write the command behind it"));
    }
    let mounts: Vec<RunMount> = flags.values("mount")?.iter().map(mount).collect();
    for mount in mounts.iter().filter(|mount| !mount.has_variables()) {
        mount.resolve(&|word| Ok(word.text.clone()))?;
    }
    let network = one_of(flags.value("network")?, &["default", "none", "host"], "network")?;
    let security = one_of(flags.value("security")?, &["sandbox", "insecure"], "security")?;
    let heredocs = arguments.line.heredocs.clone();
    Ok(Run { command, heredocs, mounts, network, security, devices: flags.values("device")? })
}

fn one_of(value: Option<Word>, allowed: &[&str], name: &str) -> Result<Option<Word>, Problem> {
    match value {
        Some(word)
            if !word.text.contains('$')
                && !allowed.contains(&word.text.to_ascii_lowercase().as_str()) =>
        {
            let message = format!("{name} mode `{}` is not supported", word.text);
            Err(Problem::error(word.span, "flag", message)
                .did_you_mean(nearest(&word.text, allowed.iter().copied())))
        }
        value => Ok(value),
    }
}

/// Splits `type=bind,target=/x,"a,b"` into its options.
fn mount(word: &Word) -> RunMount {
    let mut options = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let text = &word.text;
    for (at, ch) in text.char_indices().chain([(text.len(), ',')]) {
        match ch {
            '"' => quoted = !quoted,
            ',' if !quoted || at == text.len() => {
                options.extend(option(text[start..at].trim(), word));
                start = at + 1;
            }
            _ => {}
        }
    }
    RunMount { span: word.span, options }
}

fn option(text: &str, whole: &Word) -> Option<MountOption> {
    let text = text.trim_matches('"');
    if text.is_empty() {
        return None;
    }
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    let word = |text: &str| Word { text: text.to_owned(), span: whole.span };
    Some(MountOption { key: word(&key.to_ascii_lowercase()), value: value.map(word) })
}
