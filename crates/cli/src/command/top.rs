//! `top`: the machine's `ps`, kept to the processes of a container.

use std::process::Command as Process;

use super::{Command, say};
use crate::args::{Parsed, Syntax, Words};
use crate::format;
use crate::report::{Failure, reason};
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["top", "container top"],
    about: "Show the running processes of a container",
    syntax: Syntax {
        words: "CONTAINER [ps OPTIONS]",
        count: Words::AtLeast(1),
        program: true,
        flags: &[],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let (name, options) = (&parsed.words[0], &parsed.words[1..]);
    let pids = session.engine()?.containers().top(name)?;
    let options: Vec<&str> = options.iter().flat_map(|option| option.split_whitespace()).collect();
    let options = if options.is_empty() { vec!["-ef"] } else { options };
    let output = match Process::new("ps").args(&options).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let hint = "install procps, which has it";
            return Err(
                Failure::new(format!("cannot run `ps`: {}", reason(&error))).with_hint(hint)
            );
        }
        Err(error) => return Err(Failure::io("cannot run `ps`", &error)),
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("ps {}: {}", options.join(" "), text.trim())));
    }
    say(&table(&String::from_utf8_lossy(&output.stdout), &pids)?);
    Ok(0)
}

/// Returns the lines of `ps` that belong to `pids`, in columns.
fn table(text: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = text.lines();
    let headings: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let Some(pid) = headings.iter().position(|heading| *heading == "PID") else {
        return Err(Failure::new("couldn't find PID field in ps output")
            .with_hint("add `pid` to the columns"));
    };
    let mut rows = vec![headings.join("\t")];
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let own = cells
            .get(pid)
            .and_then(|cell| cell.parse().ok())
            .is_some_and(|found: i32| pids.contains(&found));
        if own && cells.len() >= headings.len() {
            // The last column is the command, which has blanks of its own.
            let (head, tail) = cells.split_at(headings.len() - 1);
            rows.push(
                head.iter()
                    .copied()
                    .chain([tail.join(" ").as_str()])
                    .collect::<Vec<_>>()
                    .join("\t"),
            );
        }
    }
    Ok(format::lines(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_own_processes_are_kept() {
        let text = "UID   PID  CMD\nroot    1  init\nroot   17  sleep 4321\n";
        assert_eq!(
            table(text, &[17]).unwrap(),
            "UID       PID       CMD\nroot      17        sleep 4321\n"
        );
        assert!(table("USER CMD\n", &[]).is_err());
    }
}
