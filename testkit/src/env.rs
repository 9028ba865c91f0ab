//! An isolated engine: the built binary with a state directory of its own, and a small image made from this machine's BusyBox.
//!
//! Several live side by side, in one process or in many. What they leave on the machine when they go (bridge, firewall table,
//! control groups) goes with them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "for tests: a failure here is the test's failure"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hako_types::Digest;

/// The built binary and a state directory.
#[derive(Debug)]
pub struct Env {
    program: PathBuf,
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; 128 and the signal where one ended it.
    pub code: i32,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Ended {
    /// Returns the standard output, without white space around it, of a command that must have succeeded.
    ///
    /// # Panics
    /// When it has failed.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "the command failed: {self:?}");
        self.stdout.trim().to_owned()
    }
}

impl Env {
    /// Returns a new engine without images; none, with a word on the terminal, where the tests cannot be run: they need root
    /// and the binary, which `HAKO_BIN` names or which lies beside the test's own.
    ///
    /// # Panics
    /// When no directory can be made.
    #[must_use]
    pub fn bare() -> Option<Self> {
        let skip = |why: &str| eprintln!("SKIPPED: {why}");
        if !rustix::process::geteuid().is_root() {
            skip("the black-box tests need root");
            return None;
        }
        let Some(program) = binary() else {
            skip("there is no binary to test: build hako first, or name it in HAKO_BIN");
            return None;
        };
        Some(Self {
            program,
            dir: tempfile::Builder::new().prefix("hako-test-").tempdir().unwrap(),
        })
    }

    /// Returns a new engine that has the image `box`: BusyBox, with users `root` and `nobody`.
    ///
    /// # Panics
    /// When the image cannot be made.
    #[must_use]
    pub fn new() -> Option<Self> {
        let env = Self::bare()?;
        if !Path::new("/bin/busybox").is_file() {
            eprintln!(
                "SKIPPED: the black-box tests need a static /bin/busybox (package busybox-static)"
            );
            return None;
        }
        let archive = env.path("box.tar");
        fs::write(&archive, root_archive()).unwrap();
        let archive = archive.to_str().unwrap().to_owned();
        let _id = env.hako(&["import", "--change", r#"CMD ["sh"]"#, &archive, "box"]).ok();
        Some(env)
    }

    /// Returns the state directory.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Returns a path for a file of the test's own, beside the state directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside the state directory, with its directories; returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns `hako …`, not yet started; the environment is this process' with nothing of hako in it.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.root()).args(words).stdin(Stdio::null());
        command.current_dir(self.dir.path()).env("HOME", self.dir.path());
        for name in
            ["HAKO_ROOT", "DOCKER_CONFIG", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "NO_COLOR"]
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs `hako …` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn hako(&self, words: &[&str]) -> Ended {
        ended(&mut self.command(words))
    }

    /// Runs `hako …` with `input` on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn hako_fed(&self, words: &[&str], input: &str) -> Ended {
        let file = self.write("input", input);
        ended(self.command(words).stdin(fs::File::open(file).unwrap()))
    }

    /// Asks `hako inspect --format` of one thing.
    ///
    /// # Panics
    /// When there is no such thing.
    #[must_use]
    pub fn inspect(&self, format: &str, name: &str) -> String {
        self.hako(&["inspect", "--format", format, name]).ok()
    }

    /// Returns the name that this engine gives to its firewall table, its control groups and the first of its bridges.
    #[must_use]
    pub fn own_name(&self) -> String {
        let digest = Digest::of(self.root().as_os_str().as_encoded_bytes());
        format!("hako-{}", &digest.hex()[..8])
    }

    /// Returns the directories of this engine's control groups, in all hierarchies.
    #[must_use]
    pub fn control_groups(&self) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts
            .lines()
            .filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")));
        let own = points
            .filter_map(|line| Some(Path::new(line.split(' ').nth(1)?).join(self.own_name())));
        own.filter(|path| path.is_dir()).collect()
    }

    /// Returns the interfaces of this machine that belong to this engine: its bridges, and what is plugged into them.
    #[must_use]
    pub fn interfaces(&self) -> (Vec<String>, Vec<String>) {
        let ids = self.hako(&["network", "ls", "-q", "--no-trunc"]).stdout;
        let own: Vec<String> =
            ids.lines().map(|id| format!("hako network {}", &id[..id.len().min(12)])).collect();
        let links: Vec<String> = fs::read_dir("/sys/class/net")
            .unwrap()
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let read = |link: &str, file: &str| {
            fs::read_to_string(format!("/sys/class/net/{link}/{file}")).unwrap_or_default()
        };
        let is_own = |link: &String| {
            *link == self.own_name()
                || own.iter().any(|alias| *alias == read(link, "ifalias").trim())
        };
        let bridges: Vec<String> = links.iter().filter(|link| is_own(link)).cloned().collect();
        let plugged = |link: &&String| {
            let master = fs::read_link(format!("/sys/class/net/{link}/master")).unwrap_or_default();
            master
                .file_name()
                .is_some_and(|name| bridges.iter().any(|bridge| name == bridge.as_str()))
        };
        let plugged = links.iter().filter(plugged).cloned().collect();
        (bridges, plugged)
    }

    /// Returns the processes (not of containers) that work for this engine just now.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let root = self.root();
        let is_own = |pid: &i32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|word| word == root.as_os_str().as_encoded_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(is_own)
            .collect()
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        let ids = self.hako(&["ps", "-aq"]).stdout;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _gone = self.hako(&[&["rm", "-fv"], ids.as_slice()].concat());
        }
        let (bridges, _) = self.interfaces();
        for bridge in bridges {
            let _gone = ended(Command::new("ip").args(["link", "del", &bridge]));
        }
        let _gone = ended(Command::new("nft").args(["delete", "table", "inet", &self.own_name()]));
        for group in self.control_groups() {
            for child in fs::read_dir(&group).into_iter().flatten().filter_map(Result::ok) {
                let _gone = fs::remove_dir(child.path());
            }
            let _gone = fs::remove_dir(group);
        }
    }
}

/// Waits until `done` gives something; tells `what` did not come true when it has not within 30 seconds.
///
/// # Panics
/// When the time is over.
#[track_caller]
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "did not come true within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended(command: &mut Command) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    let Ok(output) = command.output() else {
        return Ended { code: -1, stdout: String::new(), stderr: "it cannot be started".into() };
    };
    let code =
        output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("HAKO_BIN").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("hako"));
    named.or_else(beside).filter(|path| path.is_file())
}

/// Returns the archive of a root with BusyBox in it; made once per process.
fn root_archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["bin", "dev", "etc", "home", "proc", "root", "sys", "usr/bin", "var"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::create_dir(root.join("tmp")).unwrap();
        fs::set_permissions(root.join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777))
            .unwrap();
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        let applets = Command::new("/bin/busybox").arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|name| *name != "busybox")
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        )
        .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nnobody:x:65534:\n").unwrap();
        let tar = Command::new("tar")
            .arg("-C")
            .arg(root)
            .args(["--numeric-owner", "-cf", "-", "."])
            .output()
            .unwrap();
        tar.stdout
    })
}
