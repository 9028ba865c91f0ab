//! What is wrong, or could be better, in a source text.

use crate::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The build goes on; somebody should look.
    Warning,
    /// The build cannot go on.
    Error,
}

/// One finding, with its place. Whoever prints it shows the lines of the span.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it is.
    pub span: Span,
    /// The rule that found it (`unknown-instruction`, `StageNameCasing`).
    pub code: &'static str,
    /// Whether the build can go on.
    pub severity: Severity,
    /// What is wrong: lower case, no period, the subject in back-ticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Returns an error.
    #[must_use]
    pub fn error(span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self { span, code, severity: Severity::Error, message: message.into(), hint: None }
    }

    /// Returns a warning.
    #[must_use]
    pub fn warning(span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, code, message) }
    }

    /// Returns the same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the same problem with the hint that `near` was meant, where something is near.
    #[must_use]
    pub fn did_you_mean(mut self, near: Option<&str>) -> Self {
        if let Some(near) = near {
            self.hint = Some(format!("did you mean `{near}`?"));
        }
        self
    }
}
