//! What all commands share: the flags before the command, and what follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hako_compose::{Error, Loaded, Options, Span, load};
use hako_engine::Engine;
use hako_project::apply::ApplyOptions;
use hako_types::{Fault, Kind};

use crate::args::Parsed;
use crate::compose::files::Disk;
use crate::compose::progress::{Mode, Screen};
use crate::compose::warn;
use crate::report::Failure;
use crate::session::Session;

/// One run of a command.
#[derive(Debug)]
pub(super) struct Context<'s> {
    pub(super) session: &'s Session,
    pub(super) globals: Parsed,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) screen: Arc<Screen>,
}

impl<'s> Context<'s> {
    pub(super) fn new(session: &'s Session, globals: Parsed) -> Result<Self, Failure> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let given =
            globals.text("progress").or(environment.get("COMPOSE_PROGRESS").map(String::as_str));
        let mode = Mode::parse(given.unwrap_or("auto"), globals.text("ansi").unwrap_or("auto"))?;
        let screen = Arc::new(Screen::new(mode, globals.on("dry-run")));
        Ok(Self { session, globals, environment, screen })
    }

    pub(super) fn engine(&self) -> Result<&Engine, Failure> {
        self.session.engine()
    }

    pub(super) fn is_dry(&self) -> bool {
        self.globals.on("dry-run")
    }

    /// Returns the value of a switch: of the flag, else of the environment.
    pub(super) fn switched(&self, parsed: &Parsed, flag: &str, variable: &str) -> bool {
        if parsed.given(flag) {
            return parsed.on(flag);
        }
        let value = self.environment.get(variable).map(|value| value.to_ascii_lowercase());
        matches!(value.as_deref(), Some("1" | "true" | "t" | "yes" | "on"))
    }

    /// Returns what the project is loaded by.
    pub(super) fn options(&self) -> Options {
        let directory = self.globals.text("project-directory").or(self.globals.text("workdir"));
        let mut options =
            Options::new(self.session.around.directory().to_owned(), self.environment.clone());
        options.files = self.globals.list("file");
        options.project_directory = directory.map(|path| self.session.around.absolute(path));
        options.name = self.globals.text("project-name").map(str::to_owned);
        options.profiles = self.globals.list("profile");
        options.env_files = self.globals.list("env-file");
        options
    }

    /// Loads the project, and tells what a person should know of it.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        self.load_by(&self.options()).map_err(failure)
    }

    pub(super) fn load_by(&self, options: &Options) -> Result<Loaded, Error> {
        let loaded = load(&Disk, options)?;
        loaded.warnings.iter().for_each(|text| warn(text));
        Ok(loaded)
    }

    /// Loads the project with the services that are named turned on, and settles what needs what.
    pub(super) fn load_for(&self, names: &[String]) -> Result<Loaded, Failure> {
        let mut loaded = self.load()?;
        loaded.enable(names).map_err(failure)?;
        loaded.settle().map_err(failure)?;
        Ok(loaded)
    }

    /// Returns how work is done, as far as the flags before the command say.
    pub(super) fn apply_options(&self) -> Result<ApplyOptions, Failure> {
        let parallel = match self
            .globals
            .text("parallel")
            .or(self.environment.get("COMPOSE_PARALLEL_LIMIT").map(String::as_str))
        {
            None | Some("") => usize::MAX,
            Some(text) => match text.parse::<i64>() {
                Ok(number) if number != 0 => usize::try_from(number).unwrap_or(usize::MAX),
                _ => return Err(Failure::new(format!("invalid parallel limit: \"{text}\""))),
            },
        };
        Ok(ApplyOptions { parallel, dry_run: self.is_dry(), ..ApplyOptions::default() })
    }
}

/// Turns an error of the model into a failure with Compose's exit codes.
pub(super) fn failure(error: Error) -> Failure {
    let code = if error.kind() == Kind::NotFound { 14 } else { 15 };
    let code = if matches!(error, Error::NoService(_)) { 1 } else { code };
    let shown = error.span().and_then(snippet);
    let hint = error.hint();
    let failure = match shown {
        Some(shown) => Failure::new(format!("{error}\n{shown}")),
        None => return Failure::from(error).with_code(code),
    };
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
    .with_code(code)
}

/// Returns the line of a mistake with a mark below its place; nothing when the file cannot be read again.
fn snippet(span: &Span) -> Option<String> {
    let text = std::fs::read_to_string(&*span.file).ok()?;
    let line = text.lines().nth(span.line.checked_sub(1)?)?;
    let shown = line.trim_end().replace('\t', " ");
    let number = span.line.to_string();
    let margin = " ".repeat(number.len());
    let blank = " ".repeat(span.column.saturating_sub(1));
    Some(format!("  {margin} |\n  {number} | {shown}\n  {margin} | {blank}^"))
}
