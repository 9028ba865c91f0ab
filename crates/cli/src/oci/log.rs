//! Where failures go: standard error, and the log that the caller reads them from.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use hako_runtime::plan::capability;
use hako_runtime::spec::Capabilities;
use hako_types::Moment;
use serde_json::json;

use super::Failure;

/// Where failures go.
#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<PathBuf>,
    is_json: bool,
}

impl Log {
    /// A log that is this file, or standard error.
    pub(super) fn new(file: Option<&str>, is_json: bool) -> Self {
        Self { file: file.filter(|file| !file.is_empty()).map(PathBuf::from), is_json }
    }

    /// Reports a failure; returns the exit code.
    pub(super) fn report(&self, failure: &Failure) -> u8 {
        self.line("error", &failure.text);
        if self.file.is_some() {
            print_error(&failure.text);
        }
        failure.code
    }

    /// Reports something that is not as it should be.
    pub(super) fn warn(&self, text: &str) {
        self.line("warning", text);
    }

    /// Reports the capabilities that the program was to have and will not.
    pub(super) fn warn_of_capabilities(&self, wanted: Option<&Capabilities>) {
        wanted.into_iter().flat_map(capability::warnings).for_each(|text| self.warn(&text));
    }

    fn line(&self, level: &str, text: &str) {
        let line = if self.is_json {
            json!({ "level": level, "msg": text, "time": Moment::now().to_string() }).to_string()
        } else if self.file.is_some() {
            format!("time={:?} level={level} msg={text:?}", Moment::now().to_string())
        } else {
            format!("hako oci: {text}")
        };
        let Some(file) = &self.file else { return print_error(&line) };
        let opened = OpenOptions::new().create(true).append(true).open(file);
        if opened.and_then(|mut file| writeln!(file, "{line}")).is_err() {
            print_error(&line);
        }
    }
}

/// Writes text to standard output; a reader that went away is no failure.
pub(super) fn print(text: &str) {
    let _reader_gone = std::io::stdout().write_all(text.as_bytes());
}

fn print_error(text: &str) {
    let _reader_gone = writeln!(std::io::stderr(), "{text}");
}
