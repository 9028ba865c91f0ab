//! Images as commands need them: names as they are typed, what `inspect` tells, pulls and pushes.

mod document;
mod output;
mod progress;
mod registry;
mod transfer;

use hako_engine::Engine;
use hako_image::content::ImageUse;
use hako_types::Reference;

use crate::report::Failure;

pub(crate) use document::inspect;
pub(crate) use output::{Output, input};
pub(crate) use progress::{Mode, Progress};
pub(crate) use registry::client;
pub(crate) use transfer::{pull, pull_named, push_named};

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Policy {
    /// Always.
    Always,
    /// When it is not there.
    #[default]
    Missing,
    /// Never.
    Never,
}

impl Policy {
    /// Reads `always`, `missing` or `never`.
    ///
    /// # Errors
    /// When it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "missing" | "" => Ok(Self::Missing),
            "never" => Ok(Self::Never),
            _ => Err(format!(
                "invalid pull option: '{text}': must be one of \"always\", \"missing\" or \"never\""
            )),
        }
    }
}

/// Reads an image's name.
///
/// # Errors
/// When it is none.
pub(crate) fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse()
        .map_err(|error: hako_types::reference::InvalidReference| Failure::new(error.to_string()))
}

/// Returns an image's name as messages show it, with the tag that is meant.
pub(crate) fn shown(text: &str) -> String {
    text.parse::<Reference>().map_or_else(|_| text.to_owned(), |name| name.tagged().familiar())
}

/// Returns the containers of all images.
///
/// # Errors
/// When the database fails.
pub(crate) fn uses(engine: &Engine) -> Result<Vec<ImageUse>, Failure> {
    let containers = engine.containers().list()?;
    let uses = containers.into_iter().filter_map(|one| {
        let running = one.is_running();
        Some(ImageUse {
            image: one.image.parse().ok()?,
            container: one.id.short().to_owned(),
            running,
        })
    });
    Ok(uses.collect())
}
