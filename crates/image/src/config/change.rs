//! Changes to an image's settings, written as Dockerfile instructions (`commit --change`, `import --change`).

use hako_types::{Fault, GoDuration, Kind};
use thiserror::Error;

use super::{Empty, Healthcheck, Settings};

/// Why a change was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ChangeError {
    /// An instruction that changes no settings, or none at all.
    #[error("`{0}` is not a valid change command")]
    Instruction(String),
    /// An instruction with arguments that it does not take.
    #[error("the change `{line}` is malformed: {problem}")]
    Arguments {
        /// The whole change.
        line: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Fault for ChangeError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some("use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR".into())
    }
}

/// Applies one Dockerfile instruction, such as `CMD ["x"]` or `ENV A=1 B="2 3"`, to `settings`.
///
/// # Errors
/// When the instruction is none of those that change settings, or its arguments are malformed; `settings` is then unchanged
/// or partly changed.
pub fn apply_change(settings: &mut Settings, line: &str) -> Result<(), ChangeError> {
    let text = line.trim();
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let bad = |problem: &str| ChangeError::Arguments {
        line: text.to_owned(),
        problem: problem.to_owned(),
    };
    let name = name.to_ascii_uppercase();
    if rest.is_empty() && !matches!(name.as_str(), "CMD" | "ENTRYPOINT" | "USER") {
        return Err(if is_known(&name) {
            bad("it needs an argument")
        } else {
            ChangeError::Instruction(text.to_owned())
        });
    }
    match name.as_str() {
        "CMD" => settings.cmd = Some(command(settings, rest)),
        "ENTRYPOINT" => {
            settings.entrypoint = Some(command(settings, rest)).filter(|words| !words.is_empty());
        }
        "ENV" => {
            for (key, value) in pairs(rest).map_err(|problem| bad(&problem))? {
                settings.set_env(&key, &value);
            }
        }
        "LABEL" => settings.labels.extend(pairs(rest).map_err(|problem| bad(&problem))?),
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                for port in ports(port).ok_or_else(|| bad("want ports such as 80 or 53/udp"))? {
                    settings.exposed_ports.insert(port, Empty {});
                }
            }
        }
        "USER" => settings.user = rest.to_owned(),
        "WORKDIR" => settings.working_dir = joined(&settings.working_dir, rest),
        "VOLUME" => {
            let list =
                array(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            if list.iter().any(|path| path.trim().is_empty()) {
                return Err(bad("a volume has no path"));
            }
            settings.volumes.extend(list.into_iter().map(|path| (path, Empty {})));
        }
        "STOPSIGNAL" => settings.stop_signal = rest.to_owned(),
        "ONBUILD" => {
            let inner = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            if matches!(inner.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
                return Err(bad("this instruction may not stand after ONBUILD"));
            }
            settings.on_build.push(rest.to_owned());
        }
        "HEALTHCHECK" => {
            settings.healthcheck = Some(healthcheck(rest).map_err(|problem| bad(&problem))?);
        }
        _ => return Err(ChangeError::Instruction(text.to_owned())),
    }
    Ok(())
}

fn is_known(name: &str) -> bool {
    matches!(
        name,
        "ENV"
            | "LABEL"
            | "EXPOSE"
            | "WORKDIR"
            | "VOLUME"
            | "STOPSIGNAL"
            | "ONBUILD"
            | "HEALTHCHECK"
    )
}

/// Reads the exec form, a JSON array of strings.
fn array(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// Reads a command in exec form, or wraps its shell form in the image's shell.
fn command(settings: &Settings, text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    array(text).unwrap_or_else(|| {
        let mut words =
            settings.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
        words.push(text.to_owned());
        words
    })
}

/// Reads `80`, `53/udp` or `8000-8002/tcp`.
fn ports(text: &str) -> Option<Vec<String>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return None;
    }
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| (first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn joined(old: &str, new: &str) -> String {
    let whole = if new.starts_with('/') { new.to_owned() } else { format!("/{old}/{new}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Reads `A=1 B="2 3"`, or the old form `A the rest`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = words(text)?;
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (key, value) = text.split_once(char::is_whitespace).ok_or("want NAME=value")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` is not NAME=value")),
    };
    words.into_iter().map(pair).collect()
}

/// Splits at blanks that are not quoted; takes quotes and backslashes away as a Dockerfile does.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\\', None | Some('"')) => {
                let escaped = chars.next().unwrap_or('\\');
                let word = word.get_or_insert_default();
                if quote.is_some() && !matches!(escaped, '"' | '\\' | '$') {
                    word.push('\\');
                }
                word.push(escaped);
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

fn healthcheck(text: &str) -> Result<Healthcheck, String> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (flag, after) =
            option.split_once(char::is_whitespace).ok_or("the command is missing")?;
        let (name, value) =
            flag.split_once('=').ok_or_else(|| format!("`--{flag}` needs a value"))?;
        let nanos = || {
            value.parse::<GoDuration>().map(GoDuration::nanos).map_err(|error| error.to_string())
        };
        match name {
            "interval" => check.interval = nanos()?,
            "timeout" => check.timeout = nanos()?,
            "start-period" => check.start_period = nanos()?,
            "start-interval" => check.start_interval = nanos()?,
            "retries" => {
                check.retries = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
            }
            _ => return Err(format!("`--{name}` is not a flag of HEALTHCHECK")),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.is_empty() => vec!["NONE".into()],
        "CMD" if !command.is_empty() => match array(command) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => vec!["CMD-SHELL".into(), command.to_owned()],
        },
        _ => return Err("want NONE, or CMD and a command".into()),
    };
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(lines: &[&str]) -> Settings {
        let mut settings = Settings { env: vec!["A=old".into()], ..Settings::default() };
        for line in lines {
            apply_change(&mut settings, line).unwrap();
        }
        settings
    }

    #[test]
    fn every_kind_of_setting_can_be_changed() {
        let settings = changed(&[
            r#"CMD ["echo","hi"]"#,
            "ENTRYPOINT run me",
            r#"ENV A=1 B="2 3" C=x\ y"#,
            "env D the rest",
            "EXPOSE 80 53/udp 8000-8001",
            r#"LABEL a.b="c d" e='f'"#,
            "USER 5:6",
            "WORKDIR /w",
            "WORKDIR sub/../x",
            r#"VOLUME ["/v", "/u u"]"#,
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN true",
            "HEALTHCHECK --interval=5s --retries=2 CMD true",
        ]);
        insta::assert_snapshot!(serde_json::to_string(&settings).unwrap(), @r#"{"User":"5:6","ExposedPorts":{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{}},"Env":["A=1","B=2 3","C=x y","D=the rest"],"Entrypoint":["/bin/sh","-c","run me"],"Cmd":["echo","hi"],"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000,"Retries":2},"Volumes":{"/u u":{},"/v":{}},"WorkingDir":"/w/x","OnBuild":["RUN true"],"Labels":{"a.b":"c d","e":"f"},"StopSignal":"SIGINT"}"#);
    }

    #[test]
    fn other_instructions_and_malformed_ones_are_refused() {
        for line in [
            "RUN nothing",
            "FROM x",
            "",
            "ENV",
            "ENV A",
            "EXPOSE x",
            "LABEL \"a=b",
            "ONBUILD FROM x",
            "HEALTHCHECK x",
        ] {
            assert!(apply_change(&mut Settings::default(), line).is_err(), "{line}");
        }
    }
}
