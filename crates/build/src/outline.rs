//! The stages of a file: what each stands on, what it takes from where, and which of them the target needs.

use std::collections::{BTreeMap, BTreeSet};

use hako_dockerfile::instruction::{Instruction, Kind, MountKind, Word};
use hako_dockerfile::{Dockerfile, Lexer, Problem, Stage, nearest};
use hako_types::{Platform, Reference};

use crate::request::{NamedContext, Request};
use crate::scope::{Scope, platform_arguments};

/// Where a name in `FROM`, `--from` or `from=` leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// No files at all.
    Scratch,
    /// Another stage.
    Stage(usize),
    /// A directory of the caller's.
    Context(String),
    /// An image.
    Image(ImageWanted),
}

/// An image that has to be found.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageWanted {
    /// The reference as it was written, variables replaced.
    pub reference: String,
    /// For which platform, as text.
    pub platform: String,
}

/// A stage, its `FROM` understood.
#[derive(Clone, Debug)]
pub(crate) struct StageOutline {
    pub(crate) origin: Origin,
    pub(crate) platform: Platform,
    pub(crate) name: Option<String>,
    /// Where the sources of its instructions lead, by how they are written.
    pub(crate) sources: BTreeMap<String, Origin>,
}

/// The stages that the target needs.
#[derive(Clone, Debug)]
pub struct Outline {
    pub(crate) stages: Vec<StageOutline>,
    pub(crate) globals: Scope,
    pub(crate) target: usize,
    /// Names of the stages, in lower case, as the file has them.
    names: Vec<Option<String>>,
}

/// Understands every `FROM` of `file` and finds the target.
///
/// # Errors
/// All names that lead nowhere.
pub fn outline(file: &Dockerfile, request: &Request) -> Result<Outline, Vec<Problem>> {
    let names: Vec<Option<String>> = file
        .stages
        .iter()
        .map(|s| s.from.name.as_ref().map(|name| name.text.to_ascii_lowercase()))
        .collect();
    let target = target(file, &names, request).map_err(|problem| vec![problem])?;
    let stage_name = names[target].clone().unwrap_or_else(|| "default".into());
    let globals = globals(file, request, &stage_name).map_err(|problem| vec![problem])?;
    let mut outline = Outline { stages: Vec::new(), globals, target, names };
    let mut problems = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        match outline.stage(index, stage, file, request) {
            Ok(stage) => outline.stages.push(stage),
            Err(problem) => {
                problems.push(problem);
                outline.stages.push(StageOutline {
                    origin: Origin::Scratch,
                    platform: request.platform.clone(),
                    name: None,
                    sources: BTreeMap::new(),
                });
            }
        }
    }
    if problems.is_empty() { Ok(outline) } else { Err(problems) }
}

fn target(
    file: &Dockerfile,
    names: &[Option<String>],
    request: &Request,
) -> Result<usize, Problem> {
    let last = file.stages.len() - 1;
    let Some(wanted) = request.target.as_ref().filter(|wanted| !wanted.is_empty()) else {
        return Ok(last);
    };
    let lower = wanted.to_ascii_lowercase();
    let named = names.iter().rposition(|name| name.as_deref() == Some(&lower));
    let numbered = || lower.parse::<usize>().ok().filter(|index| *index <= last);
    named.or_else(numbered).ok_or_else(|| {
        let near = nearest(&lower, names.iter().flatten().map(String::as_str));
        let message = format!("target stage `{wanted}` could not be found");
        Problem::error(file.stages[last].span, "target", message).did_you_mean(near)
    })
}

/// Returns the arguments before the first stage, with those that every file has.
fn globals(file: &Dockerfile, request: &Request, target_stage: &str) -> Result<Scope, Problem> {
    let mut scope = Scope::default();
    for (name, value) in platform_arguments(request, target_stage) {
        let value = request.arguments.get(&name).cloned().unwrap_or(value);
        scope.set(&name, value);
    }
    for instruction in &file.arguments {
        let Kind::Arg(declarations) = &instruction.kind else { continue };
        for declaration in declarations {
            let name = &declaration.name.text;
            let value = match (request.arguments.get(name), &declaration.default) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(word)) => Some(expand(word, file, &scope)?),
                (None, None) => None,
            };
            if let Some(value) = value {
                scope.set(name, value);
            }
        }
    }
    Ok(scope)
}

