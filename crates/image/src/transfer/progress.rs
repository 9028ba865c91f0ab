//! What happens during a transfer, as values for whoever shows it.

use hako_types::{Digest, Reference};

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'e> {
    /// The registry is asked what the name stands for.
    Resolving {
        /// The name.
        reference: &'e Reference,
    },
    /// The image is known and its layers are about to move.
    Resolved {
        /// The name.
        reference: &'e Reference,
        /// The digest that the name stands for.
        digest: &'e Digest,
        /// How many layers there are.
        layers: usize,
    },
    /// A layer came to a new state, or got further in it.
    Layer {
        /// Which layer: the digest of its compressed form in a pull, its diff ID in a push.
        id: &'e Digest,
        /// What it does.
        status: Status<'e>,
        /// How many bytes of it are done.
        current: u64,
        /// How many bytes there are; 0 where that is not known.
        total: u64,
    },
    /// The image is in the registry.
    Pushed {
        /// The name.
        reference: &'e Reference,
        /// Its manifest's digest.
        digest: &'e Digest,
        /// Its manifest's size in bytes.
        size: u64,
    },
}

/// What a layer does. The words ([`Status::words`]) are Docker's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status<'e> {
    /// It will be fetched.
    PullingFsLayer,
    /// It waits for its turn.
    Waiting,
    /// It arrives, and is unpacked as far as it has arrived.
    Downloading,
    /// It has arrived; the rest is unpacked.
    Extracting,
    /// It is there.
    PullComplete,
    /// It was here before.
    AlreadyExists,
    /// It will be sent.
    Preparing,
    /// It is compressed and sent; bytes are those of the uncompressed layer.
    Pushing,
    /// It was sent.
    Pushed,
    /// The registry had it.
    LayerAlreadyExists,
    /// The registry took it over from this other repository.
    MountedFrom(&'e str),
}

impl Status<'_> {
    /// Returns the words that Docker shows for it.
    #[must_use]
    pub fn words(&self) -> String {
        let words = match self {
            Self::PullingFsLayer => "Pulling fs layer",
            Self::Waiting => "Waiting",
            Self::Downloading => "Downloading",
            Self::Extracting => "Extracting",
            Self::PullComplete => "Pull complete",
            Self::AlreadyExists => "Already exists",
            Self::Preparing => "Preparing",
            Self::Pushing => "Pushing",
            Self::Pushed => "Pushed",
            Self::LayerAlreadyExists => "Layer already exists",
            Self::MountedFrom(repository) => return format!("Mounted from {repository}"),
        };
        words.to_owned()
    }
}

/// Somebody who wants to know what happens. Called from many threads, and often: it must be quick.
pub trait Progress: Sync {
    /// Takes note of `event`.
    fn report(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Sync> Progress for F {
    fn report(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _event: &Event<'_>) {}
}
