//! A client for the OCI distribution API, blocking: many threads may share one [`Client`].
//!
//! ```text
//!   Reference ──Config──▶ Endpoint (mirrors first) ──Client──▶ Repository ──▶ manifests, blobs, uploads, tags
//!                                                    │
//!                        Credentials ──▶ challenge ──┘ tokens, by host and scope
//! ```
//!
//! A registry is not trusted: every digest is computed here, documents have a greatest size, URLs in descriptors are never followed, and
//! what is read by digest is the same wherever it came from. Nothing is retried for ever.

mod auth;
mod blob;
mod challenge;
mod client;
mod config;
mod credential_program;
mod credentials;
mod error;
mod http;
pub mod manifest;
mod repository;
mod upload;

pub use blob::Blob;
pub use client::Client;
pub use config::{Config, Endpoint, Mirror, Proxies, Registry, Security, Serves};
pub use credentials::{Credential, Credentials, DOCKER_SERVER, server_key};
pub use error::Error;
pub use manifest::{Descriptor, Index, Manifest, media};
pub use repository::{Document, Repository};
pub use upload::Upload;
