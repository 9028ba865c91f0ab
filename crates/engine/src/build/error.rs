//! Why there is no image.

use hako_build::Failure;
use hako_dockerfile::{Problem, Span};
use hako_types::{Fault, Kind};
use thiserror::Error;

use crate::Error;

/// Why a build ended without a result.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The Dockerfile is at fault: all that is wrong, warnings included.
    #[error("{}", summary(.0))]
    Problems(Vec<Problem>),
    /// An image that a stage needs cannot be had.
    #[error("failed to resolve `{reference}`")]
    Image {
        /// The image as it was written.
        reference: String,
        /// Where.
        span: Option<Span>,
        /// Why.
        source: Failure,
    },
    /// A step failed.
    #[error("failed to solve")]
    Step {
        /// The step, for people.
        name: String,
        /// Where its instruction is.
        span: Option<Span>,
        /// Why.
        #[source]
        failure: Failure,
    },
    /// The engine could not do its part.
    #[error(transparent)]
    Engine(#[from] Error),
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the Dockerfile is at fault".into(),
        [one] => one.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

impl BuildError {
    /// Returns the place in the Dockerfile that the error is about.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Problems(problems) => problems.first().map(|problem| problem.span),
            Self::Step { span, .. } | Self::Image { span, .. } => *span,
            Self::Engine(_) => None,
        }
    }
}

impl Fault for BuildError {
    fn kind(&self) -> Kind {
        match self {
            Self::Problems(_) => Kind::Invalid,
            Self::Image { source, .. } => source.kind(),
            Self::Step { failure, .. } => failure.kind(),
            Self::Engine(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Problems(problems) => problems.first()?.hint.clone(),
            Self::Image { source, .. } => source.hint(),
            Self::Step { failure, .. } => failure.hint(),
            Self::Engine(error) => error.hint(),
        }
    }
}
