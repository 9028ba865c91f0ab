use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rustix::fd::AsFd;

use super::*;
use crate::graph::{CopySource, Source};
use crate::tree::open_root;

struct Bed {
    source: tempfile::TempDir,
    target: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { source: tempfile::tempdir().unwrap(), target: tempfile::tempdir().unwrap() }
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.source.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn tree(&self, ignore: &str) -> Tree {
        Tree::context(open_root(self.source.path()).unwrap(), Ignore::parse(ignore).unwrap(), None)
    }

    fn copy(&self, operation: &CopyOp, ignore: &str) -> Result<(), Error> {
        let tree = self.tree(ignore);
        let root = open_root(self.target.path()).unwrap();
        let sources: Vec<Opened<'_>> =
            operation.sources.iter().map(|s| Opened::Tree(&tree, &s.path)).collect();
        perform(operation, Destination::plain(root.as_fd()), &sources, None, None)
    }

    fn files(&self) -> Vec<String> {
        fn list(path: &Path, root: &Path, all: &mut Vec<String>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() {
                    list(&path, root, all);
                } else {
                    all.push(path.strip_prefix(root).unwrap().display().to_string());
                }
            }
        }
        let mut all = Vec::new();
        list(self.target.path(), self.target.path(), &mut all);
        all.sort();
        all
    }
}

fn op(sources: &[&str], target: &str) -> CopyOp {
    let source = |path: &&str| CopySource {
        from: Source::Context(String::new()),
        path: (*path).to_owned(),
        unpack: false,
    };
    CopyOp {
        sources: sources.iter().map(source).collect(),
        target: target.into(),
        ..CopyOp::default()
    }
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: this test needs root");
    }
    is_root
}

#[test]
fn files_go_by_name_and_directories_by_content() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for path in ["a", "b", "d/c", "d/.h", "d/sub/s"] {
        bed.put(path, path);
    }
    bed.copy(&op(&["a", "b", "d"], "/x/"), "").unwrap();
    bed.copy(&op(&["a"], "/named/deep"), "").unwrap();
    bed.copy(&op(&["*.none"], "/none/"), "").unwrap();
    assert_eq!(bed.files(), ["named/deep", "x/.h", "x/a", "x/b", "x/c", "x/sub/s"]);
    let missing = bed.copy(&op(&["nosuch"], "/"), "").unwrap_err();
    assert_eq!(missing.to_string(), "`nosuch`: not found");
}

#[test]
fn left_out_files_are_not_there_and_what_is_taken_back_in_is() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for path in ["docs/a", "docs/README", "docs/api/x", "src/a", "src/b", "secret"] {
        bed.put(path, path);
    }
    let ignore = "*\n!src\n!docs/README\nsrc/b\n";
    bed.copy(&op(&["."], "/c"), ignore).unwrap();
    assert_eq!(bed.files(), ["c/docs/README", "c/src/a"]);
    let missing = bed.copy(&op(&["secret"], "/"), ignore).unwrap_err();
    assert_eq!(missing.to_string(), "`secret`: not found (left out by .dockerignore)");
}

#[test]
fn links_stay_inside_of_source_and_target() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    bed.put("d/f", "data");
    let at = |path: &str| bed.source.path().join(path);
    symlink("d/f", at("fl")).unwrap();
    symlink("f", at("d/link")).unwrap();
    symlink("../../../etc/passwd", at("out")).unwrap();
    fs::create_dir(bed.target.path().join("real")).unwrap();
    symlink("/real", bed.target.path().join("link")).unwrap();
    symlink("/../../real/new", bed.target.path().join("name")).unwrap();
    bed.copy(&op(&["fl"], "/link/"), "").unwrap();
    bed.copy(&op(&["fl"], "/name"), "").unwrap();
    bed.copy(&op(&["d"], "/d"), "").unwrap();
    assert!(bed.copy(&op(&["out"], "/x"), "").is_err());
    assert_eq!(bed.files(), ["d/f", "d/link", "link", "name", "real/fl", "real/new"]);
    assert_eq!(fs::read_link(bed.target.path().join("d/link")).unwrap(), Path::new("f"));
}

#[test]
fn modes_owners_parents_and_excluded_files_are_as_asked() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for path in ["d/a.go", "d/a_test.go", "d/s/c_test.go", "d/s/c.go"] {
        bed.put(path, path);
    }
    let exclude = vec!["**/*_test.go".to_owned()];
    let operation = CopyOp {
        exclude,
        mode: Some("640".into()),
        parents: true,
        ..op(&["./d/./s/*.go", "d/a*.go"], "/p/")
    };
    let tree = bed.tree("");
    let root = open_root(bed.target.path()).unwrap();
    let sources: Vec<Opened<'_>> =
        operation.sources.iter().map(|s| Opened::Tree(&tree, &s.path)).collect();
    perform(
        &operation,
        Destination::plain(root.as_fd()),
        &sources,
        Some(Owner { uid: 5, gid: 6 }),
        None,
    )
    .unwrap();
    assert_eq!(bed.files(), ["p/d/a.go", "p/s/c.go"]);
    let meta = bed.target.path().join("p/s/c.go").metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777), (5, 6, 0o640));
    assert_eq!(bed.target.path().join("p").metadata().unwrap().uid(), 5);
}

#[test]
fn a_directory_does_not_replace_a_file() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    bed.put("d/x", "");
    bed.put("f", "");
    fs::write(bed.target.path().join("file"), "").unwrap();
    assert!(bed.copy(&op(&["d"], "/file"), "").is_err());
    assert!(bed.copy(&op(&["f"], "/file/"), "").is_err());
}

#[test]
fn digests_see_content_and_modes_and_no_times() {
    let bed = Bed::new();
    bed.put("d/f", "one");
    let digest = || {
        let tree = bed.tree("");
        crate::tree::digest::of(&tree, &tree.find("d").unwrap(), &Ignore::default()).unwrap()
    };
    let first = digest();
    let file = fs::File::options().write(true).open(bed.source.path().join("d/f")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(digest(), first);
    fs::set_permissions(bed.source.path().join("d/f"), fs::Permissions::from_mode(0o600)).unwrap();
    let second = digest();
    assert_ne!(second, first);
    bed.put("d/f", "two");
    assert_ne!(digest(), second);
}
