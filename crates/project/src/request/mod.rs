//! A service's model → the request for one container of it. Pure: what it depends on comes in a [`Situation`].

mod host;
mod mounts;
mod network;
mod resources;

use std::collections::BTreeMap;

use hako_compose::model::{Condition, Healthcheck, Service};
use hako_engine::container::CreateRequest;
use hako_engine::model::{self as engine, Config, Map, Mount};
use hako_types::GoDuration;

use crate::{Error, Wanted, labels};

/// What sort of container is made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// One of the service's containers.
    Replica {
        /// Which one, from one.
        number: u32,
    },
    /// A container of `run`.
    OneOff {
        /// The random part of its name.
        slug: String,
        /// Whether it answers to the service's name.
        aliases: bool,
    },
}

/// What a container is made in.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The project.
    pub wanted: &'a Wanted,
    /// The service's name.
    pub service: &'a str,
    /// The container's name.
    pub name: String,
    /// What sort of container it is.
    pub kind: Kind,
    /// The id of its image.
    pub image: String,
    /// The ids of the first containers of services that are there.
    pub containers: BTreeMap<String, Vec<String>>,
    /// Mounts of secrets and configs.
    pub grants: Vec<Mount>,
    /// Volumes of the container that this one replaces, by target.
    pub carried: BTreeMap<String, String>,
    /// The id of the container that this one replaces.
    pub replaces: Option<String>,
}

impl Situation<'_> {
    /// Returns the first container of a service.
    fn container(&self, service: &str) -> Result<&str, Error> {
        self.containers.get(service).and_then(|ids| ids.first()).map(String::as_str).ok_or_else(
            || {
                Error::Invalid(format!(
                    "the service `{}` needs a container of `{service}`, and there is none",
                    self.service
                ))
            },
        )
    }

    /// Turns `service:name` into `container:id`.
    fn mode(&self, text: &str) -> Result<String, Error> {
        match text.strip_prefix("service:") {
            Some(service) => Ok(format!("container:{}", self.container(service)?)),
            None => Ok(text.to_owned()),
        }
    }
}

/// Makes the request for a container of `service`, which may differ from the project's own model of it.
///
/// # Errors
/// When it needs a container that is not there, or a value is none.
pub fn request(situation: &Situation<'_>, service: &Service) -> Result<CreateRequest, Error> {
    let mut host = host::host(situation, service)?;
    resources::limits(service, &mut host)?;
    let networks = network::networks(situation, service, &mut host)?;
    mounts::mounts(situation, service, &mut host);
    let platform = match service.platform.as_str() {
        "" => None,
        text => {
            Some(text.parse().map_err(|_| Error::Invalid(format!("`{text}` is not a platform")))?)
        }
    };
    Ok(CreateRequest {
        name: Some(situation.name.clone()),
        config: config(situation, service)?,
        host,
        networks,
        platform,
    })
}

fn config(situation: &Situation<'_>, service: &Service) -> Result<Config, Error> {
    let exposed = service.expose.iter().map(|port| with_protocol(port));
    let published = service.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol));
    let grace = seconds(&service.stop_grace_period)?;
    Ok(Config {
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        user: service.user.clone(),
        exposed_ports: exposed.chain(published).map(|port| (port, engine::Empty {})).collect(),
        tty: service.tty,
        open_stdin: service.stdin_open,
        attach_stdout: true,
        attach_stderr: true,
        env: service
            .environment
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
            .collect(),
        cmd: service.command.clone(),
        healthcheck: service.healthcheck.as_ref().map(healthcheck).transpose()?,
        image: service.image_name(&situation.wanted.project.name, situation.service),
        working_dir: service.working_dir.clone(),
        entrypoint: service.entrypoint.clone(),
        labels: container_labels(situation, service),
        stop_signal: Some(service.stop_signal.clone()).filter(|signal| !signal.is_empty()),
        stop_timeout: grace,
        ..Config::default()
    })
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

/// Returns a length of time in whole seconds, rounded up.
fn seconds(text: &str) -> Result<Option<i64>, Error> {
    Ok(nanoseconds(text)?
        .map(|nanos| nanos.div_euclid(1_000_000_000) + i64::from(nanos % 1_000_000_000 > 0)))
}

fn nanoseconds(text: &str) -> Result<Option<i64>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match hako_compose::model::duration(text) {
        Some(duration) => Ok(Some(GoDuration(duration).nanos())),
        None => Err(Error::Invalid(format!("`{text}` is not a duration"))),
    }
}

fn healthcheck(check: &Healthcheck) -> Result<engine::Healthcheck, Error> {
    if check.disable {
        return Ok(engine::Healthcheck {
            test: vec!["NONE".into()],
            ..engine::Healthcheck::default()
        });
    }
    let nanos = |text: &str| nanoseconds(text).map(Option::unwrap_or_default);
    Ok(engine::Healthcheck {
        test: check.test.clone(),
        interval: nanos(&check.interval)?,
        timeout: nanos(&check.timeout)?,
        start_period: nanos(&check.start_period)?,
        start_interval: nanos(&check.start_interval)?,
        retries: check.retries.unwrap_or_default(),
    })
}

fn container_labels(situation: &Situation<'_>, service: &Service) -> Map {
    let wanted = situation.wanted;
    let mut out: Map = service.labels.clone();
    let needs: Vec<String> = service
        .depends_on
        .iter()
        .map(|(name, need)| {
            let condition = match need.condition {
                Condition::Started => "service_started",
                Condition::Healthy => "service_healthy",
                Condition::Completed => "service_completed_successfully",
            };
            format!("{name}:{condition}:{}", need.restart)
        })
        .collect();
    let mut set = |key: &str, value: &str| out.insert(key.to_owned(), value.to_owned());
    set(labels::PROJECT, &wanted.project.name);
    set(labels::SERVICE, situation.service);
    set(labels::WORKING_DIRECTORY, &wanted.working_directory);
    set(labels::FILES, &wanted.files.join(","));
    set(labels::VERSION, labels::SPOKEN);
    set(labels::HASH, wanted.hashes.get(situation.service).map_or("", String::as_str));
    set(labels::IMAGE, &situation.image);
    set(labels::DEPENDS_ON, &needs.join(","));
    match &situation.kind {
        Kind::Replica { number } => {
            set(labels::NUMBER, &number.to_string());
            set(labels::ONEOFF, "False");
        }
        Kind::OneOff { slug, .. } => {
            set(labels::NUMBER, "1");
            set(labels::ONEOFF, "True");
            set(labels::SLUG, slug);
        }
    }
    if let Some(old) = &situation.replaces {
        set(labels::REPLACE, old);
    }
    out
}
