//! The terminal that a person sits at, and the conversation between it and a program in a container.

mod conversation;
mod keys;
mod raw;

pub(crate) use conversation::{Conversation, End, print};
pub(crate) use keys::Keys;
pub(crate) use raw::{Raw, is_terminal, size};
