//! A directory with an almost empty root, and a configuration that runs the host's shell in it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use hako_runtime::spec::{Capabilities, Linux, Mount, Namespace, NamespaceKind, Process, Spec};
use hako_runtime::{Exit, Launch, Options, Root, Stdio, create};

/// A directory that goes away at the end.
pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for directory in
            ["bin", "sbin", "lib", "lib64", "usr", "proc", "dev", "tmp", "etc", "sys", "root"]
        {
            fs::create_dir_all(world.root().join(directory)).unwrap();
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Lets this user of the host own the root.
    pub(crate) fn give_to(&self, uid: u32) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(self.0.path(), open).unwrap();
        for entry in fs::read_dir(self.root()).unwrap() {
            std::os::unix::fs::chown(entry.unwrap().path(), Some(uid), Some(uid)).unwrap();
        }
        std::os::unix::fs::chown(self.root(), Some(uid), Some(uid)).unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        Options::default()
    }

    pub(crate) fn launch<'a>(&'a self, spec: &'a Spec, stdio: Stdio) -> Launch<'a> {
        let root = Root::Directory(self.root());
        Launch {
            id: "test",
            spec,
            bundle: self.0.path(),
            root,
            stdio,
            cgroup: None,
            options: self.options(),
        }
    }

    /// Returns a configuration that runs a script.
    pub(crate) fn spec(&self, script: &str) -> Spec {
        let all = hako_runtime::defaults::default_capabilities().iter().map(ToString::to_string);
        let all: Vec<String> = all.collect();
        let kinds = [
            NamespaceKind::Pid,
            NamespaceKind::Network,
            NamespaceKind::Ipc,
            NamespaceKind::Uts,
            NamespaceKind::Mount,
            NamespaceKind::Cgroup,
        ];
        let host = ["/bin", "/sbin", "/lib", "/lib64", "/usr"]
            .iter()
            .filter(|path| Path::new(path).exists());
        let host = host.map(|path| Mount {
            destination: path.into(),
            source: Some(path.into()),
            options: ["rbind", "rro", "rprivate"].map(str::to_owned).to_vec(),
            ..Mount::default()
        });
        let mut mounts = hako_runtime::defaults::default_mounts(1 << 20);
        mounts.retain(|mount| mount.kind.as_deref() != Some("cgroup"));
        Spec {
            oci_version: "1.2.0".into(),
            hostname: Some("box".into()),
            process: Some(Process {
                args: ["sh", "-c", script].map(str::to_owned).to_vec(),
                env: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/"].map(str::to_owned).to_vec(),
                cwd: "/tmp".into(),
                capabilities: Some(Capabilities {
                    bounding: all.clone(),
                    effective: all.clone(),
                    permitted: all,
                    ..Capabilities::default()
                }),
                ..Process::default()
            }),
            mounts: mounts.into_iter().chain(host).collect(),
            linux: Some(Linux {
                namespaces: kinds.map(|kind| Namespace { kind, path: None }).to_vec(),
                ..Linux::default()
            }),
            ..Spec::default()
        }
    }

    /// Runs a configuration; returns what it said, and how it ended.
    pub(crate) fn run(&self, spec: &Spec) -> (String, Exit) {
        self.run_in(spec, Root::Directory(self.root()))
    }

    pub(crate) fn run_in(&self, spec: &Spec, root: Root) -> (String, Exit) {
        let (stdio, mut output) = pipe();
        let running = create(Launch { root, ..self.launch(spec, stdio) }).unwrap().start().unwrap();
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        (said, running.wait().unwrap())
    }

    /// Runs a script that is to succeed; returns what it said.
    pub(crate) fn shell(&self, script: &str) -> String {
        let (said, exit) = self.run(&self.spec(script));
        assert_eq!(exit.code, 0, "{said}");
        said
    }
}

/// Returns standard streams whose output arrives here.
pub(crate) fn pipe() -> (Stdio, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let error = writer.try_clone().unwrap();
    (Stdio::Files([null.into(), writer.into(), error.into()]), reader)
}
