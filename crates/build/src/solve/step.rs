//! One vertex: its key, the cache, and if need be the work.

use std::time::Instant;

use super::flight::{Flights, Turn};
use super::reason::{self, Ingredients};
use super::{Failure, Outcome, Place, Selection, Shared, Work};
use crate::event::{Event, Step as StepId};
use crate::graph::{LayerId, Operation, Snapshot, Source, Vertex, VertexId};
use crate::key::{self, Key};
use crate::tree::digest::of_text;

/// A vertex whose inputs are done.
pub(super) struct Step<'a> {
    pub(super) id: VertexId,
    pub(super) vertex: &'a Vertex,
    pub(super) parent: Snapshot,
    pub(super) inputs: Vec<(VertexId, Snapshot)>,
    pub(super) shared: Shared<'a>,
    pub(super) project: &'a str,
}

impl Step<'_> {
    /// Ends the step without reading any file, when that can be.
    pub(super) fn at_once(&self) -> Option<Result<Outcome, Failure>> {
        match &self.vertex.operation {
            Operation::Layers(_) => {
                if !self.vertex.name.is_empty() {
                    self.tell(Event::Started { name: self.vertex.name.clone() });
                    self.tell(Event::Cached);
                }
                Some(Ok(Outcome { record: None, was_cached: false }))
            }
            Operation::Download(_) => None,
            Operation::Copy(copy)
                if copy.sources.iter().any(|s| !matches!(s.from, Source::Inline { .. })) =>
            {
                None
            }
            Operation::Run(run) if run.mounts.iter().any(|mount| mount.from.is_some()) => None,
            _ if self.vertex.no_cache => None,
            _ => match self.key().and_then(|(key, _)| self.lookup(&key)) {
                Ok(Some(outcome)) => Some(Ok(outcome)),
                Ok(None) => None,
                Err(failure) => Some(Err(failure)),
            },
        }
    }

    /// Ends the step, whatever it takes.
    pub(super) fn work(&self, flights: &Flights) -> Result<Outcome, Failure> {
        if matches!(self.vertex.operation, Operation::Download(_)) {
            return self.perform();
        }
        let (key, ingredients) = self.key()?;
        match flights.turn(&key) {
            Turn::Done(record) => {
                self.tell(Event::Started { name: self.vertex.name.clone() });
                self.tell(Event::Cached);
                Ok(Outcome { record: Some(record), was_cached: true })
            }
            Turn::Mine => {
                let outcome = self.looked_up_or_performed(&key, &ingredients);
                flights
                    .land(&key, outcome.as_ref().ok().and_then(|outcome| outcome.record.as_ref()));
                outcome
            }
        }
    }

    fn looked_up_or_performed(
        &self,
        key: &Key,
        ingredients: &Ingredients,
    ) -> Result<Outcome, Failure> {
        if !self.vertex.no_cache
            && let Some(outcome) = self.lookup(key)?
        {
            return Ok(outcome);
        }
        self.explain(ingredients)?;
        let outcome = self.perform()?;
        if let Some(record) = &outcome.record {
            self.shared.cache.store(key, record).map_err(Failure::of)?;
        }
        Ok(outcome)
    }

    /// Tells what is different from the last time, and remembers how it is now.
    fn explain(&self, ingredients: &Ingredients) -> Result<(), Failure> {
        let slot = reason::slot(self.project, self.vertex);
        let before = self.shared.cache.content(&slot).map_err(Failure::of)?;
        let before = before.and_then(|text| serde_json::from_str::<Ingredients>(&text).ok());
        let because = reason::difference(before.as_ref(), ingredients, self.vertex.no_cache);
        self.tell(Event::Missed { because });
        if before.as_ref() != Some(ingredients) {
            let text = serde_json::to_string(ingredients).unwrap_or_default();
            self.shared.cache.remember(&slot, &text).map_err(Failure::of)?;
        }
        Ok(())
    }

    fn lookup(&self, key: &Key) -> Result<Option<Outcome>, Failure> {
        let Some(record) = self.shared.cache.lookup(key).map_err(Failure::of)? else {
            return Ok(None);
        };
        if !self.shared.operations.has(&record.layer) {
            return Ok(None);
        }
        self.tell(Event::Started { name: self.vertex.name.clone() });
        self.tell(Event::Cached);
        Ok(Some(Outcome { record: Some(record), was_cached: true }))
    }

    fn perform(&self) -> Result<Outcome, Failure> {
        if self.shared.cancel.is_canceled() {
            return Err(Failure::Canceled);
        }
        self.tell(Event::Started { name: self.vertex.name.clone() });
        let begin = Instant::now();
        let record = self.shared.operations.perform(&Work {
            operation: &self.vertex.operation,
            name: &self.vertex.name,
            parent: &self.parent,
            inputs: &|id| self.layers(id).to_vec(),
            cancel: self.shared.cancel,
            log: &|event| self.tell(event),
        })?;
        self.tell(Event::Done { took: begin.elapsed() });
        Ok(Outcome { record: Some(record), was_cached: false })
    }

    fn tell(&self, event: Event) {
        self.shared.events.event(StepId(self.id.0), event);
    }

    fn layers(&self, id: VertexId) -> &[LayerId] {
        self.inputs.iter().find(|(input, _)| *input == id).map_or(&[], |(_, layers)| layers)
    }

    /// Returns the key and what it is made of; reads what the step takes from elsewhere.
    fn key(&self) -> Result<(Key, Ingredients), Failure> {
        let mut contents = Vec::new();
        let mut labels = Vec::new();
        let mut parent = Some(&self.parent[..]);
        match &self.vertex.operation {
            Operation::Copy(copy) => {
                for source in &copy.sources {
                    contents.push(self.content(&source.from, Selection::Copy(copy, &source.path))?);
                    labels.push(format!("`{}`", source.path));
                }
                if copy.link {
                    parent = None;
                }
            }
            Operation::Run(run) => {
                for mount in &run.mounts {
                    if let Some(from) = &mount.from {
                        contents.push(self.content(from, Selection::Mount(&mount.source))?);
                        labels.push(format!("the mount `{}`", mount.source));
                    }
                }
            }
            _ => {}
        }
        let key = key::of(&self.vertex.operation, parent, &contents);
        let ingredients = Ingredients {
            definition: serde_json::to_string(&self.vertex.operation).unwrap_or_default(),
            parent: parent.map(key::identity).unwrap_or_default(),
            contents: labels.into_iter().zip(contents).collect(),
        };
        Ok((key, ingredients))
    }

    /// Returns the digest of what the step takes from a source; that of a snapshot is remembered.
    fn content(&self, source: &Source, selection: Selection<'_>) -> Result<String, Failure> {
        let layers = match source {
            Source::Inline { content, .. } => return Ok(of_text(content)),
            Source::Context(name) => {
                return self.shared.operations.digest(Place::Context(name), selection);
            }
            Source::Vertex(id) => self.layers(*id),
        };
        let written = match selection {
            Selection::Copy(copy, path) => {
                format!("copy {} {:?} {path}", copy.parents, copy.exclude)
            }
            Selection::Mount(path) => format!("mount {path}"),
        };
        let memory = key::of_content(layers, &written);
        if let Some(digest) = self.shared.cache.content(&memory).map_err(Failure::of)? {
            return Ok(digest);
        }
        let digest = self.shared.operations.digest(Place::Layers(layers), selection)?;
        self.shared.cache.remember(&memory, &digest).map_err(Failure::of)?;
        Ok(digest)
    }
}