fn expand(word: &Word, file: &Dockerfile, scope: &Scope) -> Result<String, Problem> {
    word.expand(Lexer::new(file.directives.escape()), scope).map_err(|error| {
        Problem::error(word.span, "word", format!("failed to process `{}`: {error}", word.text))
    })
}

impl Outline {
    fn stage(
        &self,
        index: usize,
        stage: &Stage,
        file: &Dockerfile,
        request: &Request,
    ) -> Result<StageOutline, Problem> {
        let platform = match &stage.from.platform {
            None => request.platform.clone(),
            Some(word) => {
                let text = expand(word, file, &self.globals)?;
                if text.is_empty() {
                    request.platform.clone()
                } else {
                    text.parse().map_err(|error: hako_types::platform::InvalidPlatform| {
                        Problem::error(word.span, "platform", error.to_string())
                    })?
                }
            }
        };
        let word = &stage.from.image;
        let name = expand(word, file, &self.globals)?;
        if name.is_empty() {
            let message = format!("base name (`{}`) should not be blank", word.text);
            return Err(Problem::error(word.span, "from-blank", message).hint(
                "give the argument a default above the first `FROM`, or pass it with `--build-arg`",
            ));
        }
        let origin = self
            .origin(&name, index, &platform, request)
            .map_err(|why| Problem::error(word.span, "from", why))?;
        let mut sources = BTreeMap::new();
        for instruction in &stage.instructions {
            self.sources(instruction, index, request, &mut sources)?;
        }
        Ok(StageOutline { origin, platform, name: self.names[index].clone(), sources })
    }

    /// Notes where the sources of one instruction lead.
    pub(crate) fn sources(
        &self,
        instruction: &Instruction,
        index: usize,
        request: &Request,
        found: &mut BTreeMap<String, Origin>,
    ) -> Result<(), Problem> {
        let mut names: Vec<(String, hako_dockerfile::Span)> = Vec::new();
        match &instruction.kind {
            Kind::Copy(copy) => {
                names.extend(copy.from.iter().map(|word| (word.text.clone(), word.span)));
            }
            Kind::Run(run) => {
                for mount in run.mounts.iter() {
                    let mount = mount.resolve(&|word| Ok(word.text.clone())).unwrap_or_default();
                    if matches!(mount.kind, MountKind::Bind | MountKind::Cache) {
                        names.extend(mount.from.map(|from| (from, instruction.span)));
                    }
                }
            }
            _ => {}
        }
        for (name, span) in names {
            if self.names[index].as_deref() == Some(&name.to_ascii_lowercase())
                && !request.contexts.contains_key(&name)
            {
                let message = format!("circular dependency: stage `{name}` copies from itself");
                return Err(Problem::error(span, "from", message));
            }
            let origin = self
                .origin(&name, index, &request.platform, request)
                .map_err(|why| Problem::error(span, "from", why))?;
            found.insert(name, origin);
        }
        Ok(())
    }

    /// Finds what `name` means in stage `index`.
    fn origin(
        &self,
        name: &str,
        index: usize,
        platform: &Platform,
        request: &Request,
    ) -> Result<Origin, String> {
        if let Some(context) = named_context(name, request) {
            return Ok(context);
        }
        let lower = name.to_ascii_lowercase();
        if let Some(stage) =
            self.names[..index].iter().rposition(|known| known.as_deref() == Some(&lower))
        {
            return Ok(Origin::Stage(stage));
        }
        if lower == "scratch" {
            return Ok(Origin::Scratch);
        }
        if let Ok(number) = lower.parse::<usize>() {
            return if number < index {
                Ok(Origin::Stage(number))
            } else {
                Err(format!("there is no stage {number} before this one"))
            };
        }
        if let Err(error) = name.parse::<Reference>() {
            let near = nearest(&lower, self.names[..index].iter().flatten().map(String::as_str));
            let meant =
                near.map(|near| format!(" (did you mean the stage `{near}`?)")).unwrap_or_default();
            return Err(format!("failed to parse stage or image name `{name}`: {error}{meant}"));
        }
        Ok(Origin::Image(ImageWanted {
            reference: name.to_owned(),
            platform: platform.to_string(),
        }))
    }

