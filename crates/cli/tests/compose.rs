//! `hako compose`, from outside: the model as an ordinary user, the life of a project as root.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with a Compose file, and a state directory of its own.
struct Project {
    directory: TempDir,
    root: TempDir,
}

impl Project {
    fn new(compose: &str) -> Self {
        let made = || TempDir::new().expect("a temporary directory");
        let project = Self { directory: made(), root: made() };
        project.write("compose.yaml", compose);
        project
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn hako(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hako"));
        command
            .args(words)
            .current_dir(self.path())
            .env("HAKO_ROOT", self.root.path())
            .env("SECRET", "hush");
        command.stdin(Stdio::null()).output().expect("hako runs")
    }

    fn compose(&self, words: &[&str]) -> Output {
        self.hako(&[&["compose", "-p", "p"], words].concat())
    }

    /// Runs a command that must succeed; returns what it prints.
    fn says(&self, words: &[&str]) -> String {
        let output = self.compose(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs a command that must fail; returns what it prints on standard error.
    fn fails(&self, words: &[&str]) -> String {
        let output = self.compose(words);
        assert!(!output.status.success(), "{words:?} must fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn a_mistake_is_shown_in_its_line_with_what_was_meant() {
    let project = Project::new("services:\n  web:\n    image: x\n    comand: y\n");
    let text = project.fails(&["config"]).replace(&*project.path().to_string_lossy(), "DIR");
    let want = "error: DIR/compose.yaml:4:5: services.web: unknown key `comand`\n    |\n  4 |     comand: y\n    \
                |     ^\nhint: did you mean `command`?\n";
    assert_eq!(text, want);
}

#[test]
fn config_prints_the_whole_model_or_the_part_that_is_asked_for() {
    let project = Project::new(
        "services: {web: {image: \"x:${T:-1}\", depends_on: [db]}, db: {image: y}, other: {image: z}}\n",
    );
    assert_eq!(project.says(&["config", "--services"]), "db\nother\nweb");
    assert_eq!(project.says(&["config", "--images", "web"]), "y\nx:1");
    assert!(project.says(&["config", "--no-interpolate"]).contains("image: x:${T:-1}"));
    assert_eq!(project.says(&["config", "-q"]), "");
    let text = project.says(&["config", "--format", "json", "web"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["services"].as_object().expect("services").len(), 2);
    assert_eq!(project.compose(&["config", "nobody"]).status.code(), Some(1));
}

/// Gives the project an image `busybox`; nothing where that cannot be, which is said.
fn with_image(compose: &str) -> Option<Project> {
    let busybox = PathBuf::from("/bin/busybox");
    if !rustix::process::geteuid().is_root() || !busybox.exists() {
        eprintln!("skipped: needs root and a static busybox at {}", busybox.display());
        return None;
    }
    let project = Project::new(compose);
    let tree = TempDir::new().expect("a temporary directory");
    fs::create_dir_all(tree.path().join("bin")).expect("a directory");
    fs::copy(&busybox, tree.path().join("bin/busybox")).expect("a copy");
    for name in ["sh", "sleep", "cat", "touch", "ls", "echo", "test"] {
        std::os::unix::fs::symlink("busybox", tree.path().join("bin").join(name)).expect("a link");
    }
    let archive = tree.path().with_extension("tar");
    let packed =
        Command::new("tar").arg("-C").arg(tree.path()).arg("-cf").arg(&archive).arg("bin").status();
    assert!(packed.expect("tar runs").success());
    let imported = project.hako(&[
        "import",
        "--change",
        "ENV PATH=/bin",
        &archive.to_string_lossy(),
        "busybox",
    ]);
    fs::remove_file(&archive).ok();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    Some(project)
}

#[test]
fn a_project_comes_up_changes_and_goes() {
    let Some(project) = with_image(
        "services:\n  db:\n    image: busybox\n    command: sh -c 'touch /ok; exec sleep 1000'\n    stop_grace_period: 0s\n    \
         healthcheck: {test: test -e /ok, interval: 200ms}\n    network_mode: none\n  web:\n    image: busybox\n    \
         command: sleep 1000\n    stop_grace_period: 0s\n    network_mode: none\n    volumes: [/anon]\n    \
         depends_on: {db: {condition: service_healthy}}\n    configs: [c]\n    secrets: [s]\nconfigs: {c: {content: one}}\n\
         secrets: {s: {environment: SECRET}}\n",
    ) else {
        return;
    };
    project.says(&["up", "-d", "--wait"]);
    assert_eq!(project.says(&["ps", "--services"]), "db\nweb");
    assert_eq!(project.says(&["exec", "-T", "web", "cat", "/c", "/run/secrets/s"]), "onehush");
    project.says(&["exec", "-T", "web", "touch", "/anon/kept"]);
    let (db, web) = (project.says(&["ps", "-q", "db"]), project.says(&["ps", "-q", "web"]));
    let changed = fs::read_to_string(project.path().join("compose.yaml"))
        .expect("the file")
        .replace("content: one", "content: two");
    project.write("compose.yaml", &changed);
    project.says(&["up", "-d"]);
    assert_eq!(project.says(&["ps", "-q", "db"]), db, "what did not change stays");
    assert_ne!(project.says(&["ps", "-q", "web"]), web);
    assert_eq!(project.says(&["exec", "-T", "web", "cat", "/c"]), "two");
    assert_eq!(project.says(&["exec", "-T", "web", "ls", "/anon"]), "kept");
    project.says(&["up", "-d", "--scale", "web=3"]);
    assert_eq!(project.says(&["ps", "-q", "web"]).lines().count(), 3);
    assert!(project.fails(&["stop", "nobody"]).contains("nobody"));
    project.says(&["down", "-v"]);
    assert_eq!(project.says(&["ps", "-aq"]), "");
    assert!(!project.root.path().join("projects/p").exists(), "no secret is left");
}
