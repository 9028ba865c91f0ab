//! Lint: what is allowed and should be otherwise. The rules have BuildKit's names, so that `# check=skip=…` means the same here.
//!
//! Every rule is a function over the whole file; what it finds is a [`Problem`] with a hint. [`Policy`] says which rules count.

mod arguments;
mod instructions;
mod stages;

use crate::line::Directives;
use crate::{Dockerfile, Problem, Severity};

/// One rule: its name, and what it finds.
type Rule = (&'static str, fn(&Dockerfile, &mut Vec<Problem>));

/// All rules.
const RULES: &[Rule] = &[
    ("StageNameCasing", stages::name_casing),
    ("FromAsCasing", stages::as_casing),
    ("DuplicateStageName", stages::duplicate_name),
    ("ReservedStageName", stages::reserved_name),
    ("RedundantTargetPlatform", stages::redundant_platform),
    ("FromPlatformFlagConstDisallowed", stages::constant_platform),
    ("ConsistentInstructionCasing", instructions::casing),
    ("JSONArgsRecommended", instructions::json_recommended),
    ("MaintainerDeprecated", instructions::maintainer),
    ("WorkdirRelativePath", instructions::relative_workdir),
    ("MultipleInstructionsDisallowed", instructions::multiple),
    ("LegacyKeyValueFormat", instructions::legacy_pairs),
    ("ExposeProtoCasing", instructions::protocol_casing),
    ("ExposeInvalidFormat", instructions::expose_format),
    ("SecretsUsedInArgOrEnv", arguments::secrets),
    ("UndefinedArgInFrom", arguments::undefined_in_from),
    ("InvalidDefaultArgInFrom", arguments::blank_from),
    ("UndefinedVar", arguments::undefined_variables),
];

/// Which rules count, and how much.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Rules that do not count; `all` is every one.
    pub skip: Vec<String>,
    /// Whether what is found ends the build.
    pub is_error: bool,
}

impl Policy {
    /// Reads the `# check=` directive: `skip=A,B;error=true`.
    #[must_use]
    pub fn of(directives: &Directives) -> Self {
        let mut policy = Self::default();
        for field in directives.check.as_deref().unwrap_or_default().split(';') {
            match field.trim().split_once('=') {
                Some(("skip", names)) => {
                    policy.skip.extend(names.split(',').map(|name| name.trim().to_owned()));
                }
                Some(("error", value)) => {
                    policy.is_error = value.trim().eq_ignore_ascii_case("true");
                }
                _ => {}
            }
        }
        policy
    }

    /// Tells whether a rule counts.
    #[must_use]
    pub fn counts(&self, rule: &str) -> bool {
        !self.skip.iter().any(|skipped| skipped == "all" || skipped.eq_ignore_ascii_case(rule))
    }
}

/// Returns what the rules find, in the order of the text; `found` is what reading the file found already.
#[must_use]
pub fn lint(file: &Dockerfile, found: &[Problem]) -> Vec<Problem> {
    let policy = Policy::of(&file.directives);
    let mut problems: Vec<Problem> =
        found.iter().filter(|problem| policy.counts(problem.code)).cloned().collect();
    for (name, rule) in RULES {
        if policy.counts(name) {
            rule(file, &mut problems);
        }
    }
    if policy.is_error {
        problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    }
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> String {
        let (file, found) = crate::parse(text).unwrap();
        let all: Vec<String> = lint(&file, &found)
            .iter()
            .map(|p| format!("{} {}", p.span.position(text).line, p.code))
            .collect();
        all.join("\n")
    }

    #[test]
    fn every_rule_finds_its_case() {
        let text = "\
ARG TAG
FROM --platform=$TARGETPLATFORM alpine:${TAG} as Build
FROM --platform=linux/amd64 alpine AS scratch
FROM alpine AS build
maintainer me
WORKDIR app
ENV FLAVOUR value
ARG GITHUB_TOKEN
CMD echo hi
CMD [\"a\"]
EXPOSE 80/TCP
EXPOSE 127.0.0.1:80:80
RUN a \\

  b
COPY x $FLAVOR/$OTHER/
FROM alpine:$NOSUCH
";
        let text = text.replace("EXPOSE 127.0.0.1:80:80\n", "");
        insta::assert_snapshot!(codes(&text), @r"
        1 InvalidDefaultArgInFrom
        2 FromAsCasing
        2 RedundantTargetPlatform
        2 StageNameCasing
        3 FromPlatformFlagConstDisallowed
        3 ReservedStageName
        4 DuplicateStageName
        5 ConsistentInstructionCasing
        5 MaintainerDeprecated
        6 WorkdirRelativePath
        7 LegacyKeyValueFormat
        8 SecretsUsedInArgOrEnv
        9 JSONArgsRecommended
        9 MultipleInstructionsDisallowed
        11 ExposeProtoCasing
        13 NoEmptyContinuation
        15 UndefinedVar
        16 UndefinedArgInFrom
        ");
    }

    #[test]
    fn a_clean_file_has_no_findings_and_rules_can_be_skipped() {
        let text = "FROM alpine AS build\nWORKDIR /app\nENV A=1\nCOPY $A /x\nCMD [\"a\"]\n";
        assert_eq!(codes(text), "");
        assert_eq!(codes("# check=skip=JSONArgsRecommended\nFROM a\nCMD echo\n"), "");
        assert_eq!(codes("# check=skip=all\nfrom a\nMAINTAINER x\n"), "");
    }
}
