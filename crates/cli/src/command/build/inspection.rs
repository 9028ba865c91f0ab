//! Looking without building: `--check` and `--list-context`.

use hako_types::Bytes;

use super::inputs::Inputs;
use super::mistakes;
use crate::report::Failure;
use crate::terminal;

/// `--check`: tells what is wrong or could be better, and builds nothing.
pub(super) fn check(inputs: &Inputs) -> Result<u8, Failure> {
    let problems = match hako_dockerfile::parse(&inputs.text) {
        Ok((file, found)) => hako_dockerfile::lint::lint(&file, &found),
        Err(problems) => problems,
    };
    if problems.is_empty() {
        crate::command::say("Check complete, no warnings found.\n");
        return Ok(0);
    }
    let colours = terminal::is_terminal(rustix::stdio::stdout());
    crate::command::say(&mistakes::shown(&inputs.text, &inputs.name, &problems, colours));
    crate::command::say(&format!("Check complete, {} found.\n", problems.len()));
    Ok(1)
}

/// `--list-context`.
pub(super) fn list_context(inputs: &Inputs) -> Result<u8, Failure> {
    let Some(context) = &inputs.context else { return Err(Failure::new("there is no context")) };
    let listed = hako_engine::build::list_context(context)?;
    let mut text = String::new();
    let mut total = 0;
    for entry in &listed {
        match &entry.rule {
            Some(rule) => {
                text.push_str(&format!("{:>10}  {}  (left out by `{rule}`)\n", "-", entry.path));
            }
            None => {
                total += entry.size;
                text.push_str(&format!("{:>10}  {}\n", Bytes(entry.size).human3(), entry.path));
            }
        }
    }
    text.push_str(&format!("{:>10}  in all\n", Bytes(total).human3()));
    crate::command::say(&text);
    Ok(0)
}
