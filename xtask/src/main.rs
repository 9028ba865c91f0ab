//! `cargo xtask`: what is done to the project rather than with it. Needs nothing but a Rust toolchain; what a verb
//! needs beyond that it installs from the machine's packages, or says what is missing.
//!
//! ```text
//! cargo xtask demo [--keep]   build hako and bring the founding document's application up with it
//! cargo xtask test            install what the tests need, and run all of them
//! cargo xtask check           formatting, clippy, and the rules of the house
//! cargo xtask bench           measure beside whatever of docker, podman, crun and runc is installed
//! cargo xtask build           the static binary
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod binary;
mod check;
mod command;
mod demo;
mod package;
mod test;
mod workspace;

use std::process::ExitCode;

/// What a step gives, or a sentence on why it did not.
pub(crate) type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "usage: cargo xtask demo [--keep] | test | check | bench [NAME…] | build";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = match words.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("", [].as_slice()),
    };
    let outcome = match (verb, rest) {
        ("demo", []) => demo::run(demo::After::TakeDown),
        ("demo", [keep]) if keep == "--keep" => demo::run(demo::After::Keep),
        ("test", []) => test::run(),
        ("check", []) => check::run(),
        ("bench", names) => bench::run(names),
        ("build", []) => binary::release().map(|path| println!("{}", path.display())),
        ("" | "-h" | "--help" | "help", _) => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
