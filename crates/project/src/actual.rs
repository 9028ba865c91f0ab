//! What is there.

use std::collections::{BTreeMap, BTreeSet};

use hako_engine::Engine;
use hako_engine::container::Container;
use hako_engine::model::Status;

use crate::{Error, labels};

/// A container of a project.
#[derive(Clone, Debug)]
pub struct Actual {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Which of the service's containers it is.
    pub number: u32,
    /// Whether `run` made it.
    pub oneoff: bool,
    /// The hash of what it was made from.
    pub hash: String,
    /// The id of the image that it was made from.
    pub image: String,
    /// What it does.
    pub status: Status,
    /// The names of its networks, when they have been asked for.
    pub networks: Option<BTreeSet<String>>,
    /// The engine's own view of it.
    pub container: Container,
}

impl Actual {
    /// Reads a container's labels; nothing when it is of no project.
    #[must_use]
    pub fn of(container: Container) -> Option<Self> {
        let label = |key: &str| container.record.config.labels.get(key).cloned();
        label(labels::PROJECT)?;
        Some(Self {
            id: container.id.as_str().to_owned(),
            name: container.name.clone(),
            service: label(labels::SERVICE)?,
            number: label(labels::NUMBER).and_then(|text| text.parse().ok()).unwrap_or(1),
            oneoff: label(labels::ONEOFF).is_some_and(|text| text.eq_ignore_ascii_case("true")),
            hash: label(labels::HASH).unwrap_or_default(),
            image: label(labels::IMAGE).unwrap_or_default(),
            status: container.live.state.status,
            networks: None,
            container,
        })
    }

    /// Returns the name of the project.
    #[must_use]
    pub fn project(&self) -> &str {
        self.container.record.config.labels.get(labels::PROJECT).map_or("", String::as_str)
    }

    /// Returns a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.container.record.config.labels.get(key).map(String::as_str)
    }

    /// Returns the services that it needs, as its label says.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let listed = self.label(labels::DEPENDS_ON).unwrap_or_default();
        listed
            .split(',')
            .filter_map(|entry| entry.split(':').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Tells whether its program runs, frozen or not, or is about to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// Returns the containers of a project, by service and number.
///
/// # Errors
/// When the engine cannot tell.
pub fn containers(engine: &Engine, project: &str) -> Result<Vec<Actual>, Error> {
    let all = engine.containers().list().map_err(Error::engine("cannot list the containers"))?;
    let mut found: Vec<Actual> = all
        .into_iter()
        .filter_map(Actual::of)
        .filter(|actual| actual.project() == project)
        .collect();
    found.sort_by(|a, b| {
        (&a.service, a.oneoff, a.number, &a.name).cmp(&(&b.service, b.oneoff, b.number, &b.name))
    });
    Ok(found)
}

/// Asks for the networks that containers are part of.
///
/// # Errors
/// When the engine cannot tell.
pub fn with_networks(engine: &Engine, mut found: Vec<Actual>) -> Result<Vec<Actual>, Error> {
    for actual in &mut found {
        let settings = engine.containers().network_settings(&actual.container);
        let settings = settings
            .map_err(Error::engine(format!("cannot read the container `{}`", actual.name)))?;
        actual.networks = Some(settings.networks.into_keys().collect());
    }
    Ok(found)
}

/// Returns the containers of all projects, by project.
///
/// # Errors
/// When the engine cannot tell.
pub fn all_projects(engine: &Engine) -> Result<BTreeMap<String, Vec<Actual>>, Error> {
    let all = engine.containers().list().map_err(Error::engine("cannot list the containers"))?;
    let mut projects: BTreeMap<String, Vec<Actual>> = BTreeMap::new();
    for actual in all.into_iter().filter_map(Actual::of) {
        projects.entry(actual.project().to_owned()).or_default().push(actual);
    }
    Ok(projects)
}
