//! The whole file: arguments before the first stage, and the stages.

use crate::instruction::{From, Instruction, Kind};
use crate::line::{self, Directives, Line};
use crate::{Problem, Severity, Span, parse as instructions};

/// A Dockerfile, read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Dockerfile {
    /// What its top says about how to read it.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`.
    pub arguments: Vec<Instruction>,
    /// The stages, in order; there is at least one.
    pub stages: Vec<Stage>,
}

/// What begins with a `FROM`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stage {
    /// Its `FROM`.
    pub from: From,
    /// Where the `FROM` is.
    pub span: Span,
    /// The `FROM` as one line, its keyword in capitals.
    pub text: String,
    /// The `FROM` as one line, as it was written.
    pub written: String,
    /// What follows, up to the next `FROM`.
    pub instructions: Vec<Instruction>,
}

/// Reads a Dockerfile; returns it with what should be looked at.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text, warnings included.
pub fn parse(text: &str) -> Result<(Dockerfile, Vec<Problem>), Vec<Problem>> {
    let lines = line::read(text);
    let mut problems = lines.problems;
    let mut file = Dockerfile { directives: lines.directives, ..Dockerfile::default() };
    let escape = file.directives.escape();
    let mut knows_from = false;
    for line in &lines.lines {
        knows_from |= line.text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from"));
        match instructions::instruction(line, escape, None) {
            Ok(instruction) => place(instruction, knows_from, &mut file, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    let is_empty = lines.lines.is_empty();
    if is_empty {
        problems.push(Problem::error(
            Span::new(0, 0),
            "empty",
            "the Dockerfile has no instructions",
        ));
    } else if !knows_from {
        let span = lines.lines[0].span;
        problems.push(
            Problem::error(span, "no-stage", "the Dockerfile has no build stage")
                .hint("begin it with `FROM`"),
        );
    }
    problems.sort_by_key(|problem| problem.span.start);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    Ok((file, problems))
}

fn place(
    instruction: Instruction,
    knows_from: bool,
    file: &mut Dockerfile,
    problems: &mut Vec<Problem>,
) {
    let text = instruction.text();
    let written = format!("{} {}", instruction.keyword.text, instruction.rest);
    match (instruction.kind, file.stages.last_mut()) {
        (Kind::From(from), _) => {
            file.stages.push(Stage {
                from,
                span: instruction.span,
                text,
                written,
                instructions: Vec::new(),
            });
        }
        (kind, Some(stage)) => stage.instructions.push(Instruction { kind, ..instruction }),
        (kind @ Kind::Arg(_), None) => file.arguments.push(Instruction { kind, ..instruction }),
        (_, None) if knows_from => {}
        (_, None) => {
            let name = instruction.keyword.text.to_ascii_uppercase();
            let message = format!(
                "no build stage in current context: `{name}` stands before the first `FROM`"
            );
            problems.push(
                Problem::error(instruction.span, "no-stage", message)
                    .hint("only `ARG` may stand before `FROM`"),
            );
        }
    }
}

/// Reads one instruction that stands alone: a trigger (`ONBUILD`) in an image's configuration, or a change given to `commit`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_trigger(text: &str) -> Result<Instruction, Problem> {
    let mut lines = line::read(text);
    if lines.lines.len() == 1
        && let Some(line) = lines.lines.pop()
    {
        return instructions::instruction(&line, '\\', None);
    }
    instructions::instruction(&Line::alone(text), '\\', None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    fn errors(text: &str) -> Vec<String> {
        let problems = parse(text).err().unwrap_or_default();
        problems.iter().map(|p| format!("{}: {}", p.span.position(text).line, p.message)).collect()
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let text = "FROM alpine AS -bad\n\nRUNN true\nCOPY f\nRUN --nosuch=1 true\nENV A\nONBUILD FROM x\n";
        insta::assert_snapshot!(errors(text).join("\n"), @r"
        1: invalid name for build stage: `-bad`, a name cannot start with a number or contain symbols
        3: unknown instruction: `RUNN`
        4: `COPY` requires at least two arguments, but only one was provided. Destination could not be determined
        5: unknown flag: `--nosuch`
        6: `ENV` must have two arguments
        7: `FROM` is not allowed as an ONBUILD trigger
        ");
    }

    #[test]
    fn a_file_needs_a_stage_first() {
        for text in [
            "",
            "# only this\n",
            "RUN true",
            "ARG A=1",
            "ENV A=1\nFROM alpine",
            "FROM",
            "FROM a AS",
            "FROM a AS b c",
        ] {
            assert!(!errors(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn json_falls_back_to_the_shell() {
        let text = "from a\nrun [ -e /x ] && y\nRUN  [ \"a\" , \"b\\u0041\" ]\nCMD ['echo', 'hi']\nCMD [\"a\", 1]";
        assert_eq!(
            errors(text),
            ["5: when using JSON array syntax, arrays must be comprised of strings only"]
        );
        let (file, _) = parse(&text[..text.len() - 13]).unwrap();
        let commands: Vec<Command> = file.stages[0]
            .instructions
            .iter()
            .map(|i| match &i.kind {
                Kind::Run(run) => run.command.clone(),
                Kind::Cmd(command) => command.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        let shell = |text: &str| Command::Shell(text.into());
        assert_eq!(
            commands,
            [
                shell("[ -e /x ] && y"),
                Command::Exec(vec!["a".into(), "bA".into()]),
                shell("['echo', 'hi']")
            ]
        );
    }

    #[test]
    fn a_trigger_is_read_alone() {
        assert!(matches!(parse_trigger("COPY f /x").unwrap().kind, Kind::Copy(_)));
        let Kind::Run(run) = parse_trigger("RUN <<E\necho\nE").unwrap().kind else { panic!() };
        assert_eq!(run.heredocs[0].content, "echo\n");
    }
}
