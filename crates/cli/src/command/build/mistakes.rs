//! Mistakes in a Dockerfile, shown in its text.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use hako_dockerfile::{Problem, Severity, Span};

/// Returns what is wrong with a text, each in its lines.
pub(super) fn shown(text: &str, name: &str, problems: &[Problem], colours: bool) -> String {
    let mut out = String::new();
    for problem in problems {
        let level = if problem.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
        let snippet = snippet(text, name, problem.span);
        let title = if problem.severity == Severity::Error {
            problem.message.clone()
        } else {
            format!("{}: {}", problem.code, problem.message)
        };
        let mut group = Group::with_title(level.primary_title(title)).element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint.clone()));
        }
        out.push_str(&renderer(colours).render(&[group]));
        out.push('\n');
    }
    out
}

/// Returns the lines of a step that failed.
pub(super) fn place(text: &str, name: &str, span: Span, message: &str, colours: bool) -> String {
    let group = Group::with_title(Level::ERROR.primary_title(message.to_owned()))
        .element(snippet(text, name, span));
    format!("{}\n", renderer(colours).render(&[group]))
}

fn renderer(colours: bool) -> Renderer {
    if colours { Renderer::styled() } else { Renderer::plain() }
}

fn snippet<'a>(
    text: &'a str,
    name: &str,
    span: Span,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let end = span.end.min(text.len());
    let start = span.start.min(end);
    Snippet::source(text).path(name.to_owned()).annotation(AnnotationKind::Primary.span(start..end))
}
