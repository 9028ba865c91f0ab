//! What tests share: a registry in this process, and an engine with a state directory of its own.

pub mod env;
pub mod registry;
