//! The configuration of an image: what runs in it and what it is stacked from.
//!
//! The form is the OCI image configuration with the fields that Docker adds. An image's identity is the digest of
//! these bytes, so an existing configuration is only ever *read* into these types; what they do not name is kept
//! in `rest`, so that a child of the image still has it.

mod change;
mod child;
mod settings;

use hako_types::{Digest, Moment, Platform};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub use change::{ChangeError, apply_change};
pub use child::{Addition, child_config};
pub use settings::{Empty, Healthcheck, Settings};

/// A configuration as the OCI image specification has it (`application/vnd.oci.image.config.v1+json`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ImageConfig {
    /// When the image was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The processor architecture, in Go's words.
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    /// What containers of the image start with.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Settings,
    /// The layers, lowest first.
    #[serde(deserialize_with = "or_default", default)]
    pub rootfs: RootFs,
    /// How the image came about, oldest first.
    #[serde(default, deserialize_with = "or_default")]
    pub history: Vec<History>,
    /// Whatever else there was (`docker_version`, `os.version`).
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The layers of an image.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The digests of the layers' uncompressed tars, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct History {
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// What was done.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub created_by: String,
    /// By whom.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub author: String,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub comment: String,
    /// Whether it made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "or_default")]
    pub empty_layer: bool,
}

/// Bytes that are not the configuration of an image.
#[derive(Debug, Error)]
#[error("the image configuration is malformed")]
pub struct Malformed(#[source] serde_json::Error);

impl ImageConfig {
    /// Returns the configuration of an image with nothing in it.
    #[must_use]
    pub fn empty(platform: &Platform) -> Self {
        Self {
            created: None,
            author: None,
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os: platform.os.clone(),
            config: Settings::default(),
            rootfs: RootFs::default(),
            history: Vec::new(),
            rest: Map::new(),
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// When the bytes are no JSON object with the right types.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(bytes).map_err(Malformed)
    }

    /// Returns the bytes whose digest becomes the image's identity.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns what the image runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        }
    }
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

/// Reads `null` as the default: Go writes `null` for what is empty.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_has_is_kept_even_where_it_has_no_name_here() {
        let text = r#"{"created":"2024-01-02T03:04:05.6Z","architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Cmd":null,"Volumes":{"/v":{}},"ArgsEscaped":true},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":null,"docker_version":"20"}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        let again = ImageConfig::parse(&config.to_bytes()).unwrap();
        assert_eq!(config, again);
        assert_eq!(again.rest["docker_version"], "20");
        assert_eq!(again.config.rest["ArgsEscaped"], true);
        assert_eq!((again.config.cmd, again.config.env), (None, vec!["A=b".to_owned()]));
    }
}