    /// Returns the stages that the target needs, in the order of the file; `more` are the sources of triggers, by stage.
    pub(crate) fn needed(&self, more: &BTreeMap<usize, Vec<Origin>>) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open = vec![self.target];
        while let Some(index) = open.pop() {
            if !needed.insert(index) {
                continue;
            }
            let stage = &self.stages[index];
            let origins = stage
                .sources
                .values()
                .chain([&stage.origin])
                .chain(more.get(&index).into_iter().flatten());
            open.extend(origins.filter_map(|origin| {
                if let Origin::Stage(other) = origin { Some(*other) } else { None }
            }));
        }
        needed
    }

    /// Returns the images that the target needs, those that triggers of images bring in left out.
    #[must_use]
    pub fn images(&self) -> BTreeSet<ImageWanted> {
        self.needed(&BTreeMap::new())
            .into_iter()
            .flat_map(|index| {
                self.stages[index].sources.values().chain([&self.stages[index].origin])
            })
            .filter_map(
                |origin| if let Origin::Image(image) = origin { Some(image.clone()) } else { None },
            )
            .collect()
    }
}

/// Returns what `--build-context name=…` says, for a name or for the image that it names.
fn named_context(name: &str, request: &Request) -> Option<Origin> {
    let same = |a: &str| {
        a == name
            || matches!((a.parse::<Reference>(), name.parse::<Reference>()), (Ok(a), Ok(b)) if a.clone().tagged() == b.clone().tagged())
    };
    let (key, context) = request
        .contexts
        .get_key_value(name)
        .or_else(|| request.contexts.iter().find(|(key, _)| same(key)))?;
    Some(match context {
        NamedContext::Directory => Origin::Context(key.clone()),
        NamedContext::Image(reference) => Origin::Image(ImageWanted {
            reference: reference.clone(),
            platform: request.platform.to_string(),
        }),
    })
}

impl Outline {
    /// Returns the images that are needed and not among `known`, triggers of the known ones included.
    ///
    /// # Errors
    /// When a trigger cannot be read, or leads nowhere.
    pub fn missing(
        &self,
        file: &Dockerfile,
        request: &Request,
        known: &BTreeMap<ImageWanted, crate::request::Base>,
    ) -> Result<BTreeSet<ImageWanted>, Problem> {
        let more = self.trigger_sources(file, request, known)?;
        let mut missing = BTreeSet::new();
        for index in self.needed(&more) {
            let stage = &self.stages[index];
            let origins = stage
                .sources
                .values()
                .chain([&stage.origin])
                .chain(more.get(&index).into_iter().flatten());
            for origin in origins {
                if let Origin::Image(image) = origin
                    && !known.contains_key(image)
                {
                    missing.insert(image.clone());
                }
            }
        }
        Ok(missing)
    }

    /// Returns where the sources of triggers lead, by stage.
    pub(crate) fn trigger_sources(
        &self,
        file: &Dockerfile,
        request: &Request,
        known: &BTreeMap<ImageWanted, crate::request::Base>,
    ) -> Result<BTreeMap<usize, Vec<Origin>>, Problem> {
        let mut more = BTreeMap::new();
        for index in 0..self.stages.len() {
            let mut found = BTreeMap::new();
            for trigger in self.triggers(index, file, known)? {
                self.sources(&trigger, index, request, &mut found)?;
            }
            more.insert(index, found.into_values().collect());
        }
        Ok(more)
    }

    /// Returns the triggers that stage `index` begins with; their places are that of its `FROM`.
    pub(crate) fn triggers(
        &self,
        index: usize,
        file: &Dockerfile,
        known: &BTreeMap<ImageWanted, crate::request::Base>,
    ) -> Result<Vec<Instruction>, Problem> {
        let texts: Vec<String> = match &self.stages[index].origin {
            Origin::Image(image) => {
                known.get(image).map(|base| base.config.config.on_build.clone()).unwrap_or_default()
            }
            Origin::Stage(other) => file.stages[*other]
                .instructions
                .iter()
                .filter_map(|i| {
                    if let Kind::Onbuild(text, _) = &i.kind { Some(text.clone()) } else { None }
                })
                .collect(),
            _ => Vec::new(),
        };
        let span = file.stages[index].span;
        texts
            .iter()
            .map(|text| {
                let trigger = hako_dockerfile::parse_trigger(text).map_err(|problem| Problem {
                    span,
                    message: format!("in the ONBUILD trigger `{text}`: {}", problem.message),
                    ..problem
                })?;
                Ok(Instruction { span, ..trigger })
            })
            .collect()
    }
}
