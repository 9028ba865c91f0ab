//! `COPY`, `ADD` and `WORKDIR`.

use hako_dockerfile::instruction::{Copy, Instruction, Word};
use hako_dockerfile::{Lexer, Problem, Variables};

use super::{Planner, StageState, absolute, command};
use crate::graph::{CopyOp, CopySource, DirectoryOp, DownloadOp, Operation, Source, Vertex};

impl Planner<'_> {
    pub(super) fn copy(
        &mut self,
        copy: &Copy,
        instruction: &Instruction,
        state: &mut StageState,
        is_add: bool,
    ) -> Result<(), Problem> {
        let expanded = |word: &Option<Word>, planner: &mut Self| match word {
            Some(word) => planner.expand(word, state).map(Some),
            None => Ok(None),
        };
        let owner = expanded(&copy.chown, self)?.filter(|owner| !owner.is_empty());
        let mode = expanded(&copy.chmod, self)?.filter(|mode| !mode.is_empty());
        let checksum = expanded(&copy.checksum, self)?;
        if let Some(mode) = &mode
            && !crate::copy::is_mode(mode)
        {
            let span = copy.chmod.as_ref().map_or(instruction.span, |word| word.span);
            return Err(Problem::error(span, "chmod", format!("invalid `--chmod` value `{mode}`"))
                .hint("write octal digits (0755) or symbols (u=rwX,go=rX)"));
        }
        let target = self.expand(&copy.target, state)?;
        let mut operation = CopyOp {
            target: absolute(&command::directory(state), &target),
            owner,
            mode,
            link: copy.link,
            parents: copy.parents,
            ..CopyOp::default()
        };
        for word in &copy.exclude {
            operation.exclude.push(self.expand(word, state)?);
        }
        operation.sources = self.sources(copy, instruction, state, (is_add, checksum))?;
        if operation.sources.len() > 1 && !operation.target.ends_with('/') {
            operation.target.push('/');
        }
        let text = shown(instruction, &state.scope);
        let id = self.step(state, instruction, &text, Operation::Copy(Box::new(operation)));
        state.note_layer(&text, id);
        Ok(())
    }

    fn sources(
        &mut self,
        copy: &Copy,
        instruction: &Instruction,
        state: &StageState,
        (is_add, checksum): (bool, Option<String>),
    ) -> Result<Vec<CopySource>, Problem> {
        let from = match &copy.from {
            Some(word) => self.source(&word.text, state, word.span)?,
            None => Source::Context(String::new()),
        };
        let mut sources = Vec::new();
        for word in &copy.sources {
            let path = self.expand(word, state)?;
            if is_add && is_address(&path) {
                let download = download(&path, checksum.clone(), copy);
                let (name, is_git) = (download.name.clone(), download.is_git);
                let id = self.push(Vertex {
                    name: format!("[internal] load remote {path}"),
                    span: Some(instruction.span),
                    parent: None,
                    operation: Operation::Download(download),
                    no_cache: false,
                });
                let path = if is_git { ".".into() } else { name };
                sources.push(CopySource {
                    from: Source::Vertex(id),
                    path,
                    unpack: copy.unpack.unwrap_or(false),
                });
                continue;
            }
            if from == Source::Context(String::new()) && !self.request.has_context {
                let message = format!("there is no context to copy `{path}` from");
                return Err(Problem::error(word.span, "context", message)
                    .hint("give the build a directory"));
            }
            let unpack = is_add && copy.unpack.unwrap_or(true);
            sources.push(CopySource { from: from.clone(), path, unpack });
        }
        for heredoc in &copy.heredocs {
            let mut content = heredoc.text();
            if heredoc.expand {
                content = Lexer::heredoc('\\')
                    .expand(&content, &state.scope)
                    .map(|out| out.text)
                    .map_err(|error| {
                    Problem::error(
                        instruction.span,
                        "word",
                        format!("failed to process heredoc `{}`: {error}", heredoc.name),
                    )
                })?;
            }
            let name = heredoc.name.clone();
            let from = Source::Inline { name: name.clone(), content };
            sources.push(CopySource { from, path: name, unpack: false });
        }
        Ok(sources)
    }

    /// `WORKDIR`: relative to the one before; made, where it is missing, for the user of that line.
    pub(super) fn workdir(
        &mut self,
        word: &Word,
        instruction: &Instruction,
        state: &mut StageState,
    ) -> Result<(), Problem> {
        let path = self.expand(word, state)?;
        let mut path = absolute(&command::directory(state), &path);
        if path.len() > 1 {
            path.truncate(path.trim_end_matches('/').len());
        }
        state.config.config.working_dir.clone_from(&path);
        let owner = state.config.config.user.clone();
        let operation = Operation::Directory(DirectoryOp { path: path.clone(), owner });
        let text = format!("WORKDIR {path}");
        let id = self.step(state, instruction, &text, operation);
        state.history.push(super::Made { created_by: text, vertex: Some(id) });
        Ok(())
    }
}

/// Returns an instruction as people see it: variables replaced where that can be done.
fn shown(instruction: &Instruction, scope: &dyn Variables) -> String {
    let text = instruction.text();
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, skip_unset: true, ..Lexer::new('\\') };
    lexer.expand(&text, scope).map_or(text, |out| out.text)
}

fn is_address(path: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
        || (path.starts_with("github.com/") && path.contains(".git"))
}

fn download(url: &str, checksum: Option<String>, copy: &Copy) -> DownloadOp {
    let address = url.split('#').next().unwrap_or(url);
    let is_git = !address.starts_with("http") || address.ends_with(".git");
    let path = address.split('?').next().unwrap_or(address);
    let after_host = path.splitn(4, '/').nth(3).unwrap_or_default();
    let name = after_host
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or("download")
        .to_owned();
    DownloadOp { url: url.to_owned(), checksum, name, is_git, keep_git_dir: copy.keep_git_dir }
}
