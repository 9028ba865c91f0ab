//! `import`.

use hako_image::archive::{self, Import};
use hako_types::Platform;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, value, values};
use crate::image::{self, input};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    values("change", "list", "a Dockerfile instruction to apply to the image").short('c'),
    value("message", "string", "what it is about").short('m'),
    value("platform", "string", "platform of the image: os/arch[/variant]"),
];

pub(super) const COMMAND: Command = Command {
    names: &["import", "image import"],
    about: "Make an image of the files in a tar archive",
    syntax: Syntax {
        words: "file|- [REPOSITORY[:TAG]]",
        count: Words::Between(1, 2),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let source = parsed.words[0].as_str();
    if source.starts_with("http://") || source.starts_with("https://") {
        let hint = format!("fetch it first: `curl -L {source} | hako import -`");
        return Err(
            Failure::new("hako imports files and standard input, not addresses").with_hint(hint)
        );
    }
    let name = parsed.words.get(1).map(|name| image::reference(name)).transpose()?;
    let wanted = Import {
        changes: parsed.list("change"),
        message: parsed.string("message"),
        platform: parsed.read("platform", str::parse::<Platform>)?.unwrap_or_else(Platform::host),
        name,
    };
    let images = session.engine()?.images()?;
    let image = archive::import(&images, input(session, Some(source))?, &wanted)?;
    let id = image.id.to_string();
    session.engine()?.events().image("import", &id, &id);
    say(&format!("{id}\n"));
    Ok(0)
}
