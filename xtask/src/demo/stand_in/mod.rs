//! Stand-ins for base images whose registry cannot be reached, made from packages, by hako itself.

mod alpine;
mod golang;
mod postgres;

use std::path::Path;

use super::Hako;
use crate::Outcome;
use crate::workspace;

/// Makes one, with a directory to work in.
type Make = fn(&Hako, &Path) -> Outcome;

/// The images of the founding document, in the order in which they can be made.
pub(super) const ALL: [(&str, Make); 3] = [
    ("alpine:latest", alpine::make),
    ("golang:1.21-alpine", golang::make),
    ("postgres:latest", postgres::make),
];

/// Tells whether the image that has this name is a stand-in.
pub(super) fn is_one(hako: &Hako, image: &str) -> bool {
    let format = r#"{{index .Config.Labels "hako.stand-in"}}"#;
    let told = hako.call("image inspect --format").word(format).word(image).output();
    told.is_ok_and(|label| !label.trim().is_empty() && !label.contains("<no value>"))
}

/// Makes `dir` anew, with its parents.
fn fresh(dir: &Path) -> Outcome {
    match std::fs::remove_dir_all(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot remove `{}`: {error}", dir.display())),
    }
    std::fs::create_dir_all(dir)
        .map_err(|error| format!("cannot make `{}`: {error}", dir.display()))
}

/// Writes `text` to the file, whose directories are made.
fn write(path: &Path, text: &str) -> Outcome {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

/// Returns the directory of a stand-in's own files.
fn assets(name: &str) -> std::path::PathBuf {
    workspace::root().join("xtask/stand-ins").join(name)
}

/// Makes an image of the tree at `root`, with instructions of a Dockerfile on top.
fn import(hako: &Hako, root: &Path, changes: &[&str], image: &str) -> Outcome {
    let mut tar = crate::command::program("tar")
        .words("--numeric-owner --xattrs -C")
        .word(root)
        .words("-cf - .")
        .into_command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run `tar`: {error}"))?;
    let mut import = hako.call("import");
    for change in changes {
        import = import.word("--change").word(change);
    }
    let mut import = import.words("-").word(image).into_command();
    if let Some(archive) = tar.stdout.take() {
        import.stdin(archive);
    }
    let imported = import.status().map_err(|error| format!("cannot run `hako import`: {error}"))?;
    let packed = tar.wait().map_err(|error| format!("cannot wait for `tar`: {error}"))?;
    if imported.success() && packed.success() {
        Ok(())
    } else {
        Err(format!("cannot make `{image}` of `{}`", root.display()))
    }
}
