//! `RUN`.

use hako_dockerfile::Problem;
use hako_dockerfile::instruction::{Command, Heredoc, Instruction, Mount, MountKind, Run, Word};

use super::{Planner, StageState, absolute, metadata};
use crate::graph::{Operation, RunMount, RunOp, Script, Source};
use crate::request::Network;
use crate::scope::PROXIES;

/// Where heredocs with an interpreter of their own lie while they run.
const PIPES: &str = "/dev/pipes";

impl Planner<'_> {
    pub(super) fn run(
        &mut self,
        run: &Run,
        instruction: &Instruction,
        state: &mut StageState,
    ) -> Result<(), Problem> {
        let (command, script) = heredocs(&run.command, &run.heredocs);
        let args = metadata::words(&command, state);
        let mut mounts = Vec::new();
        for mount in &run.mounts {
            let mount = {
                let cell = std::cell::RefCell::new(&mut *self);
                mount.resolve(&|word| cell.borrow_mut().expand(word, state))?
            };
            mounts.push(self.mount(mount, instruction, state)?);
        }
        let network = match self.flag(run.network.as_ref(), state)?.as_deref() {
            None | Some("default") => self.request.run.network,
            Some("none") => Network::None,
            Some(_) => Network::Host,
        };
        let insecure = self.flag(run.security.as_ref(), state)?.as_deref() == Some("insecure");
        let defaults = &self.request.run;
        let operation = RunOp {
            args: args.clone(),
            env: state.scope.pairs(),
            uncounted_env: self.proxies(state),
            cwd: directory(state),
            user: state.config.config.user.clone(),
            mounts,
            script,
            network,
            insecure,
            hosts: defaults.hosts.clone(),
            ulimits: defaults.ulimits.clone(),
            shm_size: defaults.shm_size,
            memory: defaults.memory,
            nano_cpus: defaults.nano_cpus,
        };
        let id =
            self.step(state, instruction, &instruction.text(), Operation::Run(Box::new(operation)));
        let counted: Vec<String> =
            state.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let prefix = if counted.is_empty() {
            String::new()
        } else {
            format!("|{} {} ", counted.len(), counted.join(" "))
        };
        state.note_layer(&format!("RUN {prefix}{}", args.join(" ")), id);
        Ok(())
    }

    fn flag(&mut self, word: Option<&Word>, state: &StageState) -> Result<Option<String>, Problem> {
        let Some(word) = word else { return Ok(None) };
        let value = self.expand(word, state)?.to_ascii_lowercase();
        if ["default", "none", "host", "sandbox", "insecure"].contains(&value.as_str()) {
            return Ok(Some(value));
        }
        Err(Problem::error(word.span, "flag", format!("`{value}` is not supported here")))
    }

    /// Returns the proxies that the caller gave and the stage did not declare.
    fn proxies(&self, state: &StageState) -> Vec<String> {
        PROXIES
            .iter()
            .filter(|name| !state.arguments.iter().any(|(known, _)| known == *name))
            .filter_map(|name| Some(format!("{name}={}", self.request.arguments.get(*name)?)))
            .collect()
    }

    fn mount(
        &mut self,
        mount: Mount,
        instruction: &Instruction,
        state: &StageState,
    ) -> Result<RunMount, Problem> {
        let from = match (&mount.from, mount.kind) {
            (Some(name), _) => Some(self.source(name, state, instruction.span)?),
            (None, MountKind::Bind) => Some(Source::Context(String::new())),
            (None, _) => None,
        };
        let target = mount.target.as_ref().map(|target| {
            let path = absolute(&directory(state), target);
            if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
        });
        let id = match (mount.id, mount.kind, &target) {
            (Some(id), ..) => id,
            (None, MountKind::Ssh, _) => "default".into(),
            (None, _, target) => target.clone().unwrap_or_default(),
        };
        let source =
            hako_dockerfile::ignore::clean(&format!("/{}", mount.source.unwrap_or_default()));
        Ok(RunMount {
            kind: mount.kind,
            from,
            source,
            target,
            read_only: mount.read_only,
            size: mount.size,
            id,
            sharing: mount.sharing,
            required: mount.required,
            mode: mount.mode,
            uid: mount.uid,
            gid: mount.gid,
            env: mount.env,
        })
    }
}

/// Returns the working directory of a stage.
pub(super) fn directory(state: &StageState) -> String {
    match state.config.config.working_dir.as_str() {
        "" => "/".into(),
        path => path.to_owned(),
    }
}

/// Puts heredocs into the command: one that stands alone is the script itself, others are given back to the shell.
fn heredocs(command: &Command, heredocs: &[Heredoc]) -> (Command, Option<Script>) {
    let (Command::Shell(line), Some(first)) = (command, heredocs.first()) else {
        return (command.clone(), None);
    };
    if Heredoc::announced(line).is_none() {
        let mut full = line.clone();
        for heredoc in heredocs {
            full.push('\n');
            full.push_str(&heredoc.content);
            full.push_str(&heredoc.name);
        }
        return (Command::Shell(full), None);
    }
    let content = first.text();
    if content.starts_with("#!") {
        let script = Script { name: first.name.clone(), content };
        return (Command::Shell(format!("{PIPES}/{}", first.name)), Some(script));
    }
    (Command::Shell(content), None)
}
