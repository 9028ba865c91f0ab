//! The images that stages stand on: those here, or pulled.

use std::collections::BTreeMap;

use hako_build::event::{Event, Step};
use hako_build::{Base, Failure, ImageWanted, LayerId, Outline};
use hako_dockerfile::Dockerfile;
use hako_types::{Fault, Platform, Reference};

use super::{AROUND, BuildError, Job};
use crate::{Engine, Error};

/// Returns every image that is needed, those that triggers bring in too.
pub(super) fn all(
    engine: &Engine,
    job: &Job<'_>,
    file: &Dockerfile,
    outline: &Outline,
) -> Result<BTreeMap<ImageWanted, Base>, BuildError> {
    let mut known = BTreeMap::new();
    loop {
        let missing = outline
            .missing(file, &job.request, &known)
            .map_err(|p| BuildError::Problems(vec![p]))?;
        if missing.is_empty() {
            return Ok(known);
        }
        for wanted in missing {
            let step = Step(AROUND + 1 + known.len());
            let name = format!("[internal] load metadata for {}", canonical(&wanted.reference));
            job.events.event(step, Event::Started { name });
            let begin = std::time::Instant::now();
            let base = one(engine, job, &wanted)
                .map_err(|error| located(error, file, &wanted.reference))?;
            job.events.event(step, Event::Done { took: begin.elapsed() });
            known.insert(wanted, base);
        }
    }
}

fn canonical(reference: &str) -> String {
    reference
        .parse::<Reference>()
        .map_or_else(|_| reference.to_owned(), |name| name.tagged().to_string())
}

/// Says where the image was asked for.
fn located(error: BuildError, file: &Dockerfile, reference: &str) -> BuildError {
    let stage = file.stages.iter().find(|stage| stage.from.image.text.contains(reference));
    match error {
        BuildError::Image { reference, source, .. } => {
            BuildError::Image { reference, source, span: stage.map(|stage| stage.span) }
        }
        other => other,
    }
}

fn one(engine: &Engine, job: &Job<'_>, wanted: &ImageWanted) -> Result<Base, BuildError> {
    let images = engine.images()?;
    let platform: Option<Platform> = wanted.platform.parse().ok();
    let failed = |source: Box<dyn Fault>| BuildError::Image {
        reference: wanted.reference.clone(),
        span: None,
        source: Failure::Other(source),
    };
    let fits = |image: &hako_image::Image| {
        platform.as_ref().is_none_or(|wanted| image.platform().matches(wanted))
    };
    let here = images.resolve(&wanted.reference).ok().filter(fits);
    let image = match here {
        Some(image) if !job.pull => image,
        here => {
            let name: Reference = wanted.reference.parse().map_err(
                |error: hako_types::reference::InvalidReference| {
                    failed(Box::new(Error::Invalid(error.to_string())))
                },
            )?;
            match (job.puller.pull(&name.tagged(), platform.as_ref()), here) {
                (Ok(()), _) => {
                    images.resolve(&wanted.reference).map_err(|error| failed(Box::new(error)))?
                }
                (Err(error), _) => return Err(failed(error)),
            }
        }
    };
    let layers: Vec<LayerId> = image.diff_ids().iter().map(|id| LayerId(id.to_string())).collect();
    Ok(Base { layers, display: canonical(&wanted.reference), config: image.config })
}
