//! What containers print: written by their monitors, read by anybody.
//!
//! The form on disk is Docker's `json-file`: one JSON object a line, in `<id>-json.log`, with older parts in
//! `<id>-json.log.1` and up. A long line is cut into pieces of 16 KiB; only the last piece ends with a newline.

mod policy;
mod reader;
mod writer;

use hako_types::Moment;

pub use policy::Policy;
pub use reader::{LogOptions, Reader};
pub(crate) use writer::Writer;

/// Which of the two streams of output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Where it was printed.
    pub stream: Stream,
    /// When.
    pub time: Moment,
    /// The bytes, with the newline if there was one.
    pub line: Vec<u8>,
}

/// The longest piece of a line that is kept in one entry, as Docker has it.
const PIECE: usize = 16 << 10;
