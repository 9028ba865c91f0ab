//! Pulls and pushes.

use hako_image::registry::Client;
use hako_image::transfer::{self, PullOptions, PushOptions, Pushing};
use hako_image::{Draft, Image};
use hako_types::{Digest, Platform, Reference};

use super::{Mode, Progress, client, reference};
use crate::report::Failure;
use crate::session::Session;

/// Pulls the image of a container that is to be made; shown on standard error.
///
/// # Errors
/// When the name is none, or the pull fails.
pub(crate) fn pull(
    session: &Session,
    name: &str,
    platform: Option<&Platform>,
    quiet: bool,
) -> Result<(), Failure> {
    let mode = if quiet { Mode::Quiet } else { Mode::Stderr };
    let name = reference(name)?.tagged();
    pull_named(session, &client(session), (&name, platform), mode)
}

/// Pulls one name and shows the progress.
///
/// # Errors
/// When the registry or the store fails.
pub(crate) fn pull_named(
    session: &Session,
    client: &Client,
    (name, platform): (&Reference, Option<&Platform>),
    mode: Mode,
) -> Result<(), Failure> {
    let images = session.engine()?.images()?;
    let before = images.resolve(&name.to_string()).ok().map(|image| image.id);
    let progress = Progress::new(mode);
    let selector = match (&name.tag, &name.digest) {
        (_, Some(digest)) => digest.to_string(),
        (tag, None) => tag.clone().unwrap_or_else(|| "latest".into()),
    };
    progress.say(&format!("{selector}: Pulling from {}", name.path));
    let options = PullOptions { platform: platform.cloned(), ..PullOptions::default() };
    let lease = images.layers().lease()?;
    let ledger = images.ledger(&[])?;
    let pulled = transfer::pull(client, name, &options, (&lease, &ledger), &progress)?;
    let digest = pulled.digest().clone();
    let draft = Draft {
        config: pulled.config,
        manifest: Some(pulled.manifest.bytes),
        parent: None,
        repo_digest: Some(name.with_digest(digest.clone())),
        layer_blobs: ledger.into_seen(),
    };
    let image = images.put(&draft)?;
    if name.digest.is_none() {
        images.tag(&image.id, name)?;
    }
    drop(lease);
    let known = before.as_ref() == Some(&image.id);
    let familiar = name.familiar();
    progress.say(&format!("Digest: {digest}"));
    progress.say(&if known {
        format!("Status: Image is up to date for {familiar}")
    } else {
        format!("Status: Downloaded newer image for {familiar}")
    });
    Ok(())
}

/// Pushes one image under one name and shows the progress. Returns the digest of its manifest.
///
/// # Errors
/// When the registry or the store fails.
pub(crate) fn push_named(
    session: &Session,
    client: &Client,
    (image, name): (&Image, &Reference),
    mode: Mode,
) -> Result<Digest, Failure> {
    let images = session.engine()?.images()?;
    let progress = Progress::new(mode);
    let lease = images.layers().lease()?;
    let ledger = images.ledger(image.diff_ids())?;
    let pushing = Pushing { config: &image.config_bytes, manifest: image.manifest.as_deref() };
    let options = PushOptions::default();
    let pushed =
        transfer::push(client, name, (pushing, &options), (images.layers(), &ledger), &progress)?;
    images.remember(ledger)?;
    drop(lease);
    let digest = pushed.manifest.descriptor.digest;
    images.add_repo_digest(&image.id, &name.with_digest(digest.clone()))?;
    let size = pushed.manifest.descriptor.size;
    progress.say(&format!(
        "{}: digest: {digest} size: {size}",
        name.tag.as_deref().unwrap_or("latest")
    ));
    Ok(digest)
}
