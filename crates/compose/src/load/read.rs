//! One file → its tree: read, filled, checked, canonical, with what it extends and includes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::canonical::{Base, canonicalise};
use crate::error::{Error, Span, Trail};
use crate::interpolate::interpolate;
use crate::load::discovery::{Found, check_name, normalized_name};
use crate::load::{Files, Options, extends, include};
use crate::merge::merge;
use crate::schema::{self, DOCUMENT};
use crate::yaml::{self, Map, Node, Value};

/// Reads files, and remembers what they asked for.
pub(super) struct Reader<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) fill: bool,
    pub(super) keep_paths: bool,
    missing: RefCell<BTreeSet<String>>,
    obsolete: BTreeSet<String>,
    /// The trees as they were before their variables were filled.
    pub(super) unfilled: Vec<Node>,
    /// Networks, volumes, secrets and configs of files that services were extended from: section, name, definition.
    pub(super) borrowed: Vec<(&'static str, String, Node)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn Files, options: &Options, found: &Found) -> Self {
        Self {
            files,
            environment: found.environment.clone(),
            fill: options.interpolate,
            keep_paths: !options.resolve_paths,
            missing: RefCell::default(),
            obsolete: BTreeSet::new(),
            unfilled: Vec::new(),
            borrowed: Vec::new(),
        }
    }

    /// Reads and merges all files; returns the project's name, too, since variables may use it.
    pub(super) fn project(
        &mut self,
        options: &Options,
        found: &Found,
    ) -> Result<(String, Node), Error> {
        let mut documents = Vec::new();
        for path in &found.files {
            documents.push((path.clone(), self.parse(path)?));
        }
        let name = self.name(options, found, &documents)?;
        self.environment.insert("COMPOSE_PROJECT_NAME".into(), name.clone());
        let mut merged: Option<Node> = None;
        for (path, trees) in documents {
            for tree in trees {
                let base = self.base(&found.directory);
                let mut chain = vec![path.clone()];
                let tree = self.prepare(tree, &base, &mut chain)?;
                merged = Some(match merged {
                    None => tree,
                    Some(merged) => merge(merged, tree, ""),
                });
            }
        }
        let span = Span { file: Arc::from(""), line: 1, column: 1 };
        Ok((name, merged.unwrap_or_else(|| Node::new(Value::Map(Map::default()), &span))))
    }

    pub(super) fn base(&self, directory: &Path) -> Base {
        let home = self.environment.get("HOME").map(PathBuf::from);
        Base { directory: directory.to_owned(), home, keep: self.keep_paths }
    }

    /// Reads a file to trees, one per document.
    pub(super) fn parse(&mut self, path: &Path) -> Result<Vec<Node>, Error> {
        let text = self.files.read(path).map_err(|source| Error::Read {
            what: "the Compose file",
            path: path.to_owned(),
            source,
        })?;
        let shown: Arc<str> = Arc::from(path.to_string_lossy());
        let trees: Vec<Node> = yaml::parse(&shown, &text)?
            .into_iter()
            .filter(|tree| tree.value != Value::Null)
            .collect();
        if trees.is_empty() {
            let span = Span { file: shown, line: 1, column: 1 };
            return Err(Error::at(&span, "", "empty compose file"));
        }
        if let Some(tree) = trees.iter().find(|tree| tree.as_map().is_none()) {
            let message =
                format!("the top of a Compose file must be a mapping, not {}", tree.kind());
            return Err(Error::at(&tree.span, "", message));
        }
        self.unfilled.extend(trees.iter().cloned());
        Ok(trees)
    }

    /// Brings a tree to the form in which it can be merged. `chain` is the way of files that led here.
    pub(super) fn prepare(
        &mut self,
        tree: Node,
        base: &Base,
        chain: &mut Vec<PathBuf>,
    ) -> Result<Node, Error> {
        let mut tree = self.refine(tree, base)?;
        extends::apply(self, &mut tree, base, chain)?;
        include::apply(self, &mut tree, chain)?;
        Ok(tree)
    }

    /// Fills, checks and canonicalises a tree.
    pub(super) fn refine(&mut self, mut tree: Node, base: &Base) -> Result<Node, Error> {
        if let Some(map) = tree.as_map_mut()
            && let Some(version) = map.remove("version")
        {
            self.obsolete.insert(version.span.file.to_string());
        }
        if self.fill {
            let look_up = |name: &str| self.environment.get(name).cloned();
            interpolate(&mut tree, Trail::Root, &look_up, &mut self.missing.borrow_mut())?;
        }
        match schema::check(&mut tree, &DOCUMENT, Trail::Root) {
            Err(_) if !self.fill => {}
            done => done?,
        }
        canonicalise(&mut tree, base, !self.fill)?;
        Ok(tree)
    }

    fn name(
        &self,
        options: &Options,
        found: &Found,
        documents: &[(PathBuf, Vec<Node>)],
    ) -> Result<String, Error> {
        let chosen = options.name.as_deref().filter(|name| !name.is_empty());
        let chosen = chosen.or_else(|| {
            self.environment
                .get("COMPOSE_PROJECT_NAME")
                .map(String::as_str)
                .filter(|name| !name.is_empty())
        });
        if let Some(name) = chosen {
            return check_name(name).map(|()| name.to_owned());
        }
        let written = documents
            .iter()
            .flat_map(|(_, trees)| trees)
            .filter_map(|tree| tree.get("name"))
            .next_back();
        if let Some(node) = written {
            let mut node = node.clone();
            let look_up = |name: &str| self.environment.get(name).cloned();
            interpolate(
                &mut node,
                Trail::Root.key("name"),
                &look_up,
                &mut self.missing.borrow_mut(),
            )?;
            let text = node.scalar_text().unwrap_or_default();
            if !text.is_empty() {
                return check_name(&text)
                    .map(|()| text)
                    .map_err(|error| Error::at(&node.span, "name", error.to_string()));
            }
        }
        let directory = found
            .directory
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let name = normalized_name(&directory);
        if name.is_empty() {
            return Err(Error::inconsistent("project name must not be empty")
                .with_hint("name the project with -p"));
        }
        Ok(name)
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let missing = self.missing.borrow();
        let missing = missing
            .iter()
            .map(|name| format!("The {name:?} variable is not set. Defaulting to a blank string."));
        let obsolete = self.obsolete.iter().map(|file| {
            format!("{file}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion")
        });
        missing.chain(obsolete).collect()
    }
}
