//! What steps really do: [`Operations`] with snapshots and sandboxes.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use hako_build::copy::{self, Accounts, Destination, Opened, Owner, Unpack};
use hako_build::event::Event;
use hako_build::graph::{CopyOp, DirectoryOp, Operation, Source};
use hako_build::solve::{Place, Selection};
use hako_build::tree::{self, Tree, digest, open_root, stats::Stats};
use hako_build::{Failure, LayerId, Operations, Record, SqliteCache, Work};
use hako_dockerfile::Ignore;
use hako_image::layers::Lease;
use hako_store::Lock;
use hako_types::{Digest, Fault, Kind, Moment};
use thiserror::Error as ThisError;

use super::mounts::Prepared;
use super::snapshots::{Making, Snapshots, make};
use super::{Context, Job, Secret, download, sandbox, unpack};
use crate::{Engine, Error, Settings};

/// Why a file step failed.
#[derive(Debug, ThisError)]
pub(super) enum Trouble {
    /// Reading or writing files.
    #[error(transparent)]
    Copy(#[from] copy::Error),
    /// Reading files.
    #[error(transparent)]
    Tree(#[from] tree::Error),
}

impl Fault for Trouble {
    fn kind(&self) -> Kind {
        match self {
            Self::Tree(tree::Error::NotFound { .. })
            | Self::Copy(copy::Error::Source(tree::Error::NotFound { .. })) => Kind::NotFound,
            _ => Kind::Invalid,
        }
    }
}

/// Returns a failure of a file step.
pub(super) fn trouble(error: impl Into<Trouble>) -> Failure {
    Failure::of(error.into())
}

/// Everything that steps share. It holds no database of the engine's: steps run in several threads.
pub(super) struct Workshop<'a> {
    pub(super) settings: Settings,
    pub(super) build: PathBuf,
    pub(super) snapshots: Snapshots<'a>,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) ssh: BTreeMap<String, PathBuf>,
    pub(super) allow_insecure: bool,
    pub(super) allow_host_network: bool,
    contexts: BTreeMap<String, Context>,
    trees: Mutex<HashMap<String, Arc<Tree>>>,
    /// What was downloaded; it goes with the build.
    pub(super) downloads: Mutex<Vec<Making>>,
    /// Held so that no layer goes meanwhile.
    _lease: Lease,
    cache: &'a SqliteCache,
    /// Held shared while the build runs, so that nobody takes its layers in the making for debris.
    running: Mutex<Option<Lock>>,
    swept: Once,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(
        engine: &Engine,
        job: &Job<'_>,
        lease: &Lease,
        cache: &'a SqliteCache,
    ) -> Result<Self, Error> {
        let build = engine.paths().build();
        for name in ["snapshots", "mounts", "contexts"] {
            make(&build.join(name))?;
        }
        let layers = engine.images()?.layers().clone();
        let lock = engine.paths().locks().join("build");
        let running = Lock::shared(&lock).map_err(Error::io("lock", &lock))?;
        Ok(Self {
            settings: engine.settings().clone(),
            snapshots: Snapshots::new(&build, layers, cache),
            build,
            secrets: job.secrets.clone(),
            ssh: job.ssh.clone(),
            allow_insecure: job.allow_insecure,
            allow_host_network: job.allow_host_network,
            contexts: job.contexts.clone(),
            trees: Mutex::default(),
            downloads: Mutex::default(),
            _lease: lease.clone(),
            cache,
            running: Mutex::new(Some(running)),
            swept: Once::new(),
        })
    }

    /// Removes what killed builds left, before the first step of this one makes anything.
    fn sweep(&self) {
        self.swept.call_once(|| {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            *running = None;
            if let Ok(engine) = Engine::open(self.settings.clone()) {
                let _next_time = super::sweep::sweep(&engine, self.cache);
                *running = Lock::shared(&engine.paths().locks().join("build")).ok();
            }
        });
    }

    /// Writes down what was learned about contexts.
    pub(super) fn finish(&self) {
        for tree in self.trees.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _only_slower_next_time = tree.save_stats();
        }
    }

