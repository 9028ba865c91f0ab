//! `completion`: a small script for the shell, which asks hako itself for the words.

use super::{Command, say};
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["completion"],
    about: "Print a completion script for bash, zsh or fish",
    syntax: Syntax { words: "SHELL", count: Words::Exactly(1), program: false, flags: &[] },
    run: work,
};

/// The word that asks for completions: `hako __complete WORD...`, the last word being the one that is typed.
pub(super) const ASKS: &str = "__complete";

const BASH: &str = "_hako() { local IFS=$'\\n'; COMPREPLY=($(hako __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)); }\n\
complete -o default -F _hako hako\n";
const ZSH: &str = "#compdef hako\n_hako() { local -a words_; words_=(${(f)\"$(hako __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"}); \
compadd -a words_ || _files }\ncompdef _hako hako\n";
const FISH: &str = "complete -c hako -a '(hako __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'\n";

fn work(_session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    say(match parsed.words[0].as_str() {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => {
            return Err(Failure::new(format!("no completion for the shell `{other}`"))
                .with_hint("bash, zsh or fish"));
        }
    });
    Ok(0)
}

/// Returns the words that may stand where `typed` ends.
pub(super) fn words(session: &Session, typed: &[String]) -> Vec<String> {
    let Some((last, before)) = typed.split_last() else { return Vec::new() };
    let mut all: Vec<String> = Vec::new();
    if before.is_empty() {
        all.extend(
            super::all()
                .map(|command| command.names[0].to_owned())
                .filter(|name| !name.contains(' ')),
        );
        all.extend(super::GROUPS.iter().map(|(group, _)| (*group).to_owned()));
        all.push("build".into());
    } else if let Some((_, command, _)) = super::find(before) {
        if last.starts_with('-') {
            all.extend(
                command
                    .syntax
                    .all()
                    .filter(|flag| !flag.help.is_empty())
                    .map(|flag| format!("--{}", flag.long)),
            );
        } else {
            all.extend(objects(session, command.syntax.words).unwrap_or_default());
        }
    } else if before.len() == 1 {
        let prefix = format!("{} ", before[0]);
        let names = super::all().flat_map(|command| command.names.iter());
        all.extend(names.filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned));
    }
    all.retain(|word| word.starts_with(last.as_str()));
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns the names of the objects that a command is about.
fn objects(session: &Session, words: &str) -> Result<Vec<String>, Failure> {
    let engine = session.engine()?;
    let mut all = Vec::new();
    if words.contains("CONTAINER") || words.contains("NAME|ID") {
        all.extend(engine.containers().list()?.into_iter().map(|one| one.name));
    }
    if words.contains("IMAGE") || words.contains("NAME[") || words.contains("NAME|ID") {
        all.extend(
            engine
                .images()?
                .list()?
                .iter()
                .flat_map(|image| &image.names)
                .map(|name| name.familiar()),
        );
    }
    if words.contains("NETWORK") {
        all.extend(engine.networks().list()?.into_iter().map(|one| one.spec.name));
    }
    if words.contains("VOLUME") {
        all.extend(engine.volumes().list()?.into_iter().map(|one| one.spec.name));
    }
    Ok(all)
}
