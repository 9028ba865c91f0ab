//! `HEALTHCHECK`.

use hako_types::GoDuration;

use super::{Arguments, flags::Flags};
use crate::Problem;
use crate::instruction::{Command, Healthcheck};

pub(super) fn healthcheck(
    arguments: &Arguments<'_>,
    flags: &Flags,
) -> Result<Healthcheck, Problem> {
    flags.only(&["interval", "timeout", "start-period", "start-interval", "retries"], &[])?;
    let text = arguments.text();
    let word = text.split_whitespace().next().unwrap_or_default();
    let rest = text[word.len()..].trim_start();
    match word.to_ascii_uppercase().as_str() {
        "NONE" if rest.is_empty() => Ok(Healthcheck::None),
        "NONE" => Err(arguments.error("`HEALTHCHECK NONE` takes no arguments")),
        "CMD" => {
            let start = arguments.range.end - rest.len();
            let inner = Arguments {
                line: arguments.line,
                range: start..arguments.range.end,
                escape: arguments.escape,
                keyword: arguments.keyword.clone(),
            };
            let command = inner.command()?;
            if command.is_empty() || command == Command::Exec(vec![]) {
                return Err(arguments.error("missing command after `HEALTHCHECK CMD`"));
            }
            Ok(Healthcheck::Command {
                command,
                interval: duration(flags, "interval")?,
                timeout: duration(flags, "timeout")?,
                start_period: duration(flags, "start-period")?,
                start_interval: duration(flags, "start-interval")?,
                retries: retries(flags)?,
            })
        }
        "" => Err(arguments
            .error("`HEALTHCHECK` requires at least one argument")
            .hint("write `HEALTHCHECK CMD command`")),
        _ => Err(arguments
            .error(format!("unknown type `{word}` in `HEALTHCHECK`"))
            .hint("write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`")),
    }
}

fn duration(flags: &Flags, name: &str) -> Result<Option<i64>, Problem> {
    let Some(word) = flags.value(name)? else { return Ok(None) };
    if word.text.is_empty() {
        return Ok(None);
    }
    let bad = |why: String| {
        Problem::error(
            word.span,
            "flag",
            format!("invalid value `{}` for `--{name}`: {why}", word.text),
        )
    };
    let nanos = word.text.parse::<GoDuration>().map_err(|error| bad(error.to_string()))?.nanos();
    if nanos != 0 && nanos < 1_000_000 {
        return Err(bad("cannot be less than 1ms".into()));
    }
    Ok((nanos != 0).then_some(nanos))
}

fn retries(flags: &Flags) -> Result<Option<u32>, Problem> {
    let Some(word) = flags.value("retries")? else { return Ok(None) };
    match word.text.parse::<u32>() {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(_) => Err(Problem::error(
            word.span,
            "flag",
            format!("invalid value `{}` for `--retries`", word.text),
        )),
    }
}
