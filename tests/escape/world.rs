//! A state directory, an image with a shell, and a part of the host that is the prize.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tar::Tar;

/// The content of the host's file.
pub(crate) const SECRET: &str = "the-hosts-secret";

/// What an attack plays in.
#[derive(Debug)]
pub(crate) struct World {
    hako: PathBuf,
    state: TempDir,
    host: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// What it wrote, standard error last.
    pub text: String,
}

impl World {
    /// Makes a world with the image `box`, a shell and its tools; nothing where that cannot be, which is said.
    pub(crate) fn new() -> Option<Self> {
        let Some(hako) = std::env::var_os("HAKO_BIN").map(PathBuf::from) else {
            skip("HAKO_BIN does not name the binary to attack");
            return None;
        };
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let busybox = busybox.into_iter().find(|path| path.exists());
        let (true, Some(busybox)) = (rustix::process::geteuid().is_root(), busybox) else {
            skip("needs root and a static busybox");
            return None;
        };
        let directory = |name: &str| tempfile::Builder::new().prefix(name).tempdir_in("/tmp");
        let world =
            Self { hako, state: directory("hako-es").unwrap(), host: directory("host").unwrap() };
        fs::write(world.host("secret"), SECRET).unwrap();
        fs::create_dir(world.host("empty")).unwrap();
        fs::write(world.host("nothing"), "").unwrap();
        world.import("box", Self::shell(busybox, Tar::default()));
        Some(world)
    }

    fn shell(busybox: &Path, tar: Tar) -> Tar {
        let program = fs::read(busybox).unwrap();
        let mut tar = tar.directory("bin").directory("tmp").directory("etc").moded(
            "bin/busybox",
            &program,
            0o755,
        );
        let applets = "sh cat ls ln mkdir mv rm echo sleep id grep mount umount mknod dd unshare readlink touch true test ip nc \
                       chmod chown cp head tail wget nslookup stat seq kill ps tr cut find sysctl hostname su arping ping sort od wc env";
        for applet in applets.split_whitespace() {
            tar = tar.link(&format!("bin/{applet}"), "busybox");
        }
        tar.file("etc/passwd", "root:x:0:0::/:/bin/sh\n").file("etc/group", "root:x:0:\n")
    }

    /// The archive of `box` with more in it; later members replace earlier ones.
    pub(crate) fn image_with(&self, name: &str, more: impl FnOnce(Tar) -> Tar) -> Outcome {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let busybox = busybox.into_iter().find(|path| path.exists()).unwrap();
        self.try_import(name, &more(Self::shell(busybox, Tar::default())).bytes())
    }

    /// Imports an archive as an image.
    pub(crate) fn import(&self, name: &str, tar: Tar) {
        let done = self.try_import(name, &tar.bytes());
        assert_eq!(done.code, 0, "{}", done.text);
    }

    /// Imports an archive that may be refused.
    pub(crate) fn try_import(&self, name: &str, tar: &[u8]) -> Outcome {
        self.feed(&["import", "--change", "ENV PATH=/bin", "-", name], tar)
    }

    /// A path in the host's directory.
    pub(crate) fn host(&self, name: &str) -> PathBuf {
        self.host.path().join(name)
    }

