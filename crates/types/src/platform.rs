//! Operating system, architecture and variant, as the OCI image index has them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What an image runs on, in Go's words (`linux`, `amd64`, `arm64`/`v8`).
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Platform {
    /// The operating system (`linux`).
    pub os: String,
    /// The processor architecture (`amd64`).
    pub architecture: String,
    /// The variant of the architecture (`v7`), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Text that is not a [`Platform`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a platform: want os/arch or os/arch/variant")]
pub struct InvalidPlatform(pub String);

impl Platform {
    /// Returns the platform that this program was built for.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = normalized(std::env::consts::ARCH, None);
        Self { os: "linux".into(), architecture, variant }
    }

    /// Tells whether an image for `self` runs where `wanted` is asked for.
    ///
    /// A missing variant on either side matches any.
    #[must_use]
    pub fn matches(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (self.variant.is_none()
                || wanted.variant.is_none()
                || self.variant == wanted.variant)
    }
}

fn normalized(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let (architecture, variant) = match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", Some("v1") | None) => ("amd64", None),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("aarch64" | "arm64", Some("8" | "v8") | None) => ("arm64", None),
        ("aarch64", other) => ("arm64", other),
        ("i386" | "i686" | "x86", _) => ("386", None),
        ("armhf", _) => ("arm", Some("v7")),
        ("armel", _) => ("arm", Some("v6")),
        ("arm", None | Some("7")) => ("arm", Some("v7")),
        ("arm", Some("6")) => ("arm", Some("v6")),
        (other, variant) => (other, variant),
    };
    (architecture.to_owned(), variant.map(str::to_owned))
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let is_word = |s: &&str| {
            !s.is_empty()
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(is_word) {
            return Err(InvalidPlatform(text.to_owned()));
        }
        let (os, arch, variant) = match parts[..] {
            ["linux"] => return Ok(Self::host()),
            [arch] => ("linux", arch, None),
            [os, arch] => (os, arch, None),
            [os, arch, variant] => (os, arch, Some(variant)),
            _ => return Err(InvalidPlatform(text.to_owned())),
        };
        let (architecture, variant) = normalized(arch, variant);
        Ok(Self { os: os.to_owned(), architecture, variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_normalised() {
        for (text, want) in [
            ("linux/amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm/7", "linux/arm/v7"),
            ("arm", "linux/arm/v7"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), want);
        }
        for bad in ["", "a/b/c/d", "linux/", "li nux/x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
