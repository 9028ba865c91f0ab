//! Doing what the graph says: as little as possible, and as much at once as possible.
//!
//! Every vertex is in one [`State`]. Whenever one is done, those that waited only for it become ready; a ready one whose key needs no reading is
//! looked up at once, any other gets a thread. The first failure cancels what is running.

mod flight;
mod reason;
mod step;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use hako_types::{Fault, Kind};
use thiserror::Error;

use crate::cache::{Cache, Record};
use crate::event::{Event, Events, Step};
use crate::graph::{CopyOp, Graph, LayerId, Operation, Snapshot, VertexId};
use flight::Flights;

/// Set once a build shall end.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Asks everything to end.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Tells whether somebody asked.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a step did not end well.
#[derive(Debug)]
pub enum Failure {
    /// Its command ended with another code than 0.
    Exit {
        /// The command.
        args: Vec<String>,
        /// Its exit code.
        code: i32,
    },
    /// It was given up.
    Canceled,
    /// Anything else.
    Other(Box<dyn Fault>),
}

impl Failure {
    /// Returns the failure that `fault` is.
    #[must_use]
    pub fn of(fault: impl Fault) -> Self {
        Self::Other(Box::new(fault))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit { args, code } => {
                write!(
                    f,
                    "process {:?} did not complete successfully: exit code: {code}",
                    args.join(" ")
                )
            }
            Self::Canceled => f.write_str("canceled"),
            Self::Other(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Other(fault) => fault.source(),
            _ => None,
        }
    }
}

impl Fault for Failure {
    fn kind(&self) -> Kind {
        match self {
            Self::Exit { .. } => Kind::Conflict,
            Self::Canceled => Kind::Unavailable,
            Self::Other(fault) => fault.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        if let Self::Other(fault) = self { fault.hint() } else { None }
    }
}

/// The step at which a build ended.
#[derive(Debug, Error)]
#[error("{failure}")]
pub struct Failed {
    /// The step.
    pub vertex: VertexId,
    /// Why.
    pub failure: Failure,
}

/// A part of the caller's files or of a snapshot that a step takes.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// What a source path of a copy means.
    Copy(&'a CopyOp, &'a str),
    /// A path that is mounted.
    Mount(&'a str),
}

/// Where a selection is made.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A context of the caller's: the main one has no name.
    Context(&'a str),
    /// The files of these layers.
    Layers(&'a [LayerId]),
}

/// One step that has to be done.
pub struct Work<'a> {
    /// What.
    pub operation: &'a Operation,
    /// The step, for people.
    pub name: &'a str,
    /// The layers that it stands on.
    pub parent: &'a [LayerId],
    /// The layers of the steps that it takes files from.
    pub inputs: &'a (dyn Fn(VertexId) -> Snapshot + Sync),
    /// Set when it shall end early.
    pub cancel: &'a Cancel,
    /// Where its output goes.
    pub log: &'a (dyn Fn(Event) + Sync),
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("operation", &self.operation)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// What steps really do. The engine implements it with snapshots and sandboxes, tests in memory.
pub trait Operations: Sync {
    /// Returns a digest of what `selection` takes at `place`: names, modes, links and content, no times.
    ///
    /// # Errors
    /// When something that is named is not there, or cannot be read.
    fn digest(&self, place: Place<'_>, selection: Selection<'_>) -> Result<String, Failure>;

    /// Does a step and returns the layer that it made. A step that fails leaves no layer.
    ///
    /// # Errors
    /// What went wrong.
    fn perform(&self, work: &Work<'_>) -> Result<Record, Failure>;

    /// Tells whether the files of a layer are there.
    fn has(&self, layer: &LayerId) -> bool;
}

/// What a build resulted in.
#[derive(Clone, Debug, Default)]
pub struct Solved {
    /// The layers of the result, lowest first.
    pub layers: Snapshot,
    /// The layer that each vertex made, where it made one.
    pub made: Vec<Option<Record>>,
    /// How many steps the cache had.
    pub cached: usize,
}

/// The state of one vertex.
#[derive(Debug)]
enum State {
    /// It waits for as many others.
    Waiting(usize),
    /// A thread works on it.
    Running,
    /// It is done.
    Done(Snapshot, Option<Record>),
    /// It will not be done.
    Failed,
}

/// What a step ended with.
#[derive(Debug)]
struct Outcome {
    record: Option<Record>,
    was_cached: bool,
}

/// Everything that threads share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) operations: &'a dyn Operations,
    pub(crate) cache: &'a dyn Cache,
    pub(crate) events: &'a dyn Events,
    pub(crate) cancel: &'a Cancel,
}

impl<'a> Shared<'a> {
    /// Brings together what a build works with.
    #[must_use]
    pub(crate) fn new(
        operations: &'a dyn Operations,
        cache: &'a dyn Cache,
        events: &'a dyn Events,
        cancel: &'a Cancel,
    ) -> Self {
        Self { operations, cache, events, cancel }
    }
}

/// Does all that `result` needs.
///
/// # Errors
/// The first failure; everything else has ended when it is returned.
pub fn solve(
    graph: &Graph,
    result: VertexId,
    (operations, cache): (&dyn Operations, &dyn Cache),
    (events, cancel): (&dyn Events, &Cancel),
) -> Result<Solved, Failed> {
    let shared = Shared::new(operations, cache, events, cancel);
    let flights = Flights::default();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let mut solver = Solver::new(graph, result, shared);
        while let Some(id) = solver.ready.pop() {
            solver.begin(id, scope, &sender, &flights);
            while solver.ready.is_empty() && solver.running > 0 {
                let Ok((id, outcome)) = receiver.recv() else { break };
                solver.running -= 1;
                solver.end(id, outcome);
            }
        }
        solver.finish(result)
    })
}

