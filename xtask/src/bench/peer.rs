//! Who is measured: hako, and the engines that understand docker's words.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Bench;
use crate::Outcome;
use crate::command::{Program, program};
use crate::package;

/// The image that all of them run: BusyBox alone.
///
/// The registry stands in its name because podman asks about names without one.
pub(crate) const IMAGE: &str = "localhost/hako-bench:latest";

/// An engine.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What people call it.
    pub(crate) name: &'static str,
    program: PathBuf,
    root: Option<PathBuf>,
    /// What its process beside each container is called.
    keeper: &'static str,
}

/// Returns hako and those of the others that answer.
pub(crate) fn all(bench: &Bench) -> Outcome<Vec<Peer>> {
    let mut peers = vec![Peer {
        name: "hako",
        program: bench.hako.clone(),
        root: Some(bench.scratch.join("root")),
        keeper: "",
    }];
    for (name, keeper) in [("docker", "containerd-shim"), ("podman", "conmon")] {
        if !package::has(name) {
            println!("{name} is not installed: left out");
        } else if program(name).words("info").succeeds() {
            peers.push(Peer { name, program: name.into(), root: None, keeper });
        } else {
            println!("{name} is installed and does not answer: left out");
        }
    }
    Ok(peers)
}

impl Peer {
    /// Returns the engine's command with these words.
    pub(crate) fn call(&self, words: &str) -> Program {
        let call = program(&self.program);
        match &self.root {
            Some(root) => call.env("HAKO_ROOT", root).words(words),
            None => call.words(words),
        }
    }

    /// Returns the same engine with another state directory, where it has such a thing.
    pub(crate) fn beside(&self, root: PathBuf) -> Self {
        Self {
            name: self.name,
            program: self.program.clone(),
            root: Some(root),
            keeper: self.keeper,
        }
    }

    /// Makes the image that is run.
    pub(crate) fn bring_image(&self, scratch: &Path) -> Outcome {
        let tree = scratch.join("tree");
        if !tree.exists() {
            lay_out(&tree).map_err(|error| format!("cannot make `{}`: {error}", tree.display()))?;
        }
        let archive = scratch.join("tree.tar");
        program("tar")
            .words("--numeric-owner -C")
            .word(&tree)
            .word("-cf")
            .word(&archive)
            .word(".")
            .quiet()?;
        self.call("import").word(&archive).word(IMAGE).quiet()
    }

    /// Tells whether the engine runs a container of the image here: one may be installed and still not work on this machine.
    pub(crate) fn works(&self) -> bool {
        silently(self.call("run --rm").word(IMAGE).word("true")).is_ok()
    }

    /// Returns the processes that this engine keeps for its containers.
    pub(crate) fn keepers(&self) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.is_keeper(*pid)).collect()
    }

    fn is_keeper(&self, pid: u32) -> bool {
        match &self.root {
            Some(root) => {
                let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                words
                    .split(|byte| *byte == 0)
                    .any(|word| word == root.as_os_str().as_encoded_bytes())
            }
            None => std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.starts_with(self.keeper)),
        }
    }

    /// Removes what the bench has made in it. What fails here has failed before.
    pub(crate) fn leave(&self) {
        let ids = self.call("ps -aq --filter name=hako-bench").output().unwrap_or_default();
        for id in ids.split_whitespace() {
            let _gone = self.call("rm -f").word(id).succeeds();
        }
        for image in [IMAGE, "localhost/hako-bench-built:latest"] {
            let _gone = self.call("rmi -f").word(image).succeeds();
        }
    }
}

fn lay_out(tree: &Path) -> std::io::Result<()> {
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        std::fs::create_dir_all(tree.join(dir))?;
    }
    std::fs::copy("/bin/busybox", tree.join("bin/busybox"))?;
    for applet in ["sh", "true", "sleep", "cat", "echo", "mkdir", "cp", "ls"] {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(applet))?;
    }
    Ok(())
}

/// Runs it with nothing but its exit code seen; this is what is measured.
pub(crate) fn silently(call: Program) -> Outcome {
    let mut command = call.into_command();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{command:?}` failed: {status}")),
        Err(error) => Err(format!("cannot run `{command:?}`: {error}")),
    }
}
