//! Making an image of a container.

use std::path::PathBuf;

use hako_image::config::{Addition, Settings, apply_change, child_config};
use hako_image::{Draft, Image};
use hako_types::{Digest, Moment, Reference};

use super::{Container, Containers};
use crate::Error;
use crate::model::{Config, Map};
use crate::monitor::{self, Request};

/// An image to be made of a container.
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// Its name.
    pub reference: Option<Reference>,
    /// Who made it.
    pub author: String,
    /// What was said about it.
    pub message: String,
    /// Instructions that change its settings (`CMD ["x"]`).
    pub changes: Vec<String>,
    /// Whether the container is frozen meanwhile.
    pub pause: bool,
}

impl Containers<'_> {
    /// Makes an image of a container's files (not its volumes) and settings; returns its id. The container goes on.
    ///
    /// # Errors
    /// When there is no such container, a change is malformed, or the files cannot be read or kept.
    pub fn commit(self, name: &str, request: &CommitRequest) -> Result<Digest, Error> {
        let container = self.find(name)?;
        let failed = || format!("cannot make an image of the container `{}`", container.name);
        let mut settings = settings(&container.record.config);
        for change in &request.changes {
            apply_change(&mut settings, change)
                .map_err(|error| Error::Invalid(error.to_string()))?;
        }
        let parent = self.parent(&container)?;
        let freeze = request.pause && container.is_running() && !container.live.state.paused;
        if freeze {
            monitor::ask(self.engine, &container.id, &Request::Pause)?;
        }
        let kept = self.capture(&container, &parent, (request, settings));
        if freeze {
            monitor::ask(self.engine, &container.id, &Request::Unpause)?;
        }
        let image = kept?;
        if let Some(reference) = &request.reference {
            self.engine.images()?.tag(&image.id, reference).map_err(Error::below(failed()))?;
        }
        self.emit(&container, "commit", Map::from([("imageID".to_owned(), image.id.to_string())]));
        Ok(image.id)
    }

    fn parent(self, container: &Container) -> Result<Image, Error> {
        let id: Digest =
            container.image.parse().map_err(|_| Error::Invalid(container.image.clone()))?;
        self.engine.images()?.get(&id).map_err(Error::below(format!("cannot use the image `{id}`")))
    }

    fn capture(
        self,
        container: &Container,
        parent: &Image,
        (request, settings): (&CommitRequest, Settings),
    ) -> Result<Image, Error> {
        let images = self.engine.images()?;
        let failed = || format!("cannot make an image of the container `{}`", container.name);
        let lease = images.layers().lease().map_err(Error::below(failed()))?;
        let upper = container.directory(self.engine).join("upper");
        let layer =
            lease.capture(&upper, &self.mount_points(container)).map_err(Error::below(failed()))?;
        let mut command = vec![container.record.path.clone()];
        command.extend(container.record.args.iter().cloned());
        let addition = Addition {
            layer: Some(layer.diff_id),
            created_by: command.join(" "),
            comment: request.message.clone(),
            author: request.author.clone(),
            created: Some(Moment::now()),
            settings: Some(settings),
        };
        let config = child_config(&parent.config, addition).to_bytes();
        let draft = Draft { config, parent: Some(parent.id.clone()), ..Draft::default() };
        images.put(&draft).map_err(Error::below(failed()))
    }

    /// Returns what lies in the upper directory only because something was mounted on it, relative to it.
    fn mount_points(self, container: &Container) -> Vec<PathBuf> {
        let upper = container.directory(self.engine).join("upper");
        let files = ["etc/hosts", "etc/hostname", "etc/resolv.conf", ".hako-init"]
            .into_iter()
            .map(PathBuf::from);
        let binds = container
            .record
            .mounts
            .iter()
            .map(|planned| PathBuf::from(planned.point.destination.trim_start_matches('/')));
        let is_empty_file = |path: &PathBuf| {
            upper.join(path).symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0)
        };
        files.chain(binds).filter(is_empty_file).collect()
    }
}

/// Returns a container's settings as those of an image.
fn settings(config: &Config) -> Settings {
    let json = serde_json::to_value(config).unwrap_or_default();
    let mut settings: Settings = serde_json::from_value(json).unwrap_or_default();
    settings.rest.retain(|key, _| matches!(key.as_str(), "ArgsEscaped"));
    settings
}
