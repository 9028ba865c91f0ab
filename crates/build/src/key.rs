//! Cache keys: what must be the same for a layer to be used again.
//!
//! A key is a digest over the definition of a step (its serialised [`Operation`]), the layers that it stands on, and the content that it takes
//! from elsewhere. Times are in none of these, nor are secrets and proxies.

use crate::graph::{LayerId, Operation};

/// A cache key: hex digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(pub String);

/// Changed whenever the meaning of a key changes, so that no old layer is found by a new key.
const VERSION: &str = "1";

/// Returns the key of a step that stands on `parent` (nothing, where the layers below do not matter) and takes `contents`.
#[must_use]
pub fn of(operation: &Operation, parent: Option<&[LayerId]>, contents: &[String]) -> Key {
    let definition = serde_json::to_string(operation).unwrap_or_default();
    let below = parent.map_or_else(|| "any".to_owned(), identity);
    let mut parts = vec![VERSION, &definition, &below];
    parts.extend(contents.iter().map(String::as_str));
    digest(&parts)
}

/// Returns the key under which the digest of a part of a snapshot is remembered.
#[must_use]
pub fn of_content(layers: &[LayerId], selection: &str) -> Key {
    digest(&[VERSION, "content", &identity(layers), selection])
}

/// Returns what a list of layers is, as one text.
#[must_use]
pub fn identity(layers: &[LayerId]) -> String {
    let names: Vec<&str> = layers.iter().map(|layer| layer.0.as_str()).collect();
    digest(&names).0
}

fn digest(parts: &[&str]) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    Key(hasher.finalize().to_hex().to_string())
}