    /// Returns the lock that keeps what was built from being pruned.
    pub(super) fn into_lock(self) -> Option<Lock> {
        self.running.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tree of a context, opened at its first use.
    pub(super) fn context(&self, name: &str) -> Result<Arc<Tree>, Failure> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(name) {
            return Ok(Arc::clone(tree));
        }
        let missing = || Failure::of(Error::Invalid("the build has no context".into()));
        let context = self.contexts.get(name).ok_or_else(missing)?;
        let path = &context.directory;
        let root = open_root(path)
            .map_err(|error| Failure::of(Error::io("open the context", path)(error)))?;
        let text = match &context.ignore {
            Some(text) => text.clone(),
            None => std::fs::read_to_string(path.join(".dockerignore")).unwrap_or_default(),
        };
        let ignore = Ignore::parse(&text)
            .map_err(|bad| Failure::of(Error::Invalid(format!(".dockerignore: {bad}"))))?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let key = Digest::of(real.as_os_str().as_encoded_bytes());
        let stats = Stats::load(self.build.join("contexts").join(&key.hex()[..32]));
        let tree = Arc::new(Tree::context(root, ignore, Some(stats)));
        trees.insert(name.to_owned(), Arc::clone(&tree));
        Ok(tree)
    }

    /// Returns the tree at a place.
    pub(super) fn tree(&self, place: Place<'_>) -> Result<Arc<Tree>, Failure> {
        match place {
            Place::Context(name) => self.context(name),
            Place::Layers(layers) => {
                Ok(Arc::new(Tree::snapshot(self.snapshots.open(layers).map_err(Failure::of)?)))
            }
        }
    }

    /// Returns a path of the host that leads to a real path at a place: where it lies, or through a mount that `held` keeps.
    pub(super) fn path(
        &self,
        place: Place<'_>,
        real: &Path,
        held: &mut Prepared,
    ) -> Result<PathBuf, Failure> {
        let joined = |base: &Path| {
            if real.as_os_str().is_empty() { base.to_owned() } else { base.join(real) }
        };
        let layers = match place {
            Place::Context(name) => {
                let missing = || Failure::of(Error::Invalid("the build has no context".into()));
                let directory = &self.contexts.get(name).ok_or_else(missing)?.directory;
                let base = std::fs::canonicalize(directory);
                return base
                    .map(|base| joined(&base))
                    .map_err(|error| Failure::of(Error::io("open", directory)(error)));
            }
            Place::Layers(layers) => layers,
        };
        let lower = self.snapshots.lower(layers).map_err(Failure::of)?;
        match &lower[..] {
            [] => self.snapshots.empty().map_err(Failure::of),
            [one] => Ok(joined(one)),
            _ => {
                let mount = crate::container::rootfs::overlay(&lower, None).map_err(Failure::of)?;
                Ok(held.hold(mount, real))
            }
        }
    }

    fn copy(&self, operation: &CopyOp, work: &Work<'_>) -> Result<Record, Failure> {
        let making = self.snapshots.begin().map_err(Failure::of)?;
        let lower = if operation.link {
            Vec::new()
        } else {
            self.snapshots.lower(work.parent).map_err(Failure::of)?
        };
        let root = making.open(&lower).map_err(Failure::of)?;
        let owner = match &operation.owner {
            Some(text) => Some(self.owner(text, work.parent)?),
            None => None,
        };
        let mut trees: Vec<Option<Arc<Tree>>> = Vec::new();
        for source in &operation.sources {
            trees.push(match &source.from {
                Source::Inline { .. } => None,
                Source::Context(name) => Some(self.context(name)?),
                Source::Vertex(id) => Some(self.tree(Place::Layers(&(work.inputs)(*id)))?),
            });
        }
        let sources: Vec<Opened<'_>> = operation
            .sources
            .iter()
            .zip(&trees)
            .map(|(source, tree)| match (&source.from, tree) {
                (Source::Inline { name, content }, _) => Opened::Inline(name, content),
                (_, Some(tree)) => Opened::Tree(tree, &source.path),
                (_, None) => Opened::Inline("", ""),
            })
            .collect();
        let unpack: &dyn Unpack = &unpack::Archives;
        let upper = making.upper();
        let upper =
            open_root(&upper).map_err(|error| Failure::of(Error::io("open", &upper)(error)))?;
        let into =
            Destination { root: root.as_fd(), upper: (!lower.is_empty()).then_some(upper.as_fd()) };
        copy::perform(operation, into, &sources, owner, Some(unpack)).map_err(trouble)?;
        drop(root);
        kept(making, work)
    }

