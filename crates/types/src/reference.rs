//! Image references, normalised as Docker does (package `distribution/reference`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::Digest;

/// The registry meant when none is named.
pub const DEFAULT_DOMAIN: &str = "docker.io";

/// A name of an image: where it lives, what it is called, and which one is meant.
///
/// `alpine` reads as `docker.io/library/alpine` with neither tag nor digest; [`tagged`](Self::tagged)
/// adds the tag `latest` that is then meant. `Display` is the canonical form, [`familiar`](Self::familiar) what
/// people read.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    /// The registry, with its port (`docker.io`, `localhost:5000`).
    pub domain: String,
    /// The repository within the registry (`library/alpine`).
    pub path: String,
    /// The tag, where one was given.
    pub tag: Option<String>,
    /// The digest, where one was given.
    pub digest: Option<Digest>,
}

/// Why some text is not a [`Reference`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum InvalidReference {
    /// The text does not have the form of a reference.
    #[error("invalid reference format: `{0}`")]
    Format(String),
    /// The repository has upper-case letters.
    #[error("invalid reference format: repository name (`{0}`) must be lowercase")]
    Uppercase(String),
    /// The text is a 64-digit identifier.
    #[error("invalid repository name `{0}`: cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The name is longer than 255 bytes.
    #[error("repository name `{0}` must not be more than 255 characters")]
    TooLong(String),
}

impl Reference {
    /// Returns the same reference with the tag `latest` where it has neither tag nor digest.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// Returns the repository with its registry, without tag and digest (`docker.io/library/alpine`).
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Returns the repository as people write it (`alpine`, `joe/app`, `localhost:5000/x`).
    #[must_use]
    pub fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        match self.path.strip_prefix("library/") {
            Some(name) if !name.contains('/') => name.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// Returns the reference as people write it (`alpine:3.20`).
    #[must_use]
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_repository();
        self.push_suffix(&mut text);
        text
    }

    /// Returns the same repository with this digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the same repository with this tag and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    fn push_suffix(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let bad = || InvalidReference::Format(text.to_owned());
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidReference::Identifier(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].find(':') {
            Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
            None => (rest, None),
        };
        let tag = match tag {
            Some(tag) if is_tag(tag) => Some(tag.to_owned()),
            Some(_) => return Err(bad()),
            None => None,
        };
        let (domain, path) = split_domain(name);
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidReference::Uppercase(name.to_owned()));
        }
        if !is_domain(&domain) || !path.split('/').all(is_component) {
            return Err(bad());
        }
        if domain.len() + 1 + path.len() > 255 {
            return Err(InvalidReference::TooLong(name.to_owned()));
        }
        Ok(Self { domain, path, tag, digest })
    }
}

/// Splits a name into registry and repository: a first part with a dot, a colon or an upper-case letter, or
/// `localhost`, is a registry.
fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    };
    let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
    let library = domain == DEFAULT_DOMAIN && !path.contains('/');
    (domain.to_owned(), if library { format!("library/{path}") } else { path.to_owned() })
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, rest)) => {
            if ip.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("ip", rest.strip_prefix(':').or(rest.is_empty().then_some("0")))
        }
        None => text.split_once(':').map_or((text, Some("0")), |(host, port)| (host, Some(port))),
    };
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    host.split('.').all(is_label)
        && port.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

fn is_tag(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    !bytes.is_empty()
        && bytes.len() <= 128
        && is_word(&bytes[0])
        && bytes.iter().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

/// Tells whether `part` is lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !part.starts_with(alnum) || !part.ends_with(alnum) {
        return false;
    }
    part.split(alnum)
        .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.repository();
        self.push_suffix(&mut text);
        f.write_str(&text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_docker_does() {
        for (text, canonical, familiar) in [
            ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("index.docker.io/library/alpine:3", "docker.io/library/alpine:3", "alpine:3"),
            ("joe/app:v1.0_x-y", "docker.io/joe/app:v1.0_x-y", "joe/app:v1.0_x-y"),
            ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("ghcr.io/a/b__c/d---e", "ghcr.io/a/b__c/d---e:latest", "ghcr.io/a/b__c/d---e:latest"),
            ("[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x:y"),
        ] {
            let reference = text.parse::<Reference>().unwrap().tagged();
            assert_eq!(reference.to_string(), canonical);
            assert_eq!(reference.familiar(), familiar);
        }
    }

    #[test]
    fn tag_and_digest_may_both_be_given() {
        let digest = Digest::of(b"x");
        let text = format!("a.b/c:1@{digest}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            (reference.tag.as_deref(), reference.digest.as_ref()),
            (Some("1"), Some(&digest))
        );
        assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for bad in [
            "",
            "Upper",
            "img:",
            "a b",
            "img:-x",
            "..x",
            "/x",
            "x@sha256:12",
            "http://x",
            "a//b",
            "a.b:x/c",
            "-a",
            "a/",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
        assert!("a".repeat(64).parse::<Reference>().is_err());
        assert!("a".repeat(250).parse::<Reference>().is_err());
    }
}
