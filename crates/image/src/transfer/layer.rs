//! What a transfer wants from whoever keeps the layers: the two contracts between this module and the layer store.

use std::io::{BufRead, Read};

use hako_types::{Digest, Fault};

use crate::registry::Descriptor;

/// Where pulled layers go.
///
/// Layers are known by their *diff ID*, the digest of their uncompressed tar, and do not know each other: a pull unpacks
/// them in any order and several at once.
pub trait LayerSink: Sync {
    /// Why a layer could not be kept.
    type Error: Fault;

    /// Tells whether the layer is there, whole.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn has(&self, diff_id: &Digest) -> Result<bool, Self::Error>;

    /// Unpacks the uncompressed archive `tar`, and keeps it as layer `diff_id`; returns the size of its files in bytes.
    ///
    /// `tar` ends only after everything that passed through it was found to have the right digests: reading the end
    /// (`Ok(0)`, an empty buffer) *is* the proof, and any other outcome is an error. So whoever implements this reads to the
    /// very end, also past the archive's own end marker, before the layer appears under its name; on an
    /// error nothing of it may appear. Two processes may do this at once for one layer: one of them wins and the other one's work is dropped.
    ///
    /// # Errors
    /// When the archive is refused or cannot be written, or when reading `tar` fails.
    fn unpack(&self, diff_id: &Digest, tar: &mut dyn BufRead) -> Result<u64, Self::Error>;
}

/// Where pushed layers come from.
pub trait LayerSource: Sync {
    /// Why a layer could not be read.
    type Error: Fault;

    /// Opens the uncompressed archive of layer `diff_id`, whose digest is the diff ID.
    ///
    /// # Errors
    /// When the layer is not there or cannot be read.
    fn open(&self, diff_id: &Digest) -> Result<Box<dyn Read + Send + '_>, Self::Error>;
}

/// A compressed form that a layer is known to have in some repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownBlob {
    /// The blob: media type, digest and size.
    pub blob: Descriptor,
    /// The repository with its registry (`docker.io/library/alpine`) that had it.
    pub repository: String,
}

/// What is known about blobs in registries: which compressed form of a layer was seen where.
///
/// It is a memory, not a truth: what it says is asked of the registry before it is relied on, and whatever
/// goes wrong with it is not worth failing for, so nothing here returns errors.
pub trait BlobLedger: Sync {
    /// Returns the known blobs of layer `diff_id`, the newest first.
    fn known(&self, diff_id: &Digest) -> Vec<KnownBlob>;

    /// Notes that `known` is layer `diff_id`.
    fn record(&self, diff_id: &Digest, known: &KnownBlob);
}

/// A ledger that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl BlobLedger for NoLedger {
    fn known(&self, _diff_id: &Digest) -> Vec<KnownBlob> {
        Vec::new()
    }

    fn record(&self, _diff_id: &Digest, _known: &KnownBlob) {}
}
