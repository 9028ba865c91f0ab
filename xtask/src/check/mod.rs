//! `cargo xtask check`: formatting, clippy, and the rules of the house that a compiler does not know.

mod arrow;
mod source;

use crate::Outcome;
use crate::binary::{self, Target};
use crate::command::program;
use crate::workspace;

/// Checks all of it.
pub(crate) fn run() -> Outcome {
    rules()?;
    clippy(&binary::target()?)
}

/// Checks what needs no compiler.
pub(crate) fn rules() -> Outcome {
    program("cargo").words("fmt --all --check").within(&workspace::root()).show()?;
    println!("$ arrows between crates");
    refuse(&arrow::faults()?)?;
    println!("$ words and sizes of the sources");
    let found = source::look(&workspace::root())?;
    for warning in &found.warnings {
        println!("warning: {warning}");
    }
    refuse(&found.faults)
}

/// Checks what clippy knows, warnings denied.
pub(crate) fn clippy(target: &Target) -> Outcome {
    target.cargo("clippy").words("--workspace --all-targets -- -D warnings").show()
}

fn refuse(faults: &[String]) -> Outcome {
    for fault in faults {
        eprintln!("error: {fault}");
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{} rules of the house are broken", faults.len()))
    }
}
