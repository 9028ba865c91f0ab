//! Rules about single instructions.

use crate::instruction::{Command, Instruction, Kind};
use crate::{Dockerfile, Problem, Stage};

fn all(file: &Dockerfile) -> impl Iterator<Item = &Instruction> {
    file.arguments.iter().chain(file.stages.iter().flat_map(|stage| &stage.instructions))
}

/// Most instructions in capitals, or most in small letters: the others are told.
pub(super) fn casing(file: &Dockerfile, found: &mut Vec<Problem>) {
    let is_upper = |text: &str| text.chars().all(|ch| !ch.is_lowercase());
    let is_lower = |text: &str| text.chars().all(|ch| !ch.is_uppercase());
    let froms = file
        .stages
        .iter()
        .map(|stage| (stage.written.split_whitespace().next().unwrap_or_default(), stage.span));
    let words: Vec<_> =
        all(file).map(|i| (i.keyword.text.as_str(), i.keyword.span)).chain(froms).collect();
    let upper = words.iter().filter(|(word, _)| is_upper(word)).count();
    let lower = words.iter().filter(|(word, _)| is_lower(word)).count();
    let wants_lower = lower > upper;
    for (word, span) in words {
        if if wants_lower { is_lower(word) } else { is_upper(word) } {
            continue;
        }
        let wanted = if wants_lower { "lowercase" } else { "uppercase" };
        let message =
            format!("command `{word}` should match the case of the command majority ({wanted})");
        found.push(Problem::warning(span, "ConsistentInstructionCasing", message));
    }
}

pub(super) fn json_recommended(file: &Dockerfile, found: &mut Vec<Problem>) {
    for stage in &file.stages {
        let has_shell = stage.instructions.iter().any(|i| matches!(i.kind, Kind::Shell(_)));
        for instruction in stage.instructions.iter().filter(|_| !has_shell) {
            if let Kind::Cmd(Command::Shell(line)) | Kind::Entrypoint(Command::Shell(line)) =
                &instruction.kind
                && !line.is_empty()
            {
                let name = instruction.keyword.text.to_uppercase();
                let message = format!(
                    "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
                );
                let words: Vec<&str> = line.split_whitespace().collect();
                let is_plain =
                    !line.contains(['$', '|', '&', ';', '<', '>', '\'', '"', '`', '*', '(']);
                let problem = Problem::warning(instruction.span, "JSONArgsRecommended", message);
                found.push(if is_plain {
                    problem.hint(format!(
                        "write `{name} {}`",
                        serde_json::to_string(&words).unwrap_or_default()
                    ))
                } else {
                    problem
                });
            }
        }
    }
}

pub(super) fn maintainer(file: &Dockerfile, found: &mut Vec<Problem>) {
    for instruction in all(file) {
        if let Kind::Maintainer(word) = &instruction.kind {
            let message = "maintainer instruction is deprecated in favor of using label";
            found.push(
                Problem::warning(instruction.span, "MaintainerDeprecated", message).hint(format!(
                    "write `LABEL org.opencontainers.image.authors=\"{}\"`",
                    word.text
                )),
            );
        }
    }
}

/// A relative directory before any absolute one depends on the base image.
pub(super) fn relative_workdir(file: &Dockerfile, found: &mut Vec<Problem>) {
    for stage in &file.stages {
        for instruction in &stage.instructions {
            let Kind::Workdir(word) = &instruction.kind else { continue };
            if word.text.starts_with(['/', '$', '"', '\'']) {
                break;
            }
            let message = format!(
                "relative workdir `{}` can have unexpected results if the base image changes",
                word.text
            );
            found.push(Problem::warning(word.span, "WorkdirRelativePath", message));
            break;
        }
    }
}

/// Only the last of these counts.
pub(super) fn multiple(file: &Dockerfile, found: &mut Vec<Problem>) {
    let name = |stage: &Stage, at: usize| match &stage.instructions[at].kind {
        Kind::Cmd(_) => Some("CMD"),
        Kind::Entrypoint(_) => Some("ENTRYPOINT"),
        Kind::Healthcheck(_) => Some("HEALTHCHECK"),
        _ => None,
    };
    for stage in &file.stages {
        for at in 0..stage.instructions.len() {
            let Some(this) = name(stage, at) else { continue };
            if (at + 1..stage.instructions.len()).any(|later| name(stage, later) == Some(this)) {
                let message = format!(
                    "multiple {this} instructions should not be used in the same stage because only the last one will be used"
                );
                found.push(Problem::warning(
                    stage.instructions[at].span,
                    "MultipleInstructionsDisallowed",
                    message,
                ));
            }
        }
    }
}

pub(super) fn legacy_pairs(file: &Dockerfile, found: &mut Vec<Problem>) {
    for instruction in all(file) {
        let (Kind::Env(pairs) | Kind::Label(pairs)) = &instruction.kind else { continue };
        let [pair] = &pairs[..] else { continue };
        let after_name = instruction.rest.get(pair.name.text.len()..).unwrap_or_default();
        if after_name.starts_with(char::is_whitespace) {
            let name = instruction.keyword.text.to_uppercase();
            let message = format!(
                "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
            );
            found.push(
                Problem::warning(instruction.span, "LegacyKeyValueFormat", message)
                    .hint(format!("write `{name} {}=\"{}\"`", pair.name.text, pair.value.text)),
            );
        }
    }
}

pub(super) fn protocol_casing(file: &Dockerfile, found: &mut Vec<Problem>) {
    for word in ports(file)
        .filter(|word| word.text.chars().any(char::is_uppercase) && !word.text.contains('$'))
    {
        let lower = word.text.to_lowercase();
        let message =
            format!("defined protocol `{}` in EXPOSE instruction should be lowercase", word.text);
        found.push(
            Problem::warning(word.span, "ExposeProtoCasing", message)
                .hint(format!("write `{lower}`")),
        );
    }
}

pub(super) fn expose_format(file: &Dockerfile, found: &mut Vec<Problem>) {
    for word in ports(file).filter(|word| word.text.contains(':') && !word.text.contains('$')) {
        let message = "EXPOSE instruction should not define an IP address or host-port mapping";
        found.push(Problem::warning(word.span, "ExposeInvalidFormat", message));
    }
}

fn ports(file: &Dockerfile) -> impl Iterator<Item = &crate::Word> {
    all(file)
        .filter_map(|i| if let Kind::Expose(words) = &i.kind { Some(words) } else { None })
        .flatten()
}
