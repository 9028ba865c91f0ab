//! The words of a command line: tables of flags, and what was typed, read by them.
//!
//! The rules are those that Docker's users have in their fingers (POSIX and GNU forms as Go's `pflag` reads them): `--name x`,
//! `--name=x`, `-n x`, `-nx`, `-n=x`, `-it`; switches take `=true` and `=false`; a value may begin with a dash; repeated
//! flags add up or the last one wins. Commands that run a program stop reading flags at the first word that is none, so that
//! `run alpine ls -l` hands `-l` to the program. That last rule, the exact messages and the cost of building a
//! parser for a hundred flags at every start are why the tables are plain constants with a small reader over them.

mod help;
mod parse;

pub(crate) use help::{did_you_mean, help, usage_line};
pub(crate) use parse::{Parsed, UsageError, parse};

/// What a flag takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Takes {
    /// Nothing: it is on when given. Go's spellings of truth may follow `=`.
    Nothing,
    /// A value; the last one given counts.
    Value(&'static str),
    /// A value each time it is given; all count.
    Values(&'static str),
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// The long name, without dashes.
    pub(crate) long: &'static str,
    /// The letter, where it has one.
    pub(crate) short: Option<char>,
    /// What it takes.
    pub(crate) takes: Takes,
    /// What it does, in a few words; an empty text hides it from the help.
    pub(crate) help: &'static str,
}

impl Flag {
    /// Returns the same flag with a letter.
    pub(crate) const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }
}

/// Returns a flag that takes nothing.
pub(crate) const fn switch(long: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, takes: Takes::Nothing, help }
}

/// Returns a flag whose last value counts.
pub(crate) const fn value(long: &'static str, what: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, takes: Takes::Value(what), help }
}

/// Returns a flag whose values add up.
pub(crate) const fn values(long: &'static str, what: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, takes: Takes::Values(what), help }
}

/// How many words a command takes beside its flags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Words {
    /// Exactly so many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// From the first number to the second.
    Between(usize, usize),
}

/// How a command is typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    /// The words after the flags, as the help shows them (`IMAGE [COMMAND] [ARG...]`).
    pub(crate) words: &'static str,
    /// How many of them there may be.
    pub(crate) count: Words,
    /// Whether flags are read no further than the first word that is none.
    pub(crate) program: bool,
    /// The tables of its flags.
    pub(crate) flags: &'static [&'static [Flag]],
}

impl Syntax {
    /// Returns all flags.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().copied().flatten()
    }
}
