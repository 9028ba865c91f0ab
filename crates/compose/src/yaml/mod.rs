//! YAML as a tree in which every node knows where it stands.
//!
//! Events come from `saphyr-parser`; anchors, merge keys, scalar types and the `!reset`/`!override` tags of
//! Compose are resolved here, because a mistake must be shown at its line long after the text is gone.

mod emit;
mod node;
mod parse;
mod scalar;

pub use emit::emit;
pub use node::{Directive, Key, Map, Node, Value};
pub use parse::parse;
