//! From the stages of a file to the graph, and to the configuration of the image.
//!
//! A stage is gone through from top to bottom with its [`StageState`]: variables, working directory, user and configuration as
//! they are at that line. Instructions that change files become vertices; the others only change the state.

mod command;
mod files;
mod history;
mod metadata;

use std::collections::{BTreeMap, BTreeSet};

use hako_dockerfile::instruction::{Instruction, Kind, Word};
use hako_dockerfile::{Dockerfile, Lexer, Problem, Span};
use hako_image::ImageConfig;

use crate::graph::{Graph, Operation, Source, Vertex, VertexId};
use crate::outline::{ImageWanted, Origin, Outline};
use crate::request::{Base, NoCache, Request};
use crate::scope::{PROXIES, Scope};

/// The search path of images that do not say.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What has to be done, and what the image will say.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The steps.
    pub graph: Graph,
    /// The configuration; its layers and the times of what is new in its history are not known yet.
    pub config: ImageConfig,
    /// What is new in the history, in order.
    pub history: Vec<Made>,
    /// The step whose files the image has.
    pub result: VertexId,
    /// What should be looked at.
    pub warnings: Vec<Problem>,
}

/// One instruction in the history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// What stands in the history.
    pub created_by: String,
    /// The step that makes its layer, where it has one.
    pub vertex: Option<VertexId>,
}

/// Makes the graph; `images` has every image that [`Outline::missing`] asked for.
///
/// # Errors
/// The first instruction that cannot be meant: a variable that is required, a port that is none.
pub fn plan(
    file: &Dockerfile,
    outline: &Outline,
    request: &Request,
    images: &BTreeMap<ImageWanted, Base>,
) -> Result<Planned, Problem> {
    let more = outline.trigger_sources(file, request, images)?;
    let needed = outline.needed(&more);
    let mut planner = Planner {
        file,
        outline,
        request,
        images,
        graph: Graph::default(),
        done: BTreeMap::new(),
        roots: BTreeMap::new(),
        used_arguments: BTreeSet::new(),
        warnings: Vec::new(),
        shows_names: file.stages.len() > 1,
    };
    for index in needed {
        let state = planner.stage(index)?;
        planner.done.insert(index, state);
    }
    planner.unused_arguments();
    let Some(mut state) = planner.done.remove(&outline.target) else {
        return Err(Problem::error(Span::default(), "target", "the target has no stage"));
    };
    for (name, value) in &request.labels {
        state.config.config.labels.insert(name.clone(), value.clone());
    }
    Ok(Planned {
        graph: Graph { project: request.project.clone(), ..planner.graph },
        config: state.config,
        history: state.history,
        result: state.vertex,
        warnings: planner.warnings,
    })
}

/// A stage as it is at some line.
#[derive(Clone, Debug)]
struct StageState {
    vertex: VertexId,
    config: ImageConfig,
    history: Vec<Made>,
    /// Variables: the environment with the arguments that are in use.
    scope: Scope,
    /// The arguments that are in use, for the history.
    arguments: Vec<(String, String)>,
    has_cmd: bool,
    no_cache: bool,
    name: Option<String>,
    index: usize,
    step: usize,
    steps: usize,
}

struct Planner<'a> {
    file: &'a Dockerfile,
    outline: &'a Outline,
    request: &'a Request,
    images: &'a BTreeMap<ImageWanted, Base>,
    graph: Graph,
    done: BTreeMap<usize, StageState>,
    /// The vertices of images, so that each is there once.
    roots: BTreeMap<Option<ImageWanted>, VertexId>,
    used_arguments: BTreeSet<String>,
    warnings: Vec<Problem>,
    shows_names: bool,
}

