//! `exec`.

use hako_engine::attach::Frame;
use hako_engine::container::ExecSpec;

use super::{Command, run};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::create;
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::{Conversation, End, size};

const FLAGS: &[Flag] = &[
    switch("detach", "run the command in the background").short('d'),
    value("detach-keys", "string", "the keys that detach a terminal"),
    values("env", "list", "set an environment variable").short('e'),
    values("env-file", "list", "read environment variables from a file"),
    switch("interactive", "pass standard input on").short('i'),
    switch("privileged", "give the command all capabilities"),
    switch("tty", "give the command a terminal").short('t'),
    value("user", "string", "user and group: user[:group]").short('u'),
    value("workdir", "string", "directory that the command starts in").short('w'),
];

pub(super) const COMMAND: Command = Command {
    names: &["exec", "container exec"],
    about: "Execute a command in a running container",
    syntax: Syntax {
        words: "CONTAINER COMMAND [ARG...]",
        count: Words::AtLeast(2),
        program: true,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let (tty, detach) = (parsed.on("tty"), parsed.on("detach"));
    let stdin = parsed.on("interactive") && !detach;
    if !detach {
        run::check_terminal(tty, stdin)?;
    }
    let keys = run::keys(session, parsed.text("detach-keys"))?;
    let env = create::environment(&session.around, &parsed.list("env-file"), &parsed.list("env"));
    let spec = ExecSpec {
        cmd: parsed.words[1..].to_vec(),
        env: env.map_err(Failure::new)?,
        user: parsed.string("user"),
        working_dir: parsed.string("workdir"),
        tty,
        stdin,
        privileged: parsed.on("privileged"),
        detach,
        size: if tty {
            size(rustix::stdio::stdout()).or_else(|| size(rustix::stdio::stdin()))
        } else {
            None
        },
    };
    let attachment =
        session.engine()?.containers().exec(&parsed.words[0], &spec).map_err(refused)?;
    session.mark("start the command");
    let heard = |error: std::io::Error| Failure::io("the command cannot be heard", &error);
    if detach {
        while let Some(frame) = attachment.next().map_err(heard)? {
            match frame {
                Frame::Started(_) | Frame::Done(_) | Frame::Exit(_) => return Ok(0),
                Frame::Failed(text) => {
                    let refusal = serde_json::from_slice(&text)
                        .map_err(|error| Failure::new(error.to_string()))?;
                    return run::ended(End::Refused(refusal));
                }
                _ => {}
            }
        }
        return Ok(0);
    }
    let end = Conversation { stdin, tty, proxy: false, keys }.hold(&attachment).map_err(heard)?;
    session.mark("talk with the command");
    run::ended(end)
}

/// A command that cannot be run ends with 126 or 127, a container that it cannot be run in with 1.
fn refused(error: hako_engine::Error) -> Failure {
    let code = error.exit_code();
    Failure::from(error).with_code(if code == 125 { 1 } else { code })
}
