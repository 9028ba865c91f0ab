//! How much the cache takes, and what goes first.

use hako_store::Error;
use hako_types::Moment;

use super::SqliteCache;
use crate::graph::LayerId;

/// One layer of the cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsageRow {
    /// The layer.
    pub layer: LayerId,
    /// The image store's layer that it has become, where an image has it.
    pub diff_id: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When it was made.
    pub created: Moment,
    /// When it was last used.
    pub used: Moment,
    /// How often it was used.
    pub uses: u64,
    /// What it is.
    pub kind: String,
    /// The step, for people.
    pub description: String,
}

/// What the cache takes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// The layers, the longest unused first.
    pub rows: Vec<UsageRow>,
}

/// What a prune leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Layers used after this moment stay.
    pub used_after: Option<Moment>,
    /// As many bytes stay, the last used first.
    pub bytes: Option<u64>,
}

impl SqliteCache {
    /// Returns all layers, the longest unused first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn usage(&self) -> Result<Usage, Error> {
        let database = self.database();
        let mut statement = database.connection().prepare(
            "SELECT id, diff_id, size, created, used, uses, kind, description FROM build_layer ORDER BY used, id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(UsageRow {
                layer: LayerId(row.get(0)?),
                diff_id: row.get(1)?,
                size: row.get::<_, i64>(2)?.try_into().unwrap_or(0),
                created: Moment::from_nanos(row.get(3)?),
                used: Moment::from_nanos(row.get(4)?),
                uses: row.get::<_, i64>(5)?.try_into().unwrap_or(0),
                kind: row.get(6)?,
                description: row.get(7)?,
            })
        })?;
        Ok(Usage { rows: rows.collect::<Result<_, _>>()? })
    }

    /// Notes that these layers were used just now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn touch(&self, layers: &[LayerId]) -> Result<(), Error> {
        let now = Moment::now().nanos();
        self.database().write(|t| {
            let mut statement = t.prepare_cached(
                "UPDATE build_layer SET used = ?2, uses = uses + 1 WHERE id = ?1",
            )?;
            for layer in layers {
                statement.execute((&layer.0, now))?;
            }
            Ok(())
        })
    }
}

impl Usage {
    /// Returns the layers that go when only what `keep` says stays.
    #[must_use]
    pub fn to_remove(&self, keep: Keep) -> Vec<&UsageRow> {
        let mut kept = 0;
        let mut gone = Vec::new();
        for row in self.rows.iter().rev() {
            let is_recent = keep.used_after.is_some_and(|moment| row.used > moment);
            let fits = keep.bytes.is_some_and(|bytes| kept + row.size <= bytes);
            if is_recent || fits {
                kept += row.size;
            } else {
                gone.push(row);
            }
        }
        gone.reverse();
        gone
    }

    /// Returns the bytes of all layers.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.size).sum()
    }
}