impl Planner<'_> {
    fn stage(&mut self, index: usize) -> Result<StageState, Problem> {
        let stage = &self.file.stages[index];
        let triggers = self.outline.triggers(index, self.file, self.images)?;
        let mut state = self.base(index)?;
        let instructions: Vec<&Instruction> = triggers.iter().chain(&stage.instructions).collect();
        state.steps = 1 + instructions.iter().filter(|i| makes_layer(&i.kind)).count();
        state.config.config.on_build.clear();
        let root = &mut self.graph.vertices[state.vertex.0];
        if root.name.starts_with("FROM ") {
            let stage = state.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
            root.name = format!("[{stage}1/{}] {}", state.steps, root.name);
        }
        for instruction in instructions {
            self.instruction(instruction, &mut state)?;
        }
        Ok(state)
    }

    /// Returns the state that stage `index` begins with.
    fn base(&mut self, index: usize) -> Result<StageState, Problem> {
        let outline = &self.outline.stages[index];
        let span = self.file.stages[index].span;
        let (vertex, config, history, scope) = match &outline.origin {
            Origin::Stage(other) => {
                let base = &self.done[other];
                (base.vertex, base.config.clone(), base.history.clone(), base.scope.clone())
            }
            Origin::Context(name) => {
                let message = format!("a stage cannot stand on the directory `{name}`");
                return Err(Problem::error(span, "from", message)
                    .hint("give `--build-context` an image: docker-image://…"));
            }
            Origin::Scratch => {
                let mut config = ImageConfig::empty(&outline.platform);
                config.config.working_dir = "/".into();
                (self.root(None, span), config, Vec::new(), Scope::default())
            }
            Origin::Image(image) => {
                let config = self.image(image, span)?.config.clone();
                (self.root(Some(image), span), config, Vec::new(), Scope::default())
            }
        };
        let mut state = StageState {
            vertex,
            config,
            history,
            scope,
            arguments: Vec::new(),
            has_cmd: false,
            no_cache: self.no_cache(outline.name.as_deref()),
            name: outline
                .name
                .clone()
                .or_else(|| self.shows_names.then(|| format!("stage-{index}"))),
            index,
            step: 1,
            steps: 1,
        };
        if state.config.config.env("PATH").is_none() {
            state.config.config.env.push(DEFAULT_PATH.into());
        }
        state.scope.set_pairs(&state.config.config.env);
        Ok(state)
    }

    fn no_cache(&self, name: Option<&str>) -> bool {
        match &self.request.no_cache {
            NoCache::Nothing => false,
            NoCache::All => true,
            NoCache::Stages(stages) => name.is_some_and(|name| stages.contains(name)),
        }
    }

    fn image(&self, image: &ImageWanted, span: Span) -> Result<&Base, Problem> {
        self.images.get(image).ok_or_else(|| {
            Problem::error(
                span,
                "image",
                format!("the image `{}` was not resolved", image.reference),
            )
        })
    }

    /// Returns the vertex of an image's layers, or of none.
    fn root(&mut self, image: Option<&ImageWanted>, span: Span) -> VertexId {
        if let Some(id) = self.roots.get(&image.cloned()) {
            return *id;
        }
        let base = image.and_then(|image| self.images.get(image));
        let name = base.map_or_else(String::new, |base| format!("FROM {}", base.display));
        let layers = base.map(|base| base.layers.clone()).unwrap_or_default();
        let id = self.push(Vertex {
            name,
            span: Some(span),
            parent: None,
            operation: Operation::Layers(layers),
            no_cache: false,
        });
        self.roots.insert(image.cloned(), id);
        id
    }

    fn push(&mut self, vertex: Vertex) -> VertexId {
        self.graph.vertices.push(vertex);
        VertexId(self.graph.vertices.len() - 1)
    }

    /// Adds the step of an instruction to its stage; `text` is what people see of it.
    fn step(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        text: &str,
        operation: Operation,
    ) -> VertexId {
        state.step += 1;
        let stage = state.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
        let width = state.steps.to_string().len();
        let first = text.lines().next().unwrap_or_default();
        let id = self.push(Vertex {
            name: format!("[{stage}{:>width$}/{}] {first}", state.step, state.steps),
            span: Some(instruction.span),
            parent: Some(state.vertex),
            operation,
            no_cache: state.no_cache,
        });
        state.vertex = id;
        id
    }

    fn instruction(
        &mut self,
        instruction: &Instruction,
        state: &mut StageState,
    ) -> Result<(), Problem> {
        let result = match &instruction.kind {
            Kind::Run(run) => self.run(run, instruction, state),
            Kind::Copy(copy) => self.copy(copy, instruction, state, false),
            Kind::Add(copy) => self.copy(copy, instruction, state, true),
            Kind::Workdir(word) => self.workdir(word, instruction, state),
            Kind::Arg(declarations) => self.argument(declarations, state),
            _ => self.metadata(instruction, state),
        };
        // Spans within a trigger are places in the image's configuration, not in this file.
        let within = self.file.stages[state.index].span;
        result
            .map_err(|p| if instruction.span == within { Problem { span: within, ..p } } else { p })
    }

    /// Returns a word with its variables replaced.
    fn expand(&mut self, word: &Word, state: &StageState) -> Result<String, Problem> {
        Ok(self.expand_words(word, state)?.0)
    }

    /// Returns a word with its variables replaced, as text and as words.
    fn expand_words(
        &mut self,
        word: &Word,
        state: &StageState,
    ) -> Result<(String, Vec<String>), Problem> {
        let lexer = Lexer::new(self.file.directives.escape());
        let out = lexer.expand(&word.text, &state.scope).map_err(|error| {
            Problem::error(word.span, "word", format!("failed to process `{}`: {error}", word.text))
        })?;
        for name in &out.unset {
            let near = hako_dockerfile::nearest(name, state.scope.names());
            let message = format!("usage of undefined variable `${name}`");
            self.warnings
                .push(Problem::warning(word.span, "UndefinedVar", message).did_you_mean(near));
        }
        Ok((out.text, out.words))
    }

    /// Returns where `name` leads that an instruction of this stage wrote behind `from`.
    fn source(&mut self, name: &str, state: &StageState, span: Span) -> Result<Source, Problem> {
        let mut found = BTreeMap::new();
        let known = self.outline.stages[state.index].sources.get(name).cloned();
        let origin = match known {
            Some(origin) => origin,
            None => {
                for trigger in self.outline.triggers(state.index, self.file, self.images)? {
                    self.outline.sources(&trigger, state.index, self.request, &mut found)?;
                }
                found.remove(name).ok_or_else(|| {
                    Problem::error(span, "from", format!("`{name}` cannot be used as a source"))
                        .hint("variables are not replaced in `from`; use a stage that stands on it")
                })?
            }
        };
        Ok(match origin {
            Origin::Stage(index) => Source::Vertex(self.done[&index].vertex),
            Origin::Context(name) => Source::Context(name),
            Origin::Scratch => Source::Vertex(self.root(None, span)),
            Origin::Image(image) => {
                self.image(&image, span)?;
                Source::Vertex(self.root(Some(&image), span))
            }
        })
    }

    /// Warns about arguments that nothing asked for.
    fn unused_arguments(&mut self) {
        let declared: BTreeSet<&str> = self
            .file
            .stages
            .iter()
            .flat_map(|stage| &stage.instructions)
            .chain(&self.file.arguments)
            .filter_map(|i| if let Kind::Arg(list) = &i.kind { Some(list) } else { None })
            .flatten()
            .map(|declaration| declaration.name.text.as_str())
            .collect();
        let is_known = |name: &str| {
            declared.contains(name)
                || PROXIES.contains(&name)
                || name.starts_with("BUILDKIT_")
                || ["SOURCE_DATE_EPOCH", "TARGETPLATFORM", "BUILDPLATFORM"].contains(&name)
                || self.used_arguments.contains(name)
        };
        let unused: Vec<&str> = self
            .request
            .arguments
            .keys()
            .map(String::as_str)
            .filter(|name| !is_known(name))
            .collect();
        if !unused.is_empty() {
            let message =
                format!("one or more build-args [{}] were not consumed", unused.join(" "));
            self.warnings.push(Problem::warning(Span::default(), "UnusedBuildArgs", message));
        }
    }
}

fn makes_layer(kind: &Kind) -> bool {
    matches!(kind, Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) | Kind::Workdir(_))
}

/// Returns `path` from the root: below `directory` where it is relative. A slash at its end stays.
fn absolute(directory: &str, path: &str) -> String {
    let joined =
        if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let mut clean = hako_dockerfile::ignore::clean(&format!("/{joined}"));
    let is_directory =
        path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.");
    if is_directory && !clean.ends_with('/') {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests;
