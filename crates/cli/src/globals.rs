//! The flags before the command.

use std::path::PathBuf;

use crate::args::{Flag, Syntax, UsageError, Words, parse, switch, value, values};
use crate::environment::Surroundings;
use crate::report::Failure;

/// What the flags before the command say.
#[derive(Clone, Debug)]
pub(crate) struct Globals {
    /// The state directory.
    pub(crate) root: PathBuf,
    /// The directory of the user's configuration (`config.json`).
    pub(crate) config: PathBuf,
    /// Whether the time that each step takes is told at the end.
    pub(crate) timings: bool,
    /// Whether the version is asked for.
    pub(crate) version: bool,
    /// Whether the help is asked for.
    pub(crate) help: bool,
}

/// The flags.
pub(crate) const FLAGS: &[Flag] = &[
    value("root", "path", "state directory (HAKO_ROOT; default /var/lib/hako)"),
    value(
        "config",
        "path",
        "directory of the user's configuration (DOCKER_CONFIG; default ~/.docker)",
    ),
    switch("debug", "").short('D'),
    value("log-level", "string", "").short('l'),
    switch("timings", "tell at the end how long each step took"),
    switch("version", "print the version and end").short('v'),
    values("host", "list", "").short('H'),
    value("context", "string", "").short('c'),
    switch("tls", ""),
    switch("tlsverify", ""),
    value("tlscacert", "string", ""),
    value("tlscert", "string", ""),
    value("tlskey", "string", ""),
];

/// How the program itself is typed.
pub(crate) const SYNTAX: Syntax =
    Syntax { words: "COMMAND", count: Words::AtLeast(0), program: true, flags: &[FLAGS] };

impl Globals {
    /// Reads the flags before the command; returns them and the words from the command on.
    ///
    /// # Errors
    /// When a flag is unknown or malformed.
    pub(crate) fn read(
        around: &Surroundings,
        typed: &[String],
    ) -> Result<(Self, Vec<String>), Failure> {
        let mut help = false;
        let parsed = match parse("hako", &SYNTAX, typed) {
            Ok(parsed) => parsed,
            Err(UsageError::Help) => {
                help = true;
                crate::args::Parsed::default()
            }
            Err(error) => return Err(Failure::usage(error).with_hint("see `hako --help`")),
        };
        let path = |flag: &str, variables: &[&str]| {
            let given = parsed.text(flag).map(str::to_owned);
            given
                .or_else(|| variables.iter().find_map(|name| around.filled(name)))
                .map(|path| around.absolute(&path))
        };
        let home = || around.filled("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let is_root = rustix::process::geteuid().is_root();
        let root = path("root", &["HAKO_ROOT"]).unwrap_or_else(|| {
            if is_root {
                return PathBuf::from("/var/lib/hako");
            }
            around
                .filled("XDG_DATA_HOME")
                .map_or_else(|| home().join(".local/share"), PathBuf::from)
                .join("hako")
        });
        let config = path("config", &["DOCKER_CONFIG"]).unwrap_or_else(|| home().join(".docker"));
        let globals = Self {
            root,
            config,
            timings: parsed.on("timings"),
            version: parsed.on("version"),
            help,
        };
        Ok((globals, parsed.words))
    }
}