struct Solver<'a> {
    graph: &'a Graph,
    shared: Shared<'a>,
    states: Vec<State>,
    /// Who waits for each vertex.
    waiting: Vec<Vec<VertexId>>,
    ready: Vec<VertexId>,
    running: usize,
    cached: usize,
    failed: Option<Failed>,
}

type Sender = mpsc::Sender<(VertexId, Result<Outcome, Failure>)>;

impl<'a> Solver<'a> {
    fn new(graph: &'a Graph, result: VertexId, shared: Shared<'a>) -> Self {
        let count = graph.vertices.len();
        let mut needed = vec![false; count];
        let mut open = vec![result];
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut needed[id.0], true) {
                open.extend(graph.vertices[id.0].inputs());
            }
        }
        let mut waiting = vec![Vec::new(); count];
        let mut states = Vec::new();
        let mut ready = Vec::new();
        for (at, vertex) in graph.vertices.iter().enumerate() {
            let mut inputs: Vec<VertexId> =
                if needed[at] { vertex.inputs().collect() } else { Vec::new() };
            inputs.sort_unstable();
            inputs.dedup();
            for input in &inputs {
                waiting[input.0].push(VertexId(at));
            }
            if needed[at] && inputs.is_empty() {
                ready.push(VertexId(at));
            }
            states.push(if needed[at] { State::Waiting(inputs.len()) } else { State::Failed });
        }
        ready.reverse();
        Self { graph, shared, states, waiting, ready, running: 0, cached: 0, failed: None }
    }

    fn begin<'scope, 'env>(
        &mut self,
        id: VertexId,
        scope: &'scope std::thread::Scope<'scope, 'env>,
        sender: &Sender,
        flights: &'env Flights,
    ) where
        'a: 'scope,
    {
        let vertex = &self.graph.vertices[id.0];
        let parent = vertex.parent.map(|parent| self.snapshot(parent)).unwrap_or_default();
        let inputs: Vec<(VertexId, Snapshot)> =
            vertex.inputs().map(|input| (input, self.snapshot(input))).collect();
        let project = &self.graph.project;
        let step = step::Step { id, vertex, parent, inputs, shared: self.shared, project };
        if self.failed.is_some() || self.shared.cancel.is_canceled() {
            self.states[id.0] = State::Failed;
            return;
        }
        match step.at_once() {
            Some(outcome) => self.end(id, outcome),
            None => {
                self.states[id.0] = State::Running;
                self.running += 1;
                let sender = sender.clone();
                scope.spawn(move || {
                    let outcome = step.work(flights);
                    drop(sender.send((id, outcome)));
                });
            }
        }
    }

    fn snapshot(&self, id: VertexId) -> Snapshot {
        match &self.states[id.0] {
            State::Done(layers, _) => layers.clone(),
            _ => Snapshot::new(),
        }
    }

    fn end(&mut self, id: VertexId, outcome: Result<Outcome, Failure>) {
        let vertex = &self.graph.vertices[id.0];
        match outcome {
            Ok(outcome) => {
                let mut layers =
                    vertex.parent.map(|parent| self.snapshot(parent)).unwrap_or_default();
                if let Operation::Layers(own) = &vertex.operation {
                    layers.clone_from(own);
                }
                layers.extend(outcome.record.as_ref().map(|record| record.layer.clone()));
                self.cached += usize::from(outcome.was_cached);
                self.states[id.0] = State::Done(layers, outcome.record);
                for next in std::mem::take(&mut self.waiting[id.0]) {
                    if let State::Waiting(left) = &mut self.states[next.0] {
                        *left -= 1;
                        if *left == 0 {
                            self.ready.push(next);
                        }
                    }
                }
            }
            Err(failure) => {
                let was_first = self.failed.is_none() && !matches!(failure, Failure::Canceled);
                let event = if was_first {
                    Event::Failed { message: failure.to_string() }
                } else {
                    Event::Canceled
                };
                self.shared.events.event(Step(id.0), event);
                self.states[id.0] = State::Failed;
                self.shared.cancel.cancel();
                if was_first || self.failed.is_none() {
                    self.failed = Some(Failed { vertex: id, failure });
                }
            }
        }
    }

    fn finish(mut self, result: VertexId) -> Result<Solved, Failed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let layers = match std::mem::replace(&mut self.states[result.0], State::Failed) {
            State::Done(layers, record) => {
                self.states[result.0] = State::Done(layers.clone(), record);
                layers
            }
            _ => return Err(Failed { vertex: result, failure: Failure::Canceled }),
        };
        let made = self
            .states
            .into_iter()
            .map(|state| if let State::Done(_, record) = state { record } else { None })
            .collect();
        Ok(Solved { layers, made, cached: self.cached })
    }
}

#[cfg(test)]
mod tests;