    fn directory(&self, operation: &DirectoryOp, work: &Work<'_>) -> Result<Record, Failure> {
        let making = self.snapshots.begin().map_err(Failure::of)?;
        let lower = self.snapshots.lower(work.parent).map_err(Failure::of)?;
        let root = making.open(&lower).map_err(Failure::of)?;
        let owner = match operation.owner.as_str() {
            "" => None,
            text => Some(self.owner(text, work.parent)?),
        };
        copy::directory(operation, root.as_fd(), owner).map_err(trouble)?;
        drop(root);
        kept(making, work)
    }

    /// Looks up a user and a group in the files of a snapshot.
    fn owner(&self, text: &str, layers: &[LayerId]) -> Result<Owner, Failure> {
        let is_number = |part: &str| part.parse::<u32>().is_ok();
        if text.split(':').all(is_number) {
            return Accounts::default().owner(text).map_err(trouble);
        }
        let tree = Tree::snapshot(self.snapshots.open(layers).map_err(Failure::of)?);
        let read = |path: &str| -> Result<String, Failure> {
            Ok(String::from_utf8_lossy(&tree.read(path).map_err(trouble)?.unwrap_or_default())
                .into_owned())
        };
        Accounts { passwd: read("etc/passwd")?, group: read("etc/group")? }
            .owner(text)
            .map_err(trouble)
    }
}

/// Makes a record of a finished layer.
pub(super) fn kept(making: Making, work: &Work<'_>) -> Result<Record, Failure> {
    let (layer, size) = making.keep().map_err(Failure::of)?;
    Ok(Record {
        layer,
        size,
        created: Moment::now(),
        description: work.name.to_owned(),
        kind: "regular",
    })
}

impl Operations for Workshop<'_> {
    fn digest(&self, place: Place<'_>, selection: Selection<'_>) -> Result<String, Failure> {
        let tree = self.tree(place)?;
        match selection {
            Selection::Copy(operation, path) => {
                let found = copy::find(&tree, operation, path).map_err(trouble)?;
                let exclude = copy::exclude(operation).map_err(trouble)?;
                digest::of(&tree, &found, &exclude).map_err(trouble)
            }
            Selection::Mount(path) => {
                let found = tree.find_literal(path).map_err(trouble)?;
                digest::of(&tree, &[found], &Ignore::default()).map_err(trouble)
            }
        }
    }

    fn perform(&self, work: &Work<'_>) -> Result<Record, Failure> {
        self.sweep();
        match work.operation {
            Operation::Copy(operation) => self.copy(operation, work),
            Operation::Directory(operation) => self.directory(operation, work),
            Operation::Run(operation) => sandbox::run(self, operation, work),
            Operation::Download(operation) => download::download(self, operation, work),
            Operation::Layers(_) => Err(Failure::of(Error::Invalid("an image has no step".into()))),
        }
    }

    fn has(&self, layer: &LayerId) -> bool {
        self.snapshots.path(layer).is_some()
    }
}

/// Sends a line of ours as if the step had written it.
pub(super) fn say(work: &Work<'_>, text: &str) {
    let bytes = format!("{text}\n").into_bytes();
    (work.log)(Event::Log { stream: hako_build::Stream::Error, bytes });
}
