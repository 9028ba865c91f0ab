//! `version`.

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::format::{Template, of_struct};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[value("format", "string", "print by a Go template, or json").short('f')];

pub(super) const COMMAND: Command = Command {
    names: &["version"],
    about: "Show the version",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

/// The version of Docker's API whose shapes the engine tells things in.
pub(super) const API: &str = "1.48";

fn work(_session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let arch = hako_types::Platform::host().architecture;
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let side = serde_json::json!({
        "Version": version, "ApiVersion": API, "Os": "linux", "Arch": arch, "KernelVersion": kernel,
        "Platform": {"Name": "hako"},
    });
    match parsed.text("format") {
        None => say(&format!(
            "hako\n Version:           {version}\n API version:       {API}\n OS/Arch:           linux/{arch}\n Kernel:            \
             {kernel}\n Daemon:            none\n"
        )),
        Some(format) => {
            let data = of_struct(&serde_json::json!({"Client": side, "Server": side}));
            let format = if format == "json" { "{{json .}}" } else { format };
            let text = Template::parse(format).and_then(|template| template.run(&data));
            say(&format!("{}\n", text.map_err(|error| Failure::new(error.to_string()))?));
        }
    }
    Ok(0)
}
