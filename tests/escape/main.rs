//! Published escapes from containers, images, builds and copies, tried against the binary.
//!
//! Every test is an attack on a directory of the host that nothing may touch or see. `docs/security.md` lists the
//! advisories, and which test tries which. The binary under test is named by `HAKO_BIN`; without it, or without root,
//! the tests say that they were skipped.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod copy;
mod image;
mod kernel;
mod network;
mod process;
mod rootfs;
mod tar;
mod world;
