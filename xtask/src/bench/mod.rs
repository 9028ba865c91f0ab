//! `cargo xtask bench`.

use crate::Outcome;

pub(crate) fn run(_names: &[String]) -> Outcome {
    Err("not yet".into())
}
