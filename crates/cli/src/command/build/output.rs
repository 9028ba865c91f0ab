//! `--output`: where the result goes.

use std::path::PathBuf;

use hako_engine::build::{Exported, Outcome};
use hako_types::Reference;

use crate::image::{self, Output as Archive};
use crate::report::Failure;
use crate::session::Session;

/// Where the result goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Output {
    /// Into the image store; perhaps to its registries too.
    Image {
        /// Names beside those of `--tag`.
        names: Vec<String>,
        /// Whether it is pushed.
        push: bool,
    },
    /// Into a directory.
    Directory(PathBuf),
    /// Into a tar of the files.
    Tar(String),
    /// Into an archive with the image.
    Archive {
        /// The file; `-` is standard output.
        target: String,
        /// Names beside those of `--tag`.
        names: Vec<String>,
    },
}

impl Output {
    /// Reads one `--output`.
    ///
    /// # Errors
    /// When it is malformed.
    pub(super) fn read(session: &Session, text: &str) -> Result<Self, Failure> {
        if text == "-" {
            return Ok(Self::Tar("-".into()));
        }
        if !text.contains('=') {
            return Ok(Self::Directory(session.around.absolute(text)));
        }
        let (mut kind, mut target, mut names, mut push) = (String::new(), None, Vec::new(), false);
        let mut unpacked = false;
        for field in text.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, "true"));
            match key.trim().to_ascii_lowercase().as_str() {
                "type" => value.clone_into(&mut kind),
                "dest" => target = Some(value.to_owned()),
                "name" => {
                    names.extend(value.split(',').map(|name| name.trim_matches('"').to_owned()));
                }
                "push" => push = value == "true",
                "tar" => unpacked = value == "false",
                _ => {}
            }
        }
        let needs = |target: Option<String>| {
            target.ok_or_else(|| Failure::new(format!("the output `{text}` needs a dest")))
        };
        match kind.as_str() {
            "local" => Ok(Self::Directory(session.around.absolute(&needs(target)?))),
            "tar" => Ok(Self::Tar(target.unwrap_or_else(|| "-".into()))),
            "oci" if unpacked => {
                Err(Failure::new("an unpacked layout is not supported: leave tar=false out"))
            }
            "oci" => Ok(Self::Archive { target: target.unwrap_or_else(|| "-".into()), names }),
            "docker" => Ok(match target {
                Some(target) => Self::Archive { target, names },
                None => Self::Image { names, push: false },
            }),
            "image" => Ok(Self::Image { names, push }),
            "registry" => Ok(Self::Image { names, push: true }),
            "cacheonly" => Ok(Self::Image { names, push: false }),
            "" => Err(Failure::new(format!("the output `{text}` needs a type"))),
            other => Err(Failure::new(format!("unsupported output type `{other}`"))
                .with_hint("there are local, tar, oci, docker, image and registry")),
        }
    }

    /// Tells whether the result goes to the standard output.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Self::Tar(target) | Self::Archive { target, .. } if target == "-")
    }

    /// Makes the output; returns the image, where there is one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn make(
        &self,
        session: &Session,
        outcome: &Outcome<'_>,
        tags: &[Reference],
    ) -> Result<Option<Exported>, Failure> {
        match self {
            Self::Directory(path) => {
                outcome.directory(path)?;
                Ok(None)
            }
            Self::Tar(target) => {
                let mut archive = Archive::open(session, Some(target))?;
                outcome.tar(archive.writer())?;
                archive.keep()?;
                Ok(None)
            }
            Self::Archive { target, names } => {
                let names = all(tags, names)?;
                let mut archive = Archive::open(session, Some(target))?;
                let exported = outcome.archive(&names, archive.writer())?;
                archive.keep()?;
                Ok(Some(exported))
            }
            Self::Image { names, push } => {
                let names = all(tags, names)?;
                let exported = outcome.image(&names)?;
                if *push {
                    if names.is_empty() {
                        return Err(
                            Failure::new("a name is needed when pushing").with_hint("add `--tag`")
                        );
                    }
                    let client = image::client(session);
                    for name in &names {
                        image::push_named(
                            session,
                            &client,
                            (&exported.image, name),
                            image::Mode::Stderr,
                        )?;
                    }
                }
                Ok(Some(exported))
            }
        }
    }
}

fn all(tags: &[Reference], names: &[String]) -> Result<Vec<Reference>, Failure> {
    let mut all = tags.to_vec();
    for name in names {
        all.push(image::reference(name)?.tagged());
    }
    Ok(all)
}
