//! The build graph: what has to be done, in which order it may be done, and what that depends on.

use std::fmt;

use hako_dockerfile::Span;
use hako_dockerfile::instruction::{MountKind, Sharing};
use serde::{Deserialize, Serialize};

use crate::request::Network;

/// A layer: the diff ID of an image's, or the name of a snapshot that a step made.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct LayerId(pub String);

impl LayerId {
    /// Tells whether the layer is an image's, named by its diff ID.
    #[must_use]
    pub fn is_diff_id(&self) -> bool {
        self.0.starts_with("sha256:")
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The layers that a step stands on or results in, lowest first.
pub type Snapshot = Vec<LayerId>;

/// The place of a vertex in its graph.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct VertexId(pub usize);

/// All vertices; each depends on earlier ones only.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The vertices, in an order in which they could be done one by one.
    pub vertices: Vec<Vertex>,
    /// What is built, so that a step is compared with the same step of the last time.
    pub project: String,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// What people see (`[build 2/4] RUN make`).
    pub name: String,
    /// Where the instruction is.
    pub span: Option<Span>,
    /// The step whose files this one continues.
    pub parent: Option<VertexId>,
    /// What is done.
    pub operation: Operation,
    /// Do it although the cache has it.
    pub no_cache: bool,
}

impl Vertex {
    /// Returns the vertices that must be done before this one.
    pub fn inputs(&self) -> impl Iterator<Item = VertexId> {
        let sources: Vec<VertexId> = match &self.operation {
            Operation::Copy(copy) => {
                copy.sources.iter().filter_map(|source| source.from.vertex()).collect()
            }
            Operation::Run(run) => {
                run.mounts.iter().filter_map(|mount| mount.from.as_ref()?.vertex()).collect()
            }
            _ => Vec::new(),
        };
        self.parent.into_iter().chain(sources)
    }
}

/// What a step does.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Nothing: the layers are an image's (or none, for `scratch`).
    Layers(Snapshot),
    /// `RUN`.
    Run(Box<RunOp>),
    /// `COPY` and `ADD`.
    Copy(Box<CopyOp>),
    /// `WORKDIR`.
    Directory(DirectoryOp),
    /// What `ADD` has from elsewhere.
    Download(DownloadOp),
}

/// Where files come from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// What another step results in.
    Vertex(#[serde(skip)] VertexId),
    /// A directory of the caller's: the main context (empty), or a named one.
    Context(#[serde(skip)] String),
    /// A file whose content is in the Dockerfile.
    Inline {
        /// Its name.
        name: String,
        /// Its content.
        content: String,
    },
}

impl Source {
    /// Returns the step it is the result of.
    #[must_use]
    pub fn vertex(&self) -> Option<VertexId> {
        match self {
            Self::Vertex(id) => Some(*id),
            _ => None,
        }
    }
}

/// One source of a copy.
#[derive(Clone, Debug, Serialize)]
pub struct CopySource {
    /// Where it is.
    pub from: Source,
    /// Its path or pattern in there; for what was downloaded, the name it gets.
    pub path: String,
    /// Whether an archive is unpacked.
    pub unpack: bool,
}

/// `COPY` and `ADD`, everything expanded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CopyOp {
    /// What is copied, in order.
    pub sources: Vec<CopySource>,
    /// The absolute target; with a slash at its end it is a directory.
    pub target: String,
    /// `--chown`.
    pub owner: Option<String>,
    /// `--chmod`: octal digits or symbols.
    pub mode: Option<String>,
    /// `--link`: the target's own files do not matter.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
}

/// `WORKDIR`.
#[derive(Clone, Debug, Serialize)]
pub struct DirectoryOp {
    /// The absolute path.
    pub path: String,
    /// Whose it is when it has to be made; empty is root.
    pub owner: String,
}

/// A source of `ADD` that is elsewhere.
#[derive(Clone, Debug, Serialize)]
pub struct DownloadOp {
    /// The address.
    pub url: String,
    /// What it must be.
    pub checksum: Option<String>,
    /// The name of the file.
    pub name: String,
    /// Whether the address is a git repository's.
    pub is_git: bool,
    /// Whether a repository keeps its `.git`.
    pub keep_git_dir: bool,
}

/// `RUN`, everything expanded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunOp {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The whole environment but for `HOME` and the proxies.
    pub env: Vec<String>,
    /// Variables that do not count for the cache: proxies.
    #[serde(skip)]
    pub uncounted_env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// User and group; empty is root.
    pub user: String,
    /// Mounts, in order.
    pub mounts: Vec<RunMount>,
    /// A file below `/dev/pipes` that holds a heredoc with an interpreter of its own.
    pub script: Option<Script>,
    /// Its network.
    pub network: Network,
    /// `--security=insecure`.
    pub insecure: bool,
    /// Further names, as `name:address`.
    pub hosts: Vec<String>,
    /// Limits, as `name=soft:hard`.
    pub ulimits: Vec<String>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Bytes of memory.
    #[serde(skip)]
    pub memory: Option<i64>,
    /// Billionths of processors.
    #[serde(skip)]
    pub nano_cpus: Option<i64>,
}

/// A script that stands in the Dockerfile.
#[derive(Clone, Debug, Serialize)]
pub struct Script {
    /// Its name below `/dev/pipes`.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// A mount of a `RUN`.
#[derive(Clone, Debug, Serialize)]
pub struct RunMount {
    /// What it shows.
    #[serde(serialize_with = "kind_name")]
    pub kind: MountKind,
    /// Where a bind mount, or a cache's first content, comes from.
    pub from: Option<Source>,
    /// The path in there.
    pub source: String,
    /// Where it appears: absolute.
    pub target: Option<String>,
    /// Whether the step may not write.
    pub read_only: bool,
    /// Bytes of a tmpfs.
    pub size: Option<u64>,
    /// The name of a cache, secret or socket.
    pub id: String,
    /// Who may use a cache at the same time.
    #[serde(skip)]
    pub sharing: Sharing,
    /// Whether the build fails without it.
    pub required: bool,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// The variable that holds a secret.
    pub env: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn kind_name<S: serde::Serializer>(kind: &MountKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        MountKind::Bind => "bind",
        MountKind::Cache => "cache",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Secret => "secret",
        MountKind::Ssh => "ssh",
    })
}
