//! `inspect`, for anything, and for containers and images alone.

use hako_engine::Engine;
use hako_types::{Fault, Kind, Platform};
use serde_json::Value;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::format::{Template, TemplateError, of_struct};
use crate::image;
use crate::report::Failure;
use crate::session::Session;

const FORMAT: Flag = value("format", "string", "print by a Go template, or as json").short('f');
const SIZE: Flag = switch("size", "tell the sizes of a container's files").short('s');

const ANY: &[Flag] = &[
    FORMAT,
    SIZE,
    value("type", "string", "look only for this: container, image, network or volume"),
];
const OF_IMAGE: &[Flag] =
    &[FORMAT, value("platform", "string", "of this platform: os/arch[/variant]")];

pub(super) const COMMAND: Command = Command {
    names: &["inspect"],
    about: "Tell everything about containers, images, networks and volumes",
    syntax: Syntax {
        words: "NAME|ID [NAME|ID...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[ANY],
    },
    run: any,
};

pub(super) const CONTAINER: Command = Command {
    names: &["container inspect"],
    about: "Tell everything about containers",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[&[FORMAT, SIZE]],
    },
    run: containers,
};

pub(super) const IMAGE: Command = Command {
    names: &["image inspect"],
    about: "Tell everything about images",
    syntax: Syntax {
        words: "IMAGE [IMAGE...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[OF_IMAGE],
    },
    run: images,
};

fn any(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let size = parsed.on("size");
    let finders: &[&str] = match parsed.text("type").unwrap_or_default() {
        "" => &["container", "image", "network", "volume"],
        "container" => &["container"],
        "image" => &["image"],
        "network" => &["network"],
        "volume" => &["volume"],
        other => return Err(Failure::new(format!("\"{other}\" is not a valid value for --type"))),
    };
    tell(parsed, |name| {
        for kind in finders {
            match find(engine, kind, name, size) {
                Err(error) if finders.len() > 1 && error.missing => {}
                Err(error) => return Err(error.failure),
                Ok(found) => return Ok(found),
            }
        }
        Err(Failure::new(format!("No such object: {name}")))
    })
}

/// Why an object could not be told about, and whether that is because there is none.
struct NotFound {
    missing: bool,
    failure: Failure,
}

impl<E: Fault> From<E> for NotFound {
    fn from(error: E) -> Self {
        // A name that one sort of object cannot have may be another's.
        Self {
            missing: matches!(error.kind(), Kind::NotFound | Kind::Invalid),
            failure: error.into(),
        }
    }
}

fn find(engine: &Engine, kind: &str, name: &str, size: bool) -> Result<Value, NotFound> {
    let failed = |error: serde_json::Error| NotFound {
        missing: false,
        failure: Failure::new(error.to_string()),
    };
    match kind {
        "container" => {
            serde_json::to_value(engine.containers().inspect(name, size)?).map_err(failed)
        }
        "image" => Ok(image::inspect(&engine.images()?.resolve(name)?)),
        "network" => serde_json::to_value(engine.networks().inspect(name)?).map_err(failed),
        _ => serde_json::to_value(engine.volumes().inspect(name)?).map_err(failed),
    }
}

fn containers(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let size = parsed.on("size");
    tell(parsed, |name| find(engine, "container", name, size).map_err(|error| error.failure))
}

fn images(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let images = session.engine()?.images()?;
    let platform = parsed.read("platform", str::parse::<Platform>)?;
    tell(parsed, |name| {
        let found = images.resolve(name)?;
        match &platform {
            Some(wanted) if !found.platform().matches(wanted) => Err(Failure::new(format!(
                "No such image: {name}: it is for {}, not for {wanted}",
                found.platform()
            ))),
            _ => Ok(image::inspect(&found)),
        }
    })
}

/// Prints what `find` finds for each word: as a JSON list, or by `--format`. Those that are not found are told on standard
/// error, the others are printed all the same.
pub(super) fn tell(
    parsed: &Parsed,
    find: impl Fn(&str) -> Result<Value, Failure>,
) -> Result<u8, Failure> {
    let broken = |error: TemplateError| Failure::new(error.to_string());
    let template = match parsed.text("format").filter(|format| !format.is_empty()) {
        None => None,
        Some("json") => Some(Template::parse("{{json .}}").map_err(broken)?),
        Some(format) => Some(Template::parse(format).map_err(|error| broken(error).with_code(64))?),
    };
    let (mut found, mut failures, mut text) = (Vec::new(), Vec::new(), String::new());
    for name in &parsed.words {
        match find(name) {
            Ok(value) => match &template {
                None => found.push(value),
                Some(template) => match template.run(&of_struct(&value)) {
                    Ok(line) => text.push_str(&(line + "\n")),
                    Err(error) => failures.push(broken(error)),
                },
            },
            Err(failure) => failures.push(failure),
        }
    }
    if template.is_none() {
        text = format!("{}\n", pretty(&Value::Array(found)));
    }
    say(&text);
    failures.iter().for_each(Failure::print);
    Ok(u8::from(!failures.is_empty()))
}

/// Returns JSON with four blanks for each level, as Docker writes it.
fn pretty(value: &Value) -> String {
    use serde::Serialize;
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(
        &mut out,
        serde_json::ser::PrettyFormatter::with_indent(b"    "),
    );
    value.serialize(&mut writer).ok();
    String::from_utf8(out).unwrap_or_default()
}
