//! Between tar and a directory tree, without a way out of it.
//!
//! Everything here works from a *root*: the descriptor of a directory. Names are cleaned (`..` stops at the root) and symbolic links are
//! resolved by the kernel as if the root were `/` (`openat2(2)` with `RESOLVE_IN_ROOT`); what is then made, it is made relative to the descriptor
//! of its parent and never through a link. So neither an archive nor a container that changes its tree at
//! the same time can make us touch anything outside.
//!
//! [`unpack_into`] and [`pack_from`] are `docker cp` and `docker export`; with an [`Overlay`] they read and write layers, in which
//! a *whiteout* (`.wh.name` in tar, a character device 0:0 in overlayfs) hides what a lower layer has, and an *opaque* directory (`.wh..wh..opq`,
//! an extended attribute) all that lies in it. [`diff`] is `docker diff`.

mod diff;
mod error;
mod metadata;
mod pack;
mod place;
mod root;
mod stat;
mod unpack;
mod whiteout;

pub use diff::{Change, ChangeKind, diff};
pub use error::Error;
pub use pack::{PackOptions, Plain, Sink, pack_from};
pub use place::Retire;
pub use root::open_in_root;
pub use stat::{PathStat, stat};
pub use unpack::{Owner, Totals, UnpackOptions, unpack, unpack_into};

/// In which form overlayfs keeps its marks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Overlay {
    /// As `trusted.overlay.*` attributes: whoever mounts has `CAP_SYS_ADMIN` in the initial user namespace.
    #[default]
    Trusted,
    /// As `user.overlay.*` attributes (mount option `userxattr`), in a user namespace.
    User,
}

impl Overlay {
    /// Returns the name of the attribute that makes a directory opaque (its value is `y`).
    #[must_use]
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}
