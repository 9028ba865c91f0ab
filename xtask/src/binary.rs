//! The binary: static musl, or static glibc where that target cannot be had.

use std::path::PathBuf;

use crate::Outcome;
use crate::command::{Program, program};
use crate::{package, workspace};

/// A compilation target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    /// What rustc calls it.
    pub(crate) triple: String,
    /// Whether the C library must be asked to be linked statically.
    pub(crate) glibc: bool,
}

impl Target {
    /// Returns `cargo VERB` for this target.
    pub(crate) fn cargo(&self, verb: &str) -> Program {
        let cargo = program("cargo")
            .word(verb)
            .word("--target")
            .word(&self.triple)
            .within(&workspace::root());
        match (self.glibc, workspace::variable("RUSTFLAGS")) {
            (false, _) => cargo,
            (true, None) => cargo.env("RUSTFLAGS", STATIC),
            (true, Some(flags)) => cargo.env("RUSTFLAGS", format!("{flags} {STATIC}")),
        }
    }

    /// Returns the path of the binary that a profile's directory (`debug`, `release`) holds.
    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        workspace::target().join(&self.triple).join(profile).join("hako")
    }
}

const STATIC: &str = "-C target-feature=+crt-static";

/// Builds the release binary; returns its path.
pub(crate) fn release() -> Outcome<PathBuf> {
    let target = target()?;
    target.cargo("build").words("--release --package hako-cli").run()?;
    Ok(target.binary("release"))
}

/// Returns the target to build for, with all that it needs in place.
pub(crate) fn target() -> Outcome<Target> {
    let arch = std::env::consts::ARCH;
    let musl = Target { triple: format!("{arch}-unknown-linux-musl"), glibc: false };
    match prepare(&musl) {
        Ok(()) => Ok(musl),
        Err(why) => {
            let gnu = Target { triple: format!("{arch}-unknown-linux-gnu"), glibc: true };
            println!("{} cannot be had: {why}", musl.triple);
            println!(
                "building for {} instead, linked statically: it starts more slowly",
                gnu.triple
            );
            Ok(gnu)
        }
    }
}

/// Brings what building for `musl` needs: Rust's own library for it, and a C compiler for SQLite and zstd.
fn prepare(musl: &Target) -> Outcome {
    if !has_library(&musl.triple) {
        if !package::has("rustup") {
            return Err(
                "the toolchain has no library for it, and there is no rustup to fetch one".into()
            );
        }
        println!("$ rustup target add {}", musl.triple);
        program("rustup")
            .words("target add")
            .word(&musl.triple)
            .within(&workspace::root())
            .quiet()?;
    }
    package::ensure(&[("musl-gcc", "musl-tools")])
}

fn has_library(triple: &str) -> bool {
    let asked = program("rustc")
        .words("--print target-libdir --target")
        .word(triple)
        .within(&workspace::root());
    asked.output().is_ok_and(|dir| std::path::Path::new(dir.trim()).is_dir())
}
