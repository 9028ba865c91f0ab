//! What tests share: a registry in this process.

pub mod registry;
