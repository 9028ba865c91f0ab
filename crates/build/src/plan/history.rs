//! What the history of an image says about an instruction, in BuildKit's words.

use super::{Made, StageState};
use crate::graph::VertexId;

impl StageState {
    /// Notes an instruction that made no layer.
    pub(super) fn note(&mut self, created_by: String) {
        self.history.push(Made { created_by, vertex: None });
    }

    /// Notes an instruction that made the layer of `vertex`.
    pub(super) fn note_layer(&mut self, created_by: &str, vertex: VertexId) {
        self.history
            .push(Made { created_by: format!("{created_by} # buildkit"), vertex: Some(vertex) });
    }

    /// Returns the shell that the shell form goes through.
    pub(super) fn shell(&self) -> Vec<String> {
        match &self.config.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ => vec!["/bin/sh".into(), "-c".into()],
        }
    }
}

/// Writes a list as Go's `%q` does: `["echo" "end"]`.
pub(super) fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}

/// Writes a text as Go's `%q` does.
pub(super) fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
