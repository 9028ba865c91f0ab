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
    for line in &report.repaired {
        say(&format!("repaired: {line}\n"));
    }
    for line in &report.problems {
        say(&format!("{line}\n"));
    }
    let left = report.problems.len();
    if left == 0 {
        say("sound\n");
        return Ok(0);
    }
    let failure = Failure::new(format!("{left} faults found"));
    Err(if repair {
        failure
    } else {
        failure.with_hint("mend them with `hako system check --repair`")
    })
}
