//! What all commands share: the engine, opened when it is first needed, and the user's configuration.

use std::cell::{OnceCell, RefCell};
use std::time::Instant;

use hako_engine::{Engine, Settings};
use serde::Deserialize;

use crate::environment::Surroundings;
use crate::globals::Globals;
use crate::report::Failure;

/// The part of `config.json` that is not about registries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UserConfig {
    /// The keys that detach a terminal.
    pub(crate) detach_keys: Option<String>,
    /// The format of `ps`.
    pub(crate) ps_format: Option<String>,
    /// The format of `images`.
    pub(crate) images_format: Option<String>,
    /// The format of `stats`.
    pub(crate) stats_format: Option<String>,
    /// The format of `network ls`.
    pub(crate) networks_format: Option<String>,
    /// The format of `volume ls`.
    pub(crate) volumes_format: Option<String>,
    /// Proxies that containers are told of, by engine; `default` is everyone's.
    pub(crate) proxies: std::collections::BTreeMap<String, Proxies>,
}

/// Proxies that containers are told of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Proxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    ftp_proxy: Option<String>,
    all_proxy: Option<String>,
}

impl Proxies {
    /// Returns the variables, in both spellings.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let all = [
            ("HTTP_PROXY", &self.http_proxy),
            ("HTTPS_PROXY", &self.https_proxy),
            ("NO_PROXY", &self.no_proxy),
            ("FTP_PROXY", &self.ftp_proxy),
            ("ALL_PROXY", &self.all_proxy),
        ];
        let set = all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        set.flat_map(|(name, value)| {
            [(name.to_owned(), value.clone()), (name.to_lowercase(), value)]
        })
        .collect()
    }
}

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Session {
    /// The flags before the command.
    pub(crate) globals: Globals,
    /// The environment and the working directory.
    pub(crate) around: Surroundings,
    engine: OnceCell<Engine>,
    config: OnceCell<UserConfig>,
    started: Instant,
    marks: RefCell<Vec<(String, Instant)>>,
}

impl Session {
    /// Returns a session that has opened nothing yet.
    pub(crate) fn new(globals: Globals, around: Surroundings) -> Self {
        Self {
            globals,
            around,
            engine: OnceCell::new(),
            config: OnceCell::new(),
            started: Instant::now(),
            marks: RefCell::new(Vec::new()),
        }
    }

    /// Returns the engine, which is opened at the first call.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub(crate) fn engine(&self) -> Result<&Engine, Failure> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::open(self.settings())?;
        self.mark("open the engine");
        Ok(self.engine.get_or_init(|| engine))
    }

    /// Returns what the engine is opened with.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            root: self.globals.root.clone(),
            program: "/proc/self/exe".into(),
            rooms: crate::ROOMS,
        }
    }

    /// Returns the user's configuration; one that is missing or malformed is an empty one.
    pub(crate) fn config(&self) -> &UserConfig {
        self.config.get_or_init(|| {
            let text = std::fs::read(self.globals.config.join("config.json")).unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_default()
        })
    }

    /// Notes that a step has ended, for `--timings`.
    pub(crate) fn mark(&self, step: &str) {
        if self.globals.timings {
            self.marks.borrow_mut().push((step.to_owned(), Instant::now()));
        }
    }

    /// Returns how long each step took, where that is wanted.
    pub(crate) fn timings(&self) -> Option<String> {
        if !self.globals.timings {
            return None;
        }
        let mut before = self.started;
        let mut text = String::new();
        for (step, at) in self.marks.borrow().iter() {
            text.push_str(&format!(
                "{:9.3} ms  {step}\n",
                at.duration_since(before).as_secs_f64() * 1e3
            ));
            before = *at;
        }
        let now = Instant::now();
        text.push_str(&format!(
            "{:9.3} ms  the rest\n",
            now.duration_since(before).as_secs_f64() * 1e3
        ));
        text.push_str(&format!(
            "{:9.3} ms  in all\n",
            now.duration_since(self.started).as_secs_f64() * 1e3
        ));
        Some(text)
    }
}
