//! `hako build` and its other names, and `hako builder`.

use crate::report::Failure;
use crate::session::Session;

/// Runs a command whose first word is `build`, `builder`, `buildx` or `bake`, or whose first two are `image build`. The
/// words are all of them, the name included.
///
/// # Errors
/// When the command fails.
pub(crate) fn main(_session: &Session, _words: &[String]) -> Result<u8, Failure> {
    Err(Failure::new("`hako build` is not built into this hako"))
}
