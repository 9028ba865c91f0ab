//! One logical line to one instruction.

mod files;
mod flags;
mod health;
pub(crate) mod metadata;
mod run;
mod words;

use std::ops::Range;

use crate::instruction::{Command, Instruction, Kind, Word};
use crate::line::Line;
use crate::{Problem, nearest};

/// Every keyword of the language.
pub(crate) const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The part of a line that holds an instruction's arguments.
pub(crate) struct Arguments<'a> {
    line: &'a Line,
    range: Range<usize>,
    escape: char,
    keyword: Word,
}

impl<'a> Arguments<'a> {
    fn text(&self) -> &'a str {
        &self.line.text[self.range.clone()]
    }

    /// Returns the whole as one word.
    fn word(&self) -> Word {
        self.part(0..self.range.len())
    }

    /// Returns a part as a word.
    fn part(&self, range: Range<usize>) -> Word {
        let text = self.text()[range.clone()].to_owned();
        Word {
            text,
            span: self.line.span(self.range.start + range.start..self.range.start + range.end),
        }
    }

    /// Returns `text` as the word that stands at `range`.
    fn word_at(&self, text: String, range: Range<usize>) -> Word {
        Word { text, ..self.part(range) }
    }

    fn name(&self) -> String {
        self.keyword.text.to_ascii_uppercase()
    }

    /// Returns an error about the whole instruction.
    fn error(&self, message: impl Into<String>) -> Problem {
        let span = if self.range.is_empty() {
            self.keyword.span
        } else {
            self.keyword.span.to(self.word().span)
        };
        Problem::error(span, "arguments", message)
    }

    fn at_least_one(&self) -> Result<(), Problem> {
        if self.text().is_empty() {
            return Err(self.error(format!("`{}` requires at least one argument", self.name())));
        }
        Ok(())
    }

    fn exactly_one(&self) -> Result<Word, Problem> {
        if self.text().is_empty() {
            return Err(self.error(format!("`{}` requires exactly one argument", self.name())));
        }
        Ok(self.word())
    }

    /// Returns the arguments as a JSON array of texts, where they are one; an array of anything else is an error.
    fn json(&self) -> Result<Option<Vec<String>>, Problem> {
        if !self.text().starts_with('[') {
            return Ok(None);
        }
        let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(self.text()) else {
            return Ok(None);
        };
        let texts: Option<Vec<String>> =
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        texts.map(Some).ok_or_else(|| {
            self.error("when using JSON array syntax, arrays must be comprised of strings only")
        })
    }

    fn command(&self) -> Result<Command, Problem> {
        Ok(self.json()?.map_or_else(|| Command::Shell(self.text().to_owned()), Command::Exec))
    }

    /// Returns the arguments parted by white space, or as a JSON array.
    fn list(&self) -> Result<Vec<Word>, Problem> {
        if let Some(texts) = self.json()? {
            let span = self.word().span;
            return Ok(texts.into_iter().map(|text| Word { text, span }).collect());
        }
        Ok(words::fields(self.text()).into_iter().map(|range| self.part(range)).collect())
    }
}

/// Reads one line; `inner` is set for the instruction within an `ONBUILD`.
///
/// # Errors
/// What is wrong with it: the first thing.
pub(crate) fn instruction(
    line: &Line,
    escape: char,
    inner: Option<Range<usize>>,
) -> Result<Instruction, Problem> {
    let range = inner.unwrap_or(0..line.text.len());
    let text = &line.text[range.clone()];
    let length = text.find(char::is_whitespace).unwrap_or(text.len());
    let keyword_range = range.start..range.start + length;
    let keyword = Word { text: text[..length].to_owned(), span: line.span(keyword_range.clone()) };
    let rest = text[length..].trim();
    let start = range.end - text[length..].trim_start().len();
    let all =
        Arguments { line, range: start..start + rest.len(), escape, keyword: keyword.clone() };
    let name = all.name();
    if !KEYWORDS.contains(&name.as_str()) {
        let message = format!("unknown instruction: `{}`", keyword.text);
        return Err(Problem::error(keyword.span, "unknown-instruction", message)
            .did_you_mean(nearest(&name, KEYWORDS)));
    }
    let (flags, arguments) = flags::split(all)?;
    let kind = match name.as_str() {
        "ADD" => Kind::Add(Box::new(files::copy(&arguments, &flags, true)?)),
        "COPY" => Kind::Copy(Box::new(files::copy(&arguments, &flags, false)?)),
        "RUN" => Kind::Run(Box::new(run::run(&arguments, &flags)?)),
        "FROM" => Kind::From(metadata::from(&arguments, &flags)?),
        "HEALTHCHECK" => Kind::Healthcheck(health::healthcheck(&arguments, &flags)?),
        _ => {
            flags.only(&[], &[])?;
            plain(&name, &arguments)?
        }
    };
    let whole = if range.start == 0 { line.span } else { line.span(range) };
    Ok(Instruction { span: whole, keyword, rest: rest.to_owned(), kind })
}

/// Reads the instructions that have no flags.
fn plain(name: &str, arguments: &Arguments<'_>) -> Result<Kind, Problem> {
    Ok(match name {
        "ARG" => Kind::Arg(metadata::declarations(arguments)?),
        "ENV" => Kind::Env(metadata::pairs(arguments)?),
        "LABEL" => Kind::Label(metadata::pairs(arguments)?),
        "MAINTAINER" => Kind::Maintainer(arguments.exactly_one()?),
        "CMD" => Kind::Cmd(arguments.command()?),
        "ENTRYPOINT" => Kind::Entrypoint(arguments.command()?),
        "SHELL" => Kind::Shell(metadata::shell(arguments)?),
        "EXPOSE" => Kind::Expose(metadata::expose(arguments)?),
        "VOLUME" => Kind::Volume(metadata::volume(arguments)?),
        "USER" => Kind::User(arguments.exactly_one()?),
        "WORKDIR" => Kind::Workdir(arguments.exactly_one()?),
        "STOPSIGNAL" => Kind::StopSignal(metadata::stop_signal(arguments)?),
        _ => onbuild(arguments)?,
    })
}

fn onbuild(arguments: &Arguments<'_>) -> Result<Kind, Problem> {
    arguments.at_least_one()?;
    let trigger = instruction(arguments.line, arguments.escape, Some(arguments.range.clone()))?;
    if matches!(trigger.kind, Kind::From(_) | Kind::Maintainer(_) | Kind::Onbuild(..)) {
        let name = trigger.keyword.text.to_ascii_uppercase();
        let message = format!("`{name}` is not allowed as an ONBUILD trigger");
        return Err(Problem::error(trigger.keyword.span, "onbuild", message));
    }
    let mut text = arguments.text().to_owned();
    for heredoc in &arguments.line.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    Ok(Kind::Onbuild(text, Box::new(trigger)))
}
