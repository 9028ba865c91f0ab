//! What is known about blobs in registries, in the form that a transfer takes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hako_types::Digest;

use super::{Error, Images, LayerBlob, rows};
use crate::registry::Descriptor;
use crate::transfer::{BlobLedger, KnownBlob};

/// A copy of what the database knows about some layers' blobs; give it back with [`Images::remember`].
#[derive(Debug, Default)]
pub struct Ledger {
    known: HashMap<Digest, Vec<KnownBlob>>,
    seen: Mutex<Vec<LayerBlob>>,
}

impl Ledger {
    /// Returns what was noted since the ledger was made.
    #[must_use]
    pub fn into_seen(self) -> Vec<LayerBlob> {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobLedger for Ledger {
    fn known(&self, diff_id: &Digest) -> Vec<KnownBlob> {
        self.known.get(diff_id).cloned().unwrap_or_default()
    }

    fn record(&self, diff_id: &Digest, known: &KnownBlob) {
        let blob = LayerBlob {
            diff_id: diff_id.clone(),
            digest: known.blob.digest.clone(),
            size: known.blob.size,
            media_type: known.blob.media_type.clone(),
            repository: known.repository.clone(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(blob);
    }
}

impl Images<'_> {
    /// Returns what is known of the blobs of `layers`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger(&self, layers: &[Digest]) -> Result<Ledger, Error> {
        let mut ledger = Ledger::default();
        for layer in layers {
            let blobs = self
                .database
                .connection()
                .prepare_cached(
                    "SELECT digest, size, media_type, repository FROM image_blob WHERE diff_id = ?1 ORDER BY seen DESC",
                )
                .and_then(|mut s| {
                    s.query_map([layer.as_str()], |row| {
                        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
                    })?
                    .collect::<Result<Vec<_>, _>>()
                })
                .map_err(Error::query)?;
            let known = blobs.into_iter().filter_map(|(digest, size, media_type, repository)| {
                Some(KnownBlob {
                    blob: Descriptor::new(&media_type, digest.parse().ok()?, size),
                    repository,
                })
            });
            ledger.known.insert(layer.clone(), known.collect());
        }
        Ok(ledger)
    }

    /// Keeps what a transfer noted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remember(&self, ledger: Ledger) -> Result<(), Error> {
        let seen = ledger.into_seen();
        if seen.is_empty() {
            return Ok(());
        }
        self.database.write(|t| seen.iter().try_for_each(|blob| rows::insert_blob(t, blob)))
    }
}
