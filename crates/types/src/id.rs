//! Identifiers and names of objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::digest::push_hex;

/// A full identifier: 64 lower-case hex digits. Containers, networks, execs and anonymous volumes have one.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RandomId(String);

/// A container's full identifier.
pub type ContainerId = RandomId;

/// Text that is not a [`RandomId`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not an id: want 64 hex digits")]
pub struct InvalidId(pub String);

impl RandomId {
    /// Returns an identifier that nothing else has, from the kernel's random numbers.
    ///
    /// Its first twelve digits are never all decimal, so that the short form is never taken for a number
    /// (a host name that is a number is looked up as an address).
    ///
    /// # Panics
    /// When the kernel has no `getrandom(2)`, which no supported kernel lacks.
    #[must_use]
    pub fn random() -> Self {
        loop {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).expect("getrandom(2) works on every supported kernel");
            let mut text = String::with_capacity(64);
            push_hex(&mut text, &bytes);
            if text[..12].bytes().any(|b| b.is_ascii_lowercase()) {
                return Self(text);
            }
        }
    }

    /// Returns all 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the twelve digits people type and `ps` prints.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for RandomId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId(text.to_owned()))
        }
    }
}

impl fmt::Display for RandomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RandomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RandomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RandomId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A name that a container, volume or network may have: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, as Docker has it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectName(String);

/// Text that is not an [`ObjectName`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
pub struct InvalidName(pub String);

impl ObjectName {
    /// Returns the name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name's text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let bytes = text.as_bytes();
        if bytes.len() >= 2
            && bytes[0].is_ascii_alphanumeric()
            && bytes[1..].iter().copied().all(is_inner)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_read_back() {
        let (one, two) = (RandomId::random(), RandomId::random());
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse::<RandomId>().unwrap(), one);
        assert_eq!(one.short().len(), 12);
    }

    #[test]
    fn names_are_what_docker_allows() {
        for good in ["ab", "a.b", "A_1-x", "0c"] {
            assert!(good.parse::<ObjectName>().is_ok(), "{good}");
        }
        for bad in ["", "a", "-x", ".a", "a b", "a/b", "é1", "x:"] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad}");
        }
    }
}
