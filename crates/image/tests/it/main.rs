//! Layers, images and archives on a real file system. They need root, because layers have owners and devices.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may panic, and says so when it is skipped"
)]

mod archive;
mod files;
mod hostile;
mod images;
mod layers;

use std::path::Path;

use hako_image::tar::{Entry, Kind, Writer};
use hako_image::{Images, ROOM};
use hako_store::{Database, Paths};

/// A state directory of its own, deleted with this value.
struct State {
    dir: tempfile::TempDir,
    paths: Paths,
    database: Database,
}

impl State {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("state"));
        paths.create().unwrap();
        let database = Database::open(&paths.database(), &[ROOM]).unwrap();
        Self { dir, paths, database }
    }

    fn images(&self) -> Images<'_> {
        Images::new(&self.paths, &self.database).unwrap()
    }

    /// Asserts that nothing half made is left.
    fn assert_clean(&self) {
        assert_eq!(
            std::fs::read_dir(self.paths.tmp()).unwrap().count(),
            0,
            "something is left in tmp/"
        );
    }
}

/// Tells whether we are root; says so when not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

fn entry(path: &str, kind: Kind, mode: u32) -> Entry {
    Entry { path: path.into(), kind, mode, ..Entry::default() }
}

fn file(path: &str) -> Entry {
    entry(path, Kind::File, 0o644)
}

fn directory(path: &str) -> Entry {
    entry(path, Kind::Directory, 0o755)
}

fn link(path: &str, kind: Kind, target: &str) -> Entry {
    Entry { link: target.into(), ..entry(path, kind, 0o777) }
}

/// Returns the archive of these members; what is not empty is their payload.
fn tar(members: &[(Entry, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, payload) in members {
        writer.file(entry, payload.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

/// Returns the paths below `root`, sorted, each with its type.
fn tree(root: &Path) -> String {
    let out = std::process::Command::new("find")
        .arg(root)
        .args(["-mindepth", "1", "-printf", "%P %y%l\n"])
        .output()
        .unwrap();
    let mut lines: Vec<String> =
        String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}
