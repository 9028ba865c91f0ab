//! `run`: create, start, talk.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use hako_engine::Error;
use hako_engine::container::{CreateRequest, StartOptions, Streams};
use hako_engine::error::Object;

use super::{Command, complain, say};
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::{Conversation, End, Keys, is_terminal, size};
use crate::{create, image};

pub(super) const COMMAND: Command = Command {
    names: &["run", "container run"],
    about: "Create and run a new container from an image",
    syntax: Syntax {
        words: "IMAGE [COMMAND] [ARG...]",
        count: Words::AtLeast(1),
        program: true,
        flags: create::RUN,
    },
    run,
};

fn run(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let mut request = request(session, parsed)?;
    let detach = parsed.on("detach");
    if detach {
        if parsed.given("attach") {
            return Err(Failure::engine("Conflicting options: -a and -d"));
        }
        request.config.attach_stdin = false;
        request.config.attach_stdout = false;
        request.config.attach_stderr = false;
        request.config.stdin_once = false;
    } else {
        check_terminal(request.config.tty, request.config.attach_stdin)?;
    }
    let keys = keys(session, parsed.text("detach-keys"))?;
    let id = made(session, parsed, &request)?;
    session.mark("create the container");
    let containers = session.engine()?.containers();
    let config = &request.config;
    let streams = Streams {
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
    };
    let attach = (streams.stdin || streams.stdout || streams.stderr).then_some(streams);
    let size = if config.tty {
        size(rustix::stdio::stdout()).or_else(|| size(rustix::stdio::stdin()))
    } else {
        None
    };
    let started = containers.start(&id, StartOptions { attach, size });
    session.mark("start the container");
    let attachment = match started {
        Ok(attachment) => attachment,
        Err(error) => {
            if detach && !request.host.auto_remove {
                say(&format!("{id}\n"));
            }
            return Err(Failure::running(error));
        }
    };
    let Some(attachment) = attachment else {
        say(&format!("{id}\n"));
        return Ok(0);
    };
    let proxy = !parsed.given("sig-proxy") || parsed.on("sig-proxy");
    let conversation = Conversation { stdin: streams.stdin, tty: config.tty, proxy, keys };
    let end = conversation
        .hold(&attachment)
        .map_err(|error| Failure::io("the container cannot be heard", &error))?;
    session.mark("talk with the program");
    ended(end)
}

/// Refuses to put a terminal's program on an input that is none.
pub(super) fn check_terminal(tty: bool, stdin: bool) -> Result<(), Failure> {
    if tty && stdin && !is_terminal(rustix::stdio::stdin()) {
        return Err(Failure::new("the input device is not a TTY")
            .with_hint("leave `-t` out, or run the command from a terminal"));
    }
    Ok(())
}

/// Returns the keys that detach: those of the flag, of the user's configuration, or the usual ones.
pub(super) fn keys(session: &Session, flag: Option<&str>) -> Result<Keys, Failure> {
    match flag.or(session.config().detach_keys.as_deref()) {
        Some(text) => Keys::parse(text).map_err(Failure::engine),
        None => Ok(Keys::default()),
    }
}

/// Returns the exit code for the end of a conversation.
pub(super) fn ended(end: End) -> Result<u8, Failure> {
    match end {
        End::Exit(code) => Ok(u8::try_from(code & 0xff).unwrap_or(255)),
        End::Refused(refusal) => {
            let code = u8::try_from(refusal.code).unwrap_or(125);
            Err(Failure::new(refusal.message).with_code(code))
        }
        End::Detached => {
            say("\n");
            Ok(0)
        }
        End::ReaderGone => Err(Failure::silent(141)),
        End::Signal(signal) => Err(Failure::silent(u8::try_from(128 + signal).unwrap_or(255))),
        End::Lost => Err(Failure::engine("the container's monitor has gone away")),
    }
}

/// Returns the request of `run` or `create`, with the proxies that the user's configuration tells containers of.
pub(super) fn request(session: &Session, parsed: &Parsed) -> Result<CreateRequest, Failure> {
    let mut request = create::request(&session.around, parsed)?;
    if let Some(proxies) = session.config().proxies.get("default") {
        for (name, value) in proxies.variables() {
            let prefix = format!("{name}=");
            if !request.config.env.iter().any(|line| line.starts_with(&prefix)) {
                request.config.env.push(format!("{prefix}{value}"));
            }
        }
    }
    if let Some((columns, rows)) = size(rustix::stdio::stdout()).filter(|_| request.config.tty) {
        request.host.console_size = [rows, columns];
    }
    Ok(request)
}

/// Makes the container, pulling its image first where that is asked for or needed, and writes its id where it should be
/// written. Returns the id.
pub(super) fn made(
    session: &Session,
    parsed: &Parsed,
    request: &CreateRequest,
) -> Result<String, Failure> {
    let cid_file = CidFile::new(session, parsed)?;
    let quiet = parsed.on("quiet");
    let policy = parsed.read("pull", image::Policy::parse)?.unwrap_or_default();
    let engine = session.engine()?;
    let name = request.config.image.as_str();
    if policy == image::Policy::Always {
        image::pull(session, name, request.platform.as_ref(), quiet)
            .map_err(|failure| failure.with_code(125))?;
    }
    let created = match engine.containers().create(request) {
        Err(Error::NoSuch { object: Object::Image, .. }) if policy == image::Policy::Missing => {
            complain(&format!("Unable to find image '{}' locally\n", image::shown(name)));
            image::pull(session, name, request.platform.as_ref(), quiet)
                .map_err(|failure| failure.with_code(125))?;
            engine.containers().create(request)
        }
        result => result,
    };
    let created = created.map_err(Failure::running)?;
    for warning in &created.warnings {
        complain(&format!("WARNING: {warning}\n"));
    }
    let id = created.id.as_str().to_owned();
    if let Some(file) = cid_file {
        file.write(&id)?;
    }
    Ok(id)
}

/// The file that receives the container's id.
struct CidFile(PathBuf);

impl CidFile {
    /// Checks that the file can be made, before there is a container.
    fn new(session: &Session, parsed: &Parsed) -> Result<Option<Self>, Failure> {
        let Some(path) = parsed.text("cidfile").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let absolute = session.around.absolute(path);
        if absolute.symlink_metadata().is_ok() {
            return Err(Failure::engine(format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            )));
        }
        let directory = absolute.parent().is_some_and(std::path::Path::is_dir);
        if !directory {
            return Err(Failure::engine(format!(
                "failed to create the container ID file: {path}: no such directory"
            )));
        }
        Ok(Some(Self(absolute)))
    }

    fn write(&self, id: &str) -> Result<(), Failure> {
        let opened = OpenOptions::new().write(true).create_new(true).open(&self.0);
        opened.and_then(|mut file| file.write_all(id.as_bytes())).map_err(|error| {
            fs::remove_file(&self.0).ok();
            Failure::io(
                format!("cannot write the container's id to `{}`", self.0.display()),
                &error,
            )
            .with_code(125)
        })
    }
}
