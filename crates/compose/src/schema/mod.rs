//! What a Compose file may say: the compose-spec's schema as tables of keys and shapes, and the check.

mod check;
mod document;
mod service;

pub(crate) use check::{check, nearest};
pub(crate) use document::DOCUMENT;

/// What may stand at a place.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// A scalar of the types whose bits are set.
    Scalar(u8),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Self),
    /// A mapping from any names.
    Map(&'static Self),
    /// A mapping from names that services, networks and the like may have.
    Named(&'static Self),
    /// A mapping with these keys, and `x-` keys.
    Object(&'static [(&'static str, Self)]),
    /// Any of these.
    Either(&'static [Self]),
}

const S: u8 = 1;
const I: u8 = 2;
const N: u8 = 4;
const B: u8 = 8;
const Z: u8 = 16;

const TEXT: Shape = Shape::Scalar(S);
const BOOL: Shape = Shape::Scalar(B);
const INT: Shape = Shape::Scalar(I);
const NUMBER: Shape = Shape::Scalar(N);
const NULL: Shape = Shape::Scalar(Z);
/// A number, or text that says one with a unit.
const AMOUNT: Shape = Shape::Scalar(S | N);
const TEXTS: Shape = Shape::List(&TEXT);
const WORDS: Shape = Shape::List(&Shape::Scalar(S | N));
const TEXT_OR_LIST: Shape = Shape::Either(&[TEXT, TEXTS]);
/// `[K=V]` or `{K: V}`.
const PAIRS: Shape = Shape::Either(&[Shape::Map(&Shape::Scalar(S | N | B | Z)), TEXTS]);
const COMMAND: Shape = Shape::Either(&[NULL, TEXT, TEXTS]);
const HOSTS: Shape = Shape::Either(&[Shape::Map(&TEXT_OR_LIST), TEXTS]);
const OPTIONS: Shape = Shape::Map(&Shape::Scalar(S | N));
const EXTERNAL: Shape = Shape::Either(&[BOOL, Shape::Object(&[("name", TEXT)])]);
const ULIMITS: Shape = Shape::Map(&Shape::Either(&[
    Shape::Scalar(I | S),
    Shape::Object(&[("hard", Shape::Scalar(I | S)), ("soft", Shape::Scalar(I | S))]),
]));
