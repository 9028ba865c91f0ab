//! The health check that the flags describe.

use hako_engine::model::Healthcheck;
use hako_types::GoDuration;

use crate::args::Parsed;
use crate::report::Failure;

/// Returns the health check, or nothing where none of its flags was given.
///
/// # Errors
/// When a value is none, or the flags contradict each other.
pub(crate) fn read(parsed: &Parsed) -> Result<Option<Healthcheck>, Failure> {
    let test = test(parsed)?;
    let length =
        |long: &str| -> Result<i64, Failure> { Ok(parsed.read(long, nanos(long))?.unwrap_or(0)) };
    let check = Healthcheck {
        test: test.unwrap_or_default(),
        interval: length("health-interval")?,
        timeout: length("health-timeout")?,
        start_period: length("health-start-period")?,
        start_interval: length("health-start-interval")?,
        retries: parsed.integer("health-retries")?,
    };
    if check.retries < 0 {
        return Err(Failure::engine("--health-retries cannot be negative"));
    }
    let asked = check != Healthcheck::default();
    if parsed.on("no-healthcheck") {
        if asked {
            return Err(Failure::engine("--no-healthcheck conflicts with --health-* options"));
        }
        return Ok(Some(Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() }));
    }
    Ok(asked.then_some(check))
}

/// Returns what is asked, in the one form that was given.
fn test(parsed: &Parsed) -> Result<Option<Vec<String>>, Failure> {
    let forms = [
        ("health-cmd", "CMD-SHELL"),
        ("health-http", "HTTP"),
        ("health-tcp", "TCP"),
        ("health-file", "FILE"),
    ];
    let mut found: Option<(&str, Vec<String>)> = None;
    for (flag, word) in forms {
        let Some(text) = parsed.text(flag).filter(|text| !text.is_empty()) else { continue };
        if let Some((other, _)) = found {
            return Err(Failure::engine(format!("conflicting options: --{other} and --{flag}")));
        }
        found = Some((flag, vec![word.to_owned(), text.to_owned()]));
    }
    Ok(found.map(|(_, test)| test))
}

fn nanos(flag: &str) -> impl Fn(&str) -> Result<i64, String> {
    move |text| {
        if text.starts_with('-') {
            return Err(format!("--{flag} cannot be negative"));
        }
        let length: GoDuration =
            text.parse().map_err(|_| format!("time: invalid duration \"{text}\""))?;
        Ok(length.nanos())
    }
}

/// Reads `--health-on-failure`.
///
/// # Errors
/// When it is none of the four words.
pub(crate) fn on_failure(text: &str) -> Result<String, String> {
    match text {
        "none" | "kill" | "restart" | "stop" => Ok(text.to_owned()),
        _ => Err("want none, kill, restart or stop".into()),
    }
}
