//! Instructions that change what the image says and no file.

use hako_dockerfile::instruction::{
    Command, Declaration, Healthcheck, Instruction, Kind, Pair, Word,
};
use hako_dockerfile::{Problem, is_signal};
use hako_image::config::{self, Empty};
use hako_types::port::parse_exposed;

use super::history::{quote, quoted};
use super::{Planner, StageState};

impl Planner<'_> {
    pub(super) fn metadata(
        &mut self,
        instruction: &Instruction,
        state: &mut StageState,
    ) -> Result<(), Problem> {
        match &instruction.kind {
            Kind::Env(pairs) => self.env(pairs, state)?,
            Kind::Label(pairs) => self.label(pairs, state)?,
            Kind::Maintainer(word) => {
                state.config.author = Some(word.text.clone());
                state.note(format!("MAINTAINER {}", word.text));
            }
            Kind::Cmd(command) => cmd(command, state),
            Kind::Entrypoint(command) => entrypoint(command, state),
            Kind::Shell(words) => {
                state.config.config.shell = Some(words.clone());
                state.note(format!("SHELL [{}]", words.join(" ")));
            }
            Kind::Expose(ports) => self.expose(ports, state)?,
            Kind::Volume(paths) => self.volume(paths, state)?,
            Kind::User(word) => {
                let user = self.expand(word, state)?;
                state.note(format!("USER {user}"));
                state.config.config.user = user;
            }
            Kind::StopSignal(word) => {
                let signal = self.expand(word, state)?;
                if !is_signal(&signal) {
                    return Err(Problem::error(
                        word.span,
                        "signal",
                        format!("invalid signal: `{signal}`"),
                    ));
                }
                state.note(format!("STOPSIGNAL {signal}"));
                state.config.config.stop_signal = signal;
            }
            Kind::Healthcheck(check) => healthcheck(check, state),
            Kind::Onbuild(text, _) => {
                state.config.config.on_build.push(text.clone());
                state.note(format!("ONBUILD {text}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// `ENV`: every value is from before the instruction.
    fn env(&mut self, pairs: &[Pair], state: &mut StageState) -> Result<(), Problem> {
        let pairs = self.pairs(pairs, state)?;
        let mut text = String::from("ENV");
        for (name, value) in pairs {
            text.push_str(&format!(" {name}={value}"));
            state.config.config.set_env(&name, &value);
            state.scope.set(&name, value);
        }
        state.note(text);
        Ok(())
    }

    fn label(&mut self, pairs: &[Pair], state: &mut StageState) -> Result<(), Problem> {
        let mut text = String::from("LABEL");
        for (name, value) in self.pairs(pairs, state)? {
            text.push_str(&format!(" {name}={value}"));
            state.config.config.labels.insert(name, value);
        }
        state.note(text);
        Ok(())
    }

    fn pairs(
        &mut self,
        pairs: &[Pair],
        state: &StageState,
    ) -> Result<Vec<(String, String)>, Problem> {
        pairs
            .iter()
            .map(|pair| Ok((self.expand(&pair.name, state)?, self.expand(&pair.value, state)?)))
            .collect()
    }

    /// `ARG`: the caller's value, the default, or that of the argument above the first stage.
    pub(super) fn argument(
        &mut self,
        declarations: &[Declaration],
        state: &mut StageState,
    ) -> Result<(), Problem> {
        let mut text = String::from("ARG");
        for declaration in declarations {
            let name = self.expand(&declaration.name, state)?;
            let default = match &declaration.default {
                Some(word) => Some(self.expand(word, state)?),
                None => None,
            };
            let given = self.request.arguments.get(&name).cloned();
            self.used_arguments.insert(name.clone());
            let global = || {
                use hako_dockerfile::Variables;
                self.outline.globals.get(&name)
            };
            text.push_str(&format!(" {name}"));
            if let Some(default) = &default {
                text.push_str(&format!("={default}"));
            }
            if let Some(value) = given.or_else(|| default.or_else(global)) {
                state.scope.set(&name, value.clone());
                state.arguments.retain(|(known, _)| *known != name);
                state.arguments.push((name, value));
            }
        }
        state.note(text);
        Ok(())
    }

    fn expose(&mut self, ports: &[Word], state: &mut StageState) -> Result<(), Problem> {
        let mut all = Vec::new();
        for word in ports {
            for text in self.expand_words(word, state)?.1 {
                let found = parse_exposed(&text).map_err(|error| {
                    Problem::error(word.span, "port", format!("invalid port: {error}"))
                })?;
                all.extend(found.into_iter().map(|(port, protocol)| format!("{port}/{protocol}")));
            }
        }
        state.note(format!("EXPOSE [{}]", all.join(" ")));
        state.config.config.exposed_ports.extend(all.into_iter().map(|port| (port, Empty {})));
        Ok(())
    }

    fn volume(&mut self, paths: &[Word], state: &mut StageState) -> Result<(), Problem> {
        let mut all = Vec::new();
        for word in paths {
            let path = self.expand(word, state)?;
            if path.trim().is_empty() {
                return Err(Problem::error(
                    word.span,
                    "volume",
                    "`VOLUME` specified can not be an empty string",
                ));
            }
            all.push(path);
        }
        state.note(format!("VOLUME [{}]", all.join(" ")));
        state.config.config.volumes.extend(all.into_iter().map(|path| (path, Empty {})));
        Ok(())
    }
}

/// Returns the words of a command, those of the shell before them where it is a line for it.
pub(super) fn words(command: &Command, state: &StageState) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => {
            let mut words = state.shell();
            words.push(line.clone());
            words
        }
    }
}

fn cmd(command: &Command, state: &mut StageState) {
    let words = if command.is_empty() { Vec::new() } else { words(command, state) };
    state.note(format!("CMD {}", quoted(&words)));
    state.config.config.cmd = Some(words);
    state.config.config.rest.insert("ArgsEscaped".into(), true.into());
    state.has_cmd = true;
}

/// `ENTRYPOINT`: the command of the base does not fit it any more.
fn entrypoint(command: &Command, state: &mut StageState) {
    let words = if command.is_empty() { Vec::new() } else { words(command, state) };
    state.note(format!("ENTRYPOINT {}", quoted(&words)));
    state.config.config.entrypoint = (!words.is_empty()).then_some(words);
    if !state.has_cmd {
        state.config.config.cmd = None;
    }
}

fn healthcheck(check: &Healthcheck, state: &mut StageState) {
    let check = match check {
        Healthcheck::None => {
            config::Healthcheck { test: vec!["NONE".into()], ..config::Healthcheck::default() }
        }
        Healthcheck::Command {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        } => {
            let test = match command {
                Command::Shell(line) => vec!["CMD-SHELL".into(), line.clone()],
                Command::Exec(words) => [vec!["CMD".into()], words.clone()].concat(),
            };
            config::Healthcheck {
                test,
                interval: interval.unwrap_or(0),
                timeout: timeout.unwrap_or(0),
                start_period: start_period.unwrap_or(0),
                start_interval: start_interval.unwrap_or(0),
                retries: i64::from(retries.unwrap_or(0)),
            }
        }
    };
    let time = |nanos: i64| {
        quote(
            &hako_types::GoDuration(std::time::Duration::from_nanos(nanos.unsigned_abs()))
                .to_string(),
        )
    };
    state.note(format!(
        "HEALTHCHECK &{{{} {} {} {} {} '\\x{:02x}'}}",
        quoted(&check.test),
        time(check.interval),
        time(check.timeout),
        time(check.start_period),
        time(check.start_interval),
        check.retries
    ));
    state.config.config.healthcheck = Some(check);
}
