//! dockerfile.
