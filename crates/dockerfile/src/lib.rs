//! Dockerfiles and `.dockerignore` files: text to instructions that keep their place in it.
//!
//! ```text
//!   text ──lines──▶ logical lines ──parse──▶ Dockerfile { stages { instructions } }
//!                   (continuations joined,      (every word has a Span)
//!                    comments out, heredocs in)
//! ```
//!
//! Everything is pure: nothing here reads a file, an environment or a clock. What an instruction *means* is decided by
//! whoever builds; this crate says what was written, refuses what cannot be meant ([`Problem`]), and knows the language's own rules for
//! variables ([`expand`]), globs ([`glob`]) and left-out files ([`ignore`]).
//!
//! The language is that of the Dockerfile reference with BuildKit's frontend 1.2x as the measure.

mod dockerfile;
pub mod expand;
pub mod glob;
pub mod ignore;
pub mod instruction;
mod line;
pub mod lint;
mod parse;
mod problem;
mod span;
mod suggest;

pub use dockerfile::{Dockerfile, Stage, parse, parse_trigger};
pub use expand::{Lexer, Variables};
pub use ignore::Ignore;
pub use instruction::{Command, Heredoc, Instruction, Kind, Word};
pub use line::Directives;
pub use parse::metadata::is_signal;
pub use problem::{Problem, Severity};
pub use span::{Position, Span};
pub use suggest::nearest;
