//! Rules about `FROM`.

use crate::{Dockerfile, Problem, Stage};

fn names(file: &Dockerfile) -> impl Iterator<Item = (&Stage, &crate::Word)> {
    file.stages.iter().filter_map(|stage| Some((stage, stage.from.name.as_ref()?)))
}

pub(super) fn name_casing(file: &Dockerfile, found: &mut Vec<Problem>) {
    for (_, name) in names(file).filter(|(_, name)| name.text.chars().any(char::is_uppercase)) {
        let lower = name.text.to_lowercase();
        let message = format!("stage name `{}` should be lowercase", name.text);
        found.push(
            Problem::warning(name.span, "StageNameCasing", message)
                .hint(format!("call it `{lower}`")),
        );
    }
}

pub(super) fn as_casing(file: &Dockerfile, found: &mut Vec<Problem>) {
    for (stage, _) in names(file) {
        let mut words = stage.written.split_whitespace();
        let from = words.next().unwrap_or_default();
        let Some(word) = words.rev().nth(1) else { continue };
        let is_upper = |text: &str| text.chars().all(char::is_uppercase);
        let is_lower = |text: &str| text.chars().all(char::is_lowercase);
        if (is_upper(from) && !is_upper(word)) || (is_lower(from) && !is_lower(word)) {
            let message = format!("`{word}` and `{from}` keywords' casing do not match");
            found.push(Problem::warning(stage.span, "FromAsCasing", message));
        }
    }
}

pub(super) fn duplicate_name(file: &Dockerfile, found: &mut Vec<Problem>) {
    let mut seen = Vec::new();
    for (_, name) in names(file) {
        let lower = name.text.to_lowercase();
        if seen.contains(&lower) {
            let message = format!("duplicate stage name `{lower}`, stage names should be unique");
            found.push(Problem::warning(name.span, "DuplicateStageName", message));
        }
        seen.push(lower);
    }
}

pub(super) fn reserved_name(file: &Dockerfile, found: &mut Vec<Problem>) {
    for (_, name) in names(file)
        .filter(|(_, name)| matches!(name.text.to_lowercase().as_str(), "scratch" | "context"))
    {
        let message = format!("stage name should not use the reserved name `{}`", name.text);
        found.push(Problem::warning(name.span, "ReservedStageName", message));
    }
}

pub(super) fn redundant_platform(file: &Dockerfile, found: &mut Vec<Problem>) {
    for platform in file.stages.iter().filter_map(|stage| stage.from.platform.as_ref()) {
        if matches!(platform.text.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let message = "setting the platform to `$TARGETPLATFORM` in FROM is redundant, as it is the default";
            found.push(
                Problem::warning(platform.span, "RedundantTargetPlatform", message)
                    .hint("leave `--platform` out"),
            );
        }
    }
}

pub(super) fn constant_platform(file: &Dockerfile, found: &mut Vec<Problem>) {
    for platform in file.stages.iter().filter_map(|stage| stage.from.platform.as_ref()) {
        if !platform.text.contains('$') {
            let message = format!(
                "`--platform` in FROM should not use the constant value `{}`",
                platform.text
            );
            found.push(Problem::warning(platform.span, "FromPlatformFlagConstDisallowed", message));
        }
    }
}
