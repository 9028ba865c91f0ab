//! The instructions of a Dockerfile, as they were written: variables are still in them.

use crate::Span;
use crate::expand::{self, Lexer, Variables};

mod mount;

pub use mount::{Mount, MountKind, MountOption, RunMount, Sharing};

/// A word and its place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Word {
    /// The text, quotes and variables still in it.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Word {
    /// Returns the word with its variables replaced.
    ///
    /// # Errors
    /// When [`Lexer::expand`] refuses the word.
    pub fn expand(&self, lexer: Lexer, variables: &dyn Variables) -> Result<String, expand::Error> {
        Ok(lexer.expand(&self.text, variables)?.text)
    }
}

/// A name and a value (`ENV name=value`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The name; labels may have variables in it.
    pub name: Word,
    /// The value, quotes and variables still in it.
    pub value: Word,
}

/// A declared argument (`ARG name=default`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declaration {
    /// The argument's name.
    pub name: Word,
    /// Its default, where it has one.
    pub default: Option<Word>,
}

/// One instruction and its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instruction {
    /// The whole of it, heredocs included.
    pub span: Span,
    /// The keyword as it was written.
    pub keyword: Word,
    /// The text as one line, without the keyword.
    pub rest: String,
    /// What it is.
    pub kind: Kind,
}

impl Instruction {
    /// Returns the instruction as one line, its keyword in capitals.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.keyword.text.to_ascii_uppercase(), self.rest).trim_end().to_owned()
    }
}

/// What an instruction says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `FROM image AS name`.
    From(From),
    /// `ARG name=default …`.
    Arg(Vec<Declaration>),
    /// `ENV name=value …`.
    Env(Vec<Pair>),
    /// `LABEL name=value …`.
    Label(Vec<Pair>),
    /// `MAINTAINER text`.
    Maintainer(Word),
    /// `RUN command`.
    Run(Box<Run>),
    /// `COPY source … target`.
    Copy(Box<Copy>),
    /// `ADD source … target`.
    Add(Box<Copy>),
    /// `CMD command`.
    Cmd(Command),
    /// `ENTRYPOINT command`.
    Entrypoint(Command),
    /// `SHELL ["program", "option" …]`.
    Shell(Vec<String>),
    /// `EXPOSE port/protocol …`.
    Expose(Vec<Word>),
    /// `VOLUME path …`.
    Volume(Vec<Word>),
    /// `USER name:group`.
    User(Word),
    /// `WORKDIR path`.
    Workdir(Word),
    /// `STOPSIGNAL signal`.
    StopSignal(Word),
    /// `HEALTHCHECK …`.
    Healthcheck(Healthcheck),
    /// `ONBUILD instruction`: the trigger as text, and read.
    Onbuild(String, Box<Instruction>),
}

/// `FROM`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct From {
    /// The image, stage or named context.
    pub image: Word,
    /// The stage's name.
    pub name: Option<Word>,
    /// `--platform`.
    pub platform: Option<Word>,
}

/// A command in one of its two forms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// A line for the shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

impl Command {
    /// Tells whether nothing is to be run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Shell(line) => line.is_empty(),
            Self::Exec(words) => words.is_empty(),
        }
    }
}

/// `RUN`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The command.
    pub command: Command,
    /// Its heredocs.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, in order.
    pub mounts: Vec<RunMount>,
    /// `--network`.
    pub network: Option<Word>,
    /// `--security`.
    pub security: Option<Word>,
    /// `--device`, in order.
    pub devices: Vec<Word>,
}

/// `COPY` and `ADD`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Copy {
    /// Paths, patterns, and for `ADD` addresses; heredocs are not among them.
    pub sources: Vec<Word>,
    /// Files whose content is in the Dockerfile.
    pub heredocs: Vec<Heredoc>,
    /// The target.
    pub target: Word,
    /// `--from`.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--unpack`.
    pub unpack: Option<bool>,
}

/// `HEALTHCHECK`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`.
    None,
    /// `HEALTHCHECK CMD …`.
    Command {
        /// What is run.
        command: Command,
        /// `--interval` in nanoseconds.
        interval: Option<i64>,
        /// `--timeout` in nanoseconds.
        timeout: Option<i64>,
        /// `--start-period` in nanoseconds.
        start_period: Option<i64>,
        /// `--start-interval` in nanoseconds.
        start_interval: Option<i64>,
        /// `--retries`.
        retries: Option<u32>,
    },
}

/// Content that stands in the Dockerfile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// The lines, tabs still before them.
    pub content: String,
    /// Whether variables in it are the builder's (its word was not quoted).
    pub expand: bool,
    /// `<<-`: tabs at the beginning of lines do not count.
    pub strip_tabs: bool,
    /// The descriptor before `<<`.
    pub descriptor: u32,
}

impl Heredoc {
    /// Returns the heredoc that `word` announces (`<<EOF`, `3<<-'EOF'`), still without content.
    #[must_use]
    pub fn announced(word: &str) -> Option<Self> {
        let digits = word.len() - word.trim_start_matches(|ch: char| ch.is_ascii_digit()).len();
        let rest = word[digits..].strip_prefix("<<")?;
        let (strip_tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        let lexer = Lexer { skip_unset: true, ..Lexer::new('\\') };
        let raw = Lexer { raw_quotes: true, raw_escapes: true, ..lexer };
        let words = lexer.expand(rest, &|_: &str| None).ok()?.words;
        let [name] = &words[..] else { return None };
        let expand = raw.expand(rest, &|_: &str| None).ok()?.words == words;
        let descriptor = word[..digits].parse().unwrap_or(0);
        Some(Self { name: name.clone(), content: String::new(), expand, strip_tabs, descriptor })
    }

    /// Returns the content as it is meant: without leading tabs where `<<-` says so.
    #[must_use]
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}
