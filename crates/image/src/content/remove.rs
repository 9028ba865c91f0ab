//! Removing images, by Docker's rules.
//!
//! A name goes; when it was the last one, the image goes too. An id takes all names with it, if they are all in one
//! repository or it is forced. Containers stand against it: running ones always, stopped ones until it is
//! forced. What happens is decided on values ([`plan`]) and then done in the same transaction that they were read in.

use hako_store::rusqlite::Connection;
use hako_types::{Digest, Reference};

use super::{Error, Image, Images, resolve, rows};

/// A container that was made from an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageUse {
    /// The image.
    pub image: Digest,
    /// The container's short id.
    pub container: String,
    /// Whether it runs.
    pub running: bool,
}

/// What went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Removed {
    /// A name, or a repository's digest.
    Untagged(Reference),
    /// The image itself.
    Deleted(Digest),
}

impl std::fmt::Display for Removed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Untagged(name) => write!(f, "Untagged: {}", name.familiar()),
            Self::Deleted(id) => write!(f, "Deleted: {id}"),
        }
    }
}

impl Images<'_> {
    /// Removes what `text` names (see [`resolve`](Self::resolve)): a name, or an image. The layers stay until [`free_layers`](Self::free_layers).
    ///
    /// `uses` are the containers of all images. Returns what went, in the order to print.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and [`Error::InUse`].
    pub fn remove(
        &self,
        text: &str,
        force: bool,
        uses: &[ImageUse],
    ) -> Result<Vec<Removed>, Error> {
        self.database.write(|t| {
            let id = resolve::find(t, text)?;
            let image = rows::image(t, &id)?.ok_or_else(|| Error::NotFound(text.to_owned()))?;
            let name = match text.parse::<Reference>() {
                Ok(name) if resolve::by_name(t, &name)?.as_ref() == Some(&id) => {
                    Some(match &name.digest {
                        Some(digest) => name.with_digest(digest.clone()),
                        None => name.tagged(),
                    })
                }
                _ => None,
            };
            let plan = plan(&image, name.as_ref(), force, uses)?;
            perform(t, &plan)?;
            Ok(plan)
        })
    }
}

/// Decides what removing `image` by `name`, or by its id, takes away.
pub(super) fn plan(
    image: &Image,
    name: Option<&Reference>,
    force: bool,
    uses: &[ImageUse],
) -> Result<Vec<Removed>, Error> {
    let uses: Vec<&ImageUse> = uses.iter().filter(|one| one.image == image.id).collect();
    let short = image.id.short();
    let Some(name) = name else {
        let single = image.names.len() <= 1;
        let what = || format!("delete `{short}`");
        if !single && !force {
            let why = "image is referenced in multiple repositories".into();
            return Err(Error::InUse { what: what(), forcible: true, why });
        }
        if let Some((forcible, why)) = obstacle(&uses, force) {
            return Err(Error::InUse { what: what(), forcible, why });
        }
        return Ok(everything(image));
    };
    let mut removed = vec![Removed::Untagged(name.clone())];
    let mut left: Vec<&Reference> = image.names.iter().filter(|other| *other != name).collect();
    let digests = image.repo_digests.iter().filter(|other| *other != name);
    // The digests of a repository go with its last tag.
    let (orphans, kept): (Vec<&Reference>, Vec<&Reference>) = digests.partition(|digest| {
        name.digest.is_none()
            && !left.iter().any(|tag| tag.repository() == digest.repository())
            && digest.repository() == name.repository()
    });
    left.extend(kept);
    if !left.is_empty() {
        removed.extend(orphans.into_iter().cloned().map(Removed::Untagged));
        return Ok(removed);
    }
    if !force && let Some(one) = uses.first() {
        return Err(Error::InUse {
            what: format!("remove repository reference `{}`", name.familiar()),
            forcible: true,
            why: format!("container {} is using its referenced image {short}", one.container),
        });
    }
    removed.extend(orphans.into_iter().cloned().map(Removed::Untagged));
    // Forced, under a running container: the name goes and the image stays without one.
    if obstacle(&uses, force).is_none() {
        removed.push(Removed::Deleted(image.id.clone()));
    }
    Ok(removed)
}

/// Returns all that there is of an image.
pub(super) fn everything(image: &Image) -> Vec<Removed> {
    let names = image.names.iter().chain(&image.repo_digests).cloned().map(Removed::Untagged);
    names.chain([Removed::Deleted(image.id.clone())]).collect()
}

/// Returns the container that stands against deleting its image, and whether force would help.
pub(super) fn obstacle(uses: &[&ImageUse], force: bool) -> Option<(bool, String)> {
    if let Some(one) = uses.iter().find(|one| one.running) {
        return Some((
            false,
            format!("image is being used by running container {}", one.container),
        ));
    }
    uses.first()
        .filter(|_| !force)
        .map(|one| (true, format!("image is being used by stopped container {}", one.container)))
}

pub(super) fn perform(t: &Connection, plan: &[Removed]) -> Result<(), Error> {
    for step in plan {
        match step {
            Removed::Untagged(name) => {
                rows::untag(t, name)?;
            }
            Removed::Deleted(id) => {
                t.execute("DELETE FROM image WHERE id = ?1", [id.as_str()])
                    .map_err(Error::query)?;
            }
        }
    }
    Ok(())
}
