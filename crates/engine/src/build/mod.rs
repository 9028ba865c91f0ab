//! Builds wired to real images, snapshots and sandboxes.
//!
//! The crate `hako-build` decides what has to be done; here it is done. A step's files are an overlay of the layers below it with a new
//! directory on top, which *becomes* the layer: nothing is copied. `RUN` runs in a sandbox of the runtime's, `COPY` writes through the overlay with
//! `hako-build`'s copier.
//!
//! ```text
//! build/snapshots/<id>/fs    a layer that no image has yet
//! build/mounts/<id>/<n>/     a cache mount (`RUN --mount=type=cache`), n when several steps want one alone
//! build/contexts/<hex>       what is remembered about the files of a context
//! ```

mod cachemount;
mod configuration;
mod download;
mod error;
mod export;
mod listing;
mod mounts;
mod outcome;
mod prune;
mod resolve;
mod sandbox;
mod snapshots;
mod stubs;
mod sweep;
mod unpack;
mod workshop;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hako_build::event::{Event, Events, Step};
use hako_build::{Cancel, Request, SqliteCache};
use hako_dockerfile::lint::{Policy, lint};
use hako_dockerfile::{Problem, Severity};
use hako_types::{Fault, Platform, Reference};

use crate::{Engine, Error};

pub use error::BuildError;
pub use export::Exported;
pub use listing::{Listed, list_context};
pub use outcome::Outcome;
pub use prune::{Pruned, prune, usage};
pub use unpack::{Stdin, unpack_context};

/// A directory of the caller's that files come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Context {
    /// The directory.
    pub directory: PathBuf,
    /// What is left out, as a `.dockerignore` says it; nothing asks the one in the directory.
    pub ignore: Option<String>,
}

/// A secret: where its value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Secret {
    /// A file, read when a step needs it.
    File(PathBuf),
    /// A value.
    Value(Vec<u8>),
}

/// Brings images that are not here.
pub trait Puller {
    /// Makes `reference` available.
    ///
    /// # Errors
    /// When no registry has it.
    fn pull(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<(), Box<dyn Fault>>;
}

/// Everything that a build needs.
pub struct Job<'a> {
    /// What is built.
    pub request: Request,
    /// Directories by name; the main context has none.
    pub contexts: BTreeMap<String, Context>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Sockets of SSH agents by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Whether images are asked for at their registry although they are here.
    pub pull: bool,
    /// Whether `RUN --security=insecure` may be.
    pub allow_insecure: bool,
    /// Whether `RUN --network=host` may be.
    pub allow_host_network: bool,
    /// Who brings images.
    pub puller: &'a dyn Puller,
    /// Who is told.
    pub events: &'a dyn Events,
    /// Set when it shall end.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("request", &self.request)
            .field("contexts", &self.contexts)
            .finish_non_exhaustive()
    }
}

/// Steps that are told with these numbers are around the graph, not in it.
pub const AROUND: usize = 1 << 20;

/// Builds what `job` asks for. Nothing is exported yet: the outcome says how.
///
/// # Errors
/// [`BuildError::Problems`] when the Dockerfile is at fault, [`BuildError::Step`] when a step failed.
pub fn build<'e>(engine: &'e Engine, job: &Job<'_>) -> Result<Outcome<'e>, BuildError> {
    let (file, found) =
        hako_dockerfile::parse(&job.request.dockerfile).map_err(BuildError::Problems)?;
    let outline = hako_build::outline(&file, &job.request).map_err(BuildError::Problems)?;
    let lease =
        engine.images()?.layers().lease().map_err(Error::below("cannot hold the layers"))?;
    let images = resolve::all(engine, job, &file, &outline)?;
    let planned = hako_build::plan(&file, &outline, &job.request, &images)
        .map_err(|p| BuildError::Problems(vec![p]))?;
    let warnings = warnings(job, (&file, &found), &planned.warnings)?;
    let cache = SqliteCache::new(engine.reopen()?.into_database());
    let workshop = workshop::Workshop::new(engine, job, &lease, &cache)?;
    let parts = (&workshop as &dyn hako_build::Operations, &cache as &dyn hako_build::Cache);
    let solved = hako_build::solve(&planned.graph, planned.result, parts, (job.events, job.cancel));
    workshop.finish();
    let solved = solved.map_err(|failed| {
        let vertex = &planned.graph.vertices[failed.vertex.0];
        BuildError::Step { name: vertex.name.clone(), span: vertex.span, failure: failed.failure }
    })?;
    let used: Vec<hako_build::LayerId> =
        solved.made.iter().flatten().map(|record| record.layer.clone()).collect();
    let _best_effort = cache.touch(&used);
    let running = workshop.into_lock();
    Ok(Outcome {
        engine,
        lease,
        cache,
        planned,
        solved,
        epoch: job.request.epoch(),
        warnings,
        _running: running,
    })
}

/// Returns what should be looked at, and tells it; an error where the file wants that (`# check=error=true`).
fn warnings(
    job: &Job<'_>,
    (file, found): (&hako_dockerfile::Dockerfile, &[Problem]),
    planned: &[Problem],
) -> Result<Vec<Problem>, BuildError> {
    let policy = Policy::of(&file.directives);
    // Which variables are not defined is known better from the plan, which knows the images.
    let linted = lint(file, found).into_iter().filter(|problem| problem.code != "UndefinedVar");
    let all: Vec<Problem> = linted
        .chain(planned.iter().filter(|problem| policy.counts(problem.code)).cloned())
        .collect();
    if policy.is_error && !all.is_empty() {
        let errors =
            all.into_iter().map(|problem| Problem { severity: Severity::Error, ..problem });
        return Err(BuildError::Problems(errors.collect()));
    }
    for warning in &all {
        let line = warning.span.position(&job.request.dockerfile).line;
        let message = format!("{}: {} (line {line})", warning.code, warning.message);
        job.events.event(Step(AROUND), Event::Warning { message });
    }
    Ok(all)
}
