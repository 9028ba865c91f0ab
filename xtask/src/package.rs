//! What a Debian-like machine's own packages give.

use std::path::Path;

use crate::Outcome;
use crate::command::program;

/// Tells whether this process may do what root may.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Tells whether a program of this name is on the way (`PATH`).
pub(crate) fn has(name: &str) -> bool {
    let path = crate::workspace::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
        || Path::new("/usr/sbin").join(name).is_file()
}

/// Makes sure that each program is there: pairs of the program and the package that brings it. Installs only what is
/// missing; without apt or the right to use it, says what is missing.
pub(crate) fn ensure(wanted: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        wanted.iter().filter(|(name, _)| !has(name)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn install(packages: &[&str]) -> Outcome {
    let list = packages.join(" ");
    if !has("apt-get") || !is_root() {
        return Err(format!(
            "these packages are missing: {list} (as root: apt-get install {list})"
        ));
    }
    println!("installing {list}");
    let attempt = || {
        program("apt-get")
            .words("install -y -q --no-install-recommends")
            .words(&list)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .quiet()
    };
    // The lists may be old, or never have been fetched.
    if program("apt-get").words("install -s -q").words(&list).succeeds() && attempt().is_ok() {
        return Ok(());
    }
    program("apt-get").words("update -q").quiet()?;
    attempt()
}

/// Fetches the packages, without installing them, and unpacks them into `root`.
pub(crate) fn unpack(packages: &[&str], scratch: &Path, root: &Path) -> Outcome {
    std::fs::create_dir_all(scratch)
        .map_err(|error| format!("cannot make `{}`: {error}", scratch.display()))?;
    for package in packages {
        // apt's own user may not enter here: the fetch is done as root, which apt warns of.
        let fetch = || {
            program("apt-get")
                .words("download -q -o APT::Sandbox::User=root")
                .word(package)
                .within(scratch)
        };
        if !fetch().succeeds() {
            program("apt-get").words("update -q").quiet()?;
            fetch().quiet()?;
        }
    }
    for package in packages {
        let archive = downloaded(scratch, package)?;
        program("dpkg-deb").word("-x").word(archive).word(root).quiet()?;
    }
    Ok(())
}

fn downloaded(scratch: &Path, package: &str) -> Outcome<std::path::PathBuf> {
    let prefix = format!("{package}_");
    let entries = std::fs::read_dir(scratch)
        .map_err(|error| format!("cannot read `{}`: {error}", scratch.display()))?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            path.extension().is_some_and(|ext| ext == "deb")
                && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .ok_or_else(|| format!("apt-get fetched no archive of `{package}`"))
}