    /// The host's directory, as text.
    pub(crate) fn prize(&self) -> String {
        self.host.path().display().to_string()
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// The binary.
    pub(crate) fn binary(&self) -> &Path {
        &self.hako
    }

    /// Attacks a copy of the binary, which may be lost.
    pub(crate) fn use_copy(&mut self) {
        let copy = self.state.path().with_extension("hako");
        fs::copy(&self.hako, &copy).unwrap();
        self.hako = copy;
    }

    /// The command, not yet run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.hako);
        command.arg("--root").arg(self.state.path()).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command.
    pub(crate) fn hako(&self, words: &[&str]) -> Outcome {
        outcome(self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Runs a command that must succeed; returns what it wrote.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let done = self.hako(words);
        assert_eq!(done.code, 0, "{words:?}: {}", done.text);
        done.text.trim().to_owned()
    }

    /// Runs a command with something to read.
    pub(crate) fn feed(&self, words: &[&str], input: &[u8]) -> Outcome {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let done = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Outcome { code: done.status.code().unwrap_or(-1), text: text(&done) }
    }

    /// Runs a script in a container without network; `options` come before the image.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Outcome {
        let mut words = vec!["run", "--rm", "--network", "none"];
        words.extend_from_slice(options);
        words.extend_from_slice(&["box", "sh", "-c", script]);
        self.hako(&words)
    }

    /// Starts a container that stays; `options` come before the image.
    pub(crate) fn start(&self, name: &str, options: &[&str]) {
        let mut words = vec!["run", "-d", "--network", "none", "--name", name];
        words.extend_from_slice(options);
        words.extend_from_slice(&["box", "sleep", "300"]);
        self.ok(&words);
    }

    /// The root of a running container, as the host's root may reach it.
    pub(crate) fn root_of(&self, name: &str) -> PathBuf {
        let pid = self.ok(&["inspect", "-f", "{{.State.Pid}}", name]);
        PathBuf::from(format!("/proc/{pid}/root"))
    }

    /// Builds a Dockerfile, with more files in the context.
    pub(crate) fn build(
        &self,
        dockerfile: &str,
        options: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Outcome {
        let context = TempDir::new().unwrap();
        fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
        prepare(context.path());
        let mut words = vec!["build", "--network", "none", "--progress", "plain", "-t", "built"];
        words.extend_from_slice(options);
        let path = context.path().display().to_string();
        words.push(&path);
        self.hako(&words)
    }

    /// Fails unless the host's directory is as it was.
    pub(crate) fn untouched(&self) {
        let mut names: Vec<_> = fs::read_dir(self.host.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["empty", "nothing", "secret"], "the host's directory was changed");
        assert_eq!(fs::read_to_string(self.host("secret")).unwrap(), SECRET);
        assert_eq!(fs::read(self.host("nothing")).unwrap(), b"");
        assert_eq!(fs::read_dir(self.host("empty")).unwrap().count(), 0);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let all = self.hako(&["ps", "-aq"]);
        for id in all.text.split_whitespace() {
            let _gone = self.hako(&["rm", "-f", id]);
        }
        let networks = self.hako(&["network", "ls", "-q"]);
        for id in networks.text.split_whitespace() {
            let _gone = self.hako(&["network", "rm", id]);
        }
        // What an engine of a state directory of its own calls its first bridge, its table and its control groups.
        let digest = hako_types::Digest::of(self.state.path().as_os_str().as_encoded_bytes());
        let own = format!("hako-{}", &digest.hex()[..8]);
        let _bridge = outcome(Command::new("ip").args(["link", "del", &own]));
        let _table = outcome(Command::new("nft").args(["delete", "table", "inet", &own]));
        let hierarchies = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        for group in
            hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]).map(|path| path.join(&own))
        {
            let _empty = fs::remove_dir(group);
        }
        let copy = self.state.path().with_extension("hako");
        let _if_made = fs::remove_file(copy);
    }
}

impl Outcome {
    /// Fails if the secret was seen.
    pub(crate) fn saw_nothing(&self) {
        assert!(!self.text.contains(SECRET), "the secret was read: {}", self.text);
    }

    /// Fails if the command succeeded.
    pub(crate) fn failed(&self) {
        assert_ne!(self.code, 0, "it should have been refused: {}", self.text);
    }
}

/// Runs a command to its end.
pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let done = command.output().unwrap();
    Outcome { code: done.status.code().unwrap_or(-1), text: text(&done) }
}

fn text(done: &std::process::Output) -> String {
    String::from_utf8_lossy(&[done.stdout.as_slice(), &done.stderr].concat()).into_owned()
}

#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Exchanges two names again and again while it lives.
#[derive(Debug)]
pub(crate) struct Exchange(Arc<AtomicBool>, Option<JoinHandle<u64>>);

impl Exchange {
    /// Begins.
    pub(crate) fn of(one: PathBuf, other: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut times = 0;
            while !stopped.load(Ordering::Relaxed) {
                let here = rustix::fs::CWD;
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                times +=
                    u64::from(rustix::fs::renameat_with(here, &one, here, &other, flags).is_ok());
            }
            times
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let times = self.1.take().map_or(0, |thread| thread.join().unwrap_or(0));
        if !std::thread::panicking() {
            assert!(times > 10, "the race was not run: {times} exchanges");
        }
    }
}

/// Does something again and again for a while.
pub(crate) fn for_a_while(mut work: impl FnMut(u32)) {
    let end = Instant::now() + Duration::from_millis(1500);
    let mut round = 0;
    while Instant::now() < end {
        work(round);
        round += 1;
    }
}

/// Makes a symbolic link.
pub(crate) fn link(to: impl AsRef<Path>, at: impl AsRef<Path>) {
    symlink(to, at).unwrap();
}
