//! Rules about variables.

use std::collections::BTreeSet;

use crate::expand::Expanded;
use crate::instruction::{Instruction, Kind, Word};
use crate::{Dockerfile, Lexer, Problem, nearest};

/// Arguments that every stage and every `FROM` has without declaring them.
const GLOBAL: [&str; 11] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETOSVERSION",
    "TARGETSTAGE",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "BUILDOSVERSION",
];

/// Names that tell of a secret.
const SECRET: [&str; 9] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret"];

pub(super) fn secrets(file: &Dockerfile, found: &mut Vec<Problem>) {
    let is_secret = |name: &str| {
        let lower = name.to_lowercase();
        let is_public = lower.split('_').any(|part| part == "public");
        let tells = |part: &str| SECRET.contains(&part) || part == "token";
        !is_public && lower.split('_').any(tells)
    };
    for instruction in file.stages.iter().flat_map(|stage| &stage.instructions) {
        let names: Vec<&Word> = match &instruction.kind {
            Kind::Arg(list) => list.iter().map(|declaration| &declaration.name).collect(),
            Kind::Env(pairs) => pairs.iter().map(|pair| &pair.name).collect(),
            _ => continue,
        };
        for name in names.into_iter().filter(|name| is_secret(&name.text)) {
            let word = instruction.keyword.text.to_uppercase();
            let message = format!("do not use {word} for sensitive data: `{}`", name.text);
            found.push(
                Problem::warning(name.span, "SecretsUsedInArgOrEnv", message)
                    .hint("give it to the step that needs it: `RUN --mount=type=secret`"),
            );
        }
    }
}

fn expanded(word: &Word, file: &Dockerfile, known: &dyn Fn(&str) -> Option<String>) -> Expanded {
    let get = |name: &str| known(name);
    Lexer::new(file.directives.escape()).expand(&word.text, &get).unwrap_or_default()
}

pub(super) fn undefined_in_from(file: &Dockerfile, found: &mut Vec<Problem>) {
    let declared: BTreeSet<&str> = file
        .arguments
        .iter()
        .filter_map(|i| if let Kind::Arg(list) = &i.kind { Some(list) } else { None })
        .flatten()
        .map(|declaration| declaration.name.text.as_str())
        .chain(GLOBAL)
        .collect();
    let known = |name: &str| declared.contains(name).then(|| "x".to_owned());
    for stage in &file.stages {
        for word in stage.from.platform.iter().chain([&stage.from.image]) {
            for name in expanded(word, file, &known).unset {
                let near = nearest(&name, declared.iter().copied());
                let message = format!("FROM argument `{name}` is not declared");
                found.push(
                    Problem::warning(word.span, "UndefinedArgInFrom", message).did_you_mean(near),
                );
            }
        }
    }
}

/// An argument without a default leaves `FROM` without an image when nobody gives it.
pub(super) fn blank_from(file: &Dockerfile, found: &mut Vec<Problem>) {
    for instruction in &file.arguments {
        let Kind::Arg(list) = &instruction.kind else { continue };
        for declaration in list.iter().filter(|declaration| declaration.default.is_none()) {
            let name = &declaration.name.text;
            let others = |other: &str| (other != name).then(|| "x".to_owned());
            let is_bad = |word: &Word| {
                let out = expanded(word, file, &others);
                let uses = out.unset.contains(name);
                uses && (out.text.is_empty() || out.text.ends_with([':', '/', '@']))
            };
            if file.stages.iter().any(|stage| is_bad(&stage.from.image)) {
                let message = format!(
                    "default value for global ARG `{name}` results in an empty or invalid base image name"
                );
                found.push(
                    Problem::warning(instruction.span, "InvalidDefaultArgInFrom", message)
                        .hint("give it a default"),
                );
            }
        }
    }
}

/// Variables of a stage that nothing in it declares. Its image may have them, so only those are told that look like a slip of a
/// declared one, and all in a stage on `scratch`; a build, which knows the images, tells all.
pub(super) fn undefined_variables(file: &Dockerfile, found: &mut Vec<Problem>) {
    for stage in &file.stages {
        let is_empty = stage.from.image.text == "scratch";
        let mut known: BTreeSet<String> = ["PATH", "HOME"].map(str::to_owned).into();
        for instruction in &stage.instructions {
            for word in words(instruction) {
                let get = |name: &str| known.contains(name).then(|| "x".to_owned());
                for name in expanded(word, file, &get).unset {
                    let near = nearest(&name, known.iter().map(String::as_str))
                        .map(|near| format!("${near}"));
                    if near.is_some() || is_empty {
                        let message = format!("usage of undefined variable `${name}`");
                        found.push(
                            Problem::warning(word.span, "UndefinedVar", message)
                                .did_you_mean(near.as_deref()),
                        );
                    }
                }
            }
            match &instruction.kind {
                Kind::Arg(list) => {
                    known.extend(list.iter().map(|declaration| declaration.name.text.clone()));
                }
                Kind::Env(pairs) => known.extend(pairs.iter().map(|pair| pair.name.text.clone())),
                _ => {}
            }
        }
    }
}

/// Returns the words of an instruction in which variables are the builder's.
fn words(instruction: &Instruction) -> Vec<&Word> {
    match &instruction.kind {
        Kind::Copy(copy) | Kind::Add(copy) => copy
            .sources
            .iter()
            .chain([&copy.target])
            .chain(&copy.chown)
            .chain(&copy.chmod)
            .collect(),
        Kind::Env(pairs) | Kind::Label(pairs) => pairs.iter().map(|pair| &pair.value).collect(),
        Kind::Expose(list) | Kind::Volume(list) => list.iter().collect(),
        Kind::User(word) | Kind::Workdir(word) | Kind::StopSignal(word) => vec![word],
        _ => Vec::new(),
    }
}
