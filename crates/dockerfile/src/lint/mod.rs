//! Lint rules; they come with their issue.
