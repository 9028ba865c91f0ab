//! `system check`.

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[switch("repair", "mend what is found")];

pub(super) const CHECK: Command = Command {
    names: &["system check"],
    about: "Check the state directory for what killed commands have left",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: check,
};

fn check(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let repair = parsed.on("repair");
    let report = session.engine()?.system().check(repair)?;
    for finding in &report.findings {
        say(&format!("{finding}\n"));
    }
    let left = report.left();
    let sound = if report.findings.is_empty() { "sound\n".to_owned() } else { String::new() };
    say(&sound);
    if left > 0 && !repair {
        return Err(Failure::new(format!("{left} faults found")).with_hint("mend them with `hako system check --repair`"));
    }
    Ok(u8::from(left > 0))
}
