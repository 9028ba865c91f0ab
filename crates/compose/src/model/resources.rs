//! Limits of single containers.

use serde::{Deserialize, Serialize};

model! {
    /// A weight for one device.
    Weight {
        path: String,
        weight: i64,
    }

    /// A rate for one device: bytes or operations a second, as text.
    Rate {
        path: String,
        rate: String,
    }

    /// Block device limits.
    Blkio {
        weight: i64,
        weight_device: Vec<Weight>,
        device_read_bps: Vec<Rate>,
        device_read_iops: Vec<Rate>,
        device_write_bps: Vec<Rate>,
        device_write_iops: Vec<Rate>,
    }
}

/// A limit of a process: one number for both, or a soft and a hard one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Ulimit {
    /// Soft and hard alike.
    Single(i64),
    /// Each its own.
    Pair {
        /// What the process starts with.
        #[serde(default)]
        soft: i64,
        /// How far it may raise it.
        #[serde(default)]
        hard: i64,
    },
}

impl Ulimit {
    /// Returns the soft and the hard limit.
    #[must_use]
    pub fn limits(self) -> (i64, i64) {
        match self {
            Self::Single(value) => (value, value),
            Self::Pair { soft, hard } => (soft, hard),
        }
    }
}
