//! `COPY` and `ADD`.

use super::{Arguments, flags::Flags};
use crate::Problem;
use crate::instruction::{Copy, Heredoc};

const ONCE: [&str; 4] = ["chown", "chmod", "link", "parents"];

pub(super) fn copy(
    arguments: &Arguments<'_>,
    flags: &Flags,
    is_add: bool,
) -> Result<Copy, Problem> {
    let mut once = ONCE.to_vec();
    once.extend(if is_add { &["keep-git-dir", "checksum", "unpack"][..] } else { &["from"][..] });
    if is_add {
        once.retain(|name| *name != "parents");
    }
    flags.only(&once, &["exclude"])?;
    let mut list = arguments.list()?;
    let name = arguments.name();
    if list.len() < 2 {
        let message = if list.is_empty() {
            format!("`{name}` requires at least two arguments")
        } else {
            format!(
                "`{name}` requires at least two arguments, but only one was provided. Destination could not be determined"
            )
        };
        return Err(arguments.error(message).hint(format!("write `{name} source target`")));
    }
    let target = list.pop().unwrap_or_default();
    if target.text.is_empty() || Heredoc::announced(&target.text).is_some() {
        return Err(arguments.error(format!("`{name}` needs a path as its target")));
    }
    if let Some(word) = list.iter().find(|word| word.text.is_empty()) {
        return Err(Problem::error(
            word.span,
            "arguments",
            format!("`{name}` with an empty source"),
        ));
    }
    let heredocs = arguments.line.heredocs.clone();
    if !heredocs.is_empty() {
        list.retain(|word| Heredoc::announced(&word.text).is_none());
    }
    Ok(Copy {
        sources: list,
        heredocs,
        target,
        from: flags.value("from")?,
        chown: flags.value("chown")?,
        chmod: flags.value("chmod")?,
        link: flags.truth("link")?.unwrap_or(false),
        parents: flags.truth("parents")?.unwrap_or(false),
        exclude: flags.values("exclude")?,
        keep_git_dir: flags.truth("keep-git-dir")?.unwrap_or(false),
        checksum: flags.value("checksum")?,
        unpack: flags.truth("unpack")?,
    })
}
