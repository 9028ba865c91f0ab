//! A cache that lasts as long as its process.

use std::collections::HashMap;
use std::sync::Mutex;

use super::{Cache, Record};
use crate::key::Key;

/// Remembers in memory: for tests, and for builds that shall leave nothing.
#[derive(Debug, Default)]
pub struct MemoryCache {
    layers: Mutex<HashMap<Key, Record>>,
    contents: Mutex<HashMap<Key, String>>,
}

impl Cache for MemoryCache {
    fn lookup(&self, key: &Key) -> Result<Option<Record>, hako_store::Error> {
        Ok(self.layers.lock().ok().and_then(|layers| layers.get(key).cloned()))
    }

    fn store(&self, key: &Key, record: &Record) -> Result<(), hako_store::Error> {
        if let Ok(mut layers) = self.layers.lock() {
            layers.insert(key.clone(), record.clone());
        }
        Ok(())
    }

    fn content(&self, key: &Key) -> Result<Option<String>, hako_store::Error> {
        Ok(self.contents.lock().ok().and_then(|contents| contents.get(key).cloned()))
    }

    fn remember(&self, key: &Key, digest: &str) -> Result<(), hako_store::Error> {
        if let Ok(mut contents) = self.contents.lock() {
            contents.insert(key.clone(), digest.to_owned());
        }
        Ok(())
    }
}
