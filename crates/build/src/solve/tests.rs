use std::collections::BTreeMap;
use std::sync::Mutex;

use hako_types::Moment;

use super::*;
use crate::cache::MemoryCache;
use crate::event::Silent;
use crate::graph::{CopySource, RunOp, Source, Vertex};

/// Steps whose layers are texts: each says what was done on what.
#[derive(Default)]
struct Toy {
    done: Mutex<Vec<String>>,
    context: Mutex<BTreeMap<String, String>>,
    /// What a stage's files look like to others, by the text of its last layer.
    looks: Mutex<BTreeMap<String, String>>,
}

impl Operations for Toy {
    fn digest(&self, place: Place<'_>, _: Selection<'_>) -> Result<String, Failure> {
        Ok(match place {
            Place::Context(name) => {
                self.context.lock().unwrap().get(name).cloned().unwrap_or_default()
            }
            Place::Layers(layers) => {
                let last = layers.last().map(|layer| layer.0.clone()).unwrap_or_default();
                self.looks.lock().unwrap().get(&last).cloned().unwrap_or(last)
            }
        })
    }

    fn perform(&self, work: &Work<'_>) -> Result<Record, Failure> {
        let text = match work.operation {
            Operation::Run(run) if run.args == ["false"] => {
                return Err(Failure::Exit { args: run.args.clone(), code: 1 });
            }
            Operation::Run(run) => run.args.join(" "),
            _ => "copy".into(),
        };
        let mut done = self.done.lock().unwrap();
        done.push(text.clone());
        let layer = LayerId(format!("{text}#{}", done.len()));
        Ok(Record { layer, size: 1, created: Moment::NEVER, description: text, kind: "regular" })
    }

    fn has(&self, _: &LayerId) -> bool {
        true
    }
}

fn vertex(parent: Option<usize>, operation: Operation) -> Vertex {
    Vertex {
        name: "x".into(),
        span: None,
        parent: parent.map(VertexId),
        operation,
        no_cache: false,
    }
}

fn run(parent: usize, command: &str) -> Vertex {
    vertex(
        Some(parent),
        Operation::Run(Box::new(RunOp { args: vec![command.into()], ..RunOp::default() })),
    )
}

fn copy(parent: usize, from: Source) -> Vertex {
    let sources = vec![CopySource { from, path: "f".into(), unpack: false }];
    vertex(
        Some(parent),
        Operation::Copy(Box::new(CopyOp { sources, target: "/f".into(), ..CopyOp::default() })),
    )
}

fn root() -> Vertex {
    vertex(None, Operation::Layers(vec![LayerId("base".into())]))
}

fn build(vertices: Vec<Vertex>, toy: &Toy, cache: &MemoryCache) -> Result<Solved, Failed> {
    let result = VertexId(vertices.len() - 1);
    solve(
        &Graph { vertices, project: String::new() },
        result,
        (toy, cache),
        (&Silent, &Cancel::default()),
    )
}

#[test]
fn an_unchanged_build_does_nothing_and_a_change_only_what_is_below_it() {
    let (toy, cache) = (Toy::default(), MemoryCache::default());
    let graph = |second: &str| vec![root(), run(0, "one"), run(1, second), run(2, "three")];
    let first = build(graph("two"), &toy, &cache).unwrap();
    assert_eq!(first.layers.len(), 4);
    assert_eq!(build(graph("two"), &toy, &cache).unwrap().layers, first.layers);
    assert_eq!(build(graph("other"), &toy, &cache).unwrap().cached, 1);
    assert_eq!(build(graph("two"), &toy, &cache).unwrap().layers, first.layers);
    assert_eq!(*toy.done.lock().unwrap(), ["one", "two", "three", "other", "three"]);
}

#[test]
fn a_copy_counts_by_content() {
    let (toy, cache) = (Toy::default(), MemoryCache::default());
    let graph = |stage: &str| {
        vec![root(), run(0, stage), copy(0, Source::Vertex(VertexId(1))), run(2, "last")]
    };
    toy.looks
        .lock()
        .unwrap()
        .extend([("a#1".into(), "same".to_owned()), ("b#4".into(), "same".to_owned())]);
    let first = build(graph("a"), &toy, &cache).unwrap();
    assert_eq!(build(graph("b"), &toy, &cache).unwrap().layers, first.layers);
    let context = || vec![root(), copy(0, Source::Context(String::new()))];
    let one = build(context(), &toy, &cache).unwrap();
    toy.context.lock().unwrap().insert(String::new(), "changed".into());
    assert_ne!(build(context(), &toy, &cache).unwrap().layers, one.layers);
}

#[test]
fn a_failure_names_its_step_and_the_same_step_is_done_once() {
    let (toy, cache) = (Toy::default(), MemoryCache::default());
    let graph = vec![
        root(),
        run(0, "same"),
        run(0, "same"),
        copy(1, Source::Vertex(VertexId(2))),
        run(3, "false"),
        run(4, "never"),
    ];
    let failed = build(graph, &toy, &cache).unwrap_err();
    assert_eq!(failed.vertex, VertexId(4));
    assert_eq!(failed.to_string(), "process \"false\" did not complete successfully: exit code: 1");
    assert_eq!(*toy.done.lock().unwrap(), ["same", "copy"]);
}
