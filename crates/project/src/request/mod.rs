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

#[cfg(test)]
mod tests {
    use hako_compose::model::{Network, Port, Project};

    use super::*;

    fn situation(wanted: &Wanted, kind: Kind) -> Situation<'_> {
        Situation {
            wanted,
            service: "web",
            name: "p-web-2".into(),
            kind,
            image: "sha256:1".into(),
            containers: BTreeMap::from([("db".to_owned(), vec!["abcdefabcdefabcdef".to_owned()])]),
            grants: Vec::new(),
            carried: BTreeMap::from([
                ("/anon".to_owned(), "old".to_owned()),
                ("/tmp".to_owned(), "not".to_owned()),
            ]),
            replaces: None,
        }
    }

    fn wanted() -> Wanted {
        let network = |name: &str| Network { name: name.into(), ..Network::default() };
        let project = Project {
            name: "p".into(),
            networks: BTreeMap::from([
                ("a".to_owned(), network("p_a")),
                ("b".to_owned(), network("p_b")),
            ]),
            ..Project::default()
        };
        Wanted {
            project,
            hashes: BTreeMap::from([("web".to_owned(), "h".to_owned())]),
            ..Wanted::default()
        }
    }

    fn service(json: serde_json::Value) -> Service {
        serde_json::from_value(json).unwrap()
    }

    fn rich() -> Service {
        service(serde_json::json!({
            "image": "x", "environment": {"A": "1", "GONE": null}, "stop_grace_period": "1m30s", "init": true,
            "healthcheck": {"test": ["CMD", "t"], "interval": "1s500ms"}, "links": ["db:base"], "tmpfs": ["/tmp:size=1m"],
            "networks": {"a": {"aliases": ["q"], "ipv4_address": "10.0.0.9"}, "b": {"priority": 5}},
            "volumes": [{"type": "volume", "target": "/anon"}], "volumes_from": ["db:ro"], "restart": "on-failure:3",
            "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "1024", "pids": 7}}}, "ipc": "service:db",
            "ports": [{"target": 80, "published": "8080", "protocol": "tcp", "host_ip": "127.0.0.1"}],
        }))
    }

    #[test]
    fn a_replica_is_made_as_the_file_says() {
        let wanted = wanted();
        let got = request(&situation(&wanted, Kind::Replica { number: 2 }), &rich()).unwrap();
        let (config, host) = (&got.config, &got.host);
        assert_eq!(config.env, ["A=1"]);
        assert_eq!(
            (config.stop_timeout, config.healthcheck.as_ref().unwrap().interval),
            (Some(90), 1_500_000_000)
        );
        assert_eq!(
            (host.network_mode.as_str(), host.links.join(",").as_str()),
            ("p_b", "abcdefabcdef:base")
        );
        assert_eq!(got.networks["p_a"].aliases, ["web", "q"]);
        assert_eq!(got.networks["p_a"].ipv4_address.as_deref(), Some("10.0.0.9"));
        assert_eq!((host.nano_cpus, host.memory, host.pids_limit), (500_000_000, 1024, Some(7)));
        assert_eq!(
            (host.restart_policy.name.as_str(), host.restart_policy.maximum_retry_count),
            ("on-failure", 3)
        );
        assert_eq!((host.ipc_mode.as_str(), host.volumes_from[0].as_str()), {
            ("container:abcdefabcdefabcdef", "abcdefabcdefabcdef:ro")
        });
        assert_eq!(host.port_bindings["80/tcp"][0].host_port, "8080");
        let mounts: Vec<(&str, &str)> =
            host.mounts.iter().map(|m| (m.target.as_str(), m.source.as_str())).collect();
        assert_eq!(mounts, [("/anon", "old")], "what is a tmpfs now takes no volume over");
        assert_eq!(config.labels[labels::NUMBER], "2");
        assert_eq!(config.labels[labels::ONEOFF], "False");
        assert_eq!(config.labels[labels::HASH], "h");
    }

    #[test]
    fn a_one_off_takes_no_name_no_address_and_no_restart() {
        let wanted = wanted();
        let kind = Kind::OneOff { slug: "s".into(), aliases: false };
        let got =
            request(&situation(&wanted, kind), &Service { ports: vec![Port::default()], ..rich() })
                .unwrap();
        assert_eq!(got.networks["p_a"].aliases, Vec::<String>::new());
        assert_eq!(got.networks["p_a"].ipv4_address, None);
        assert_eq!(got.host.restart_policy.name, "no");
        assert_eq!(got.config.labels[labels::ONEOFF], "True");
    }

    #[test]
    fn who_needs_a_container_that_is_not_there_is_told() {
        let wanted = wanted();
        let lonely = Service { network_mode: "service:nobody".into(), ..Service::default() };
        let error = request(&situation(&wanted, Kind::Replica { number: 1 }), &lonely).unwrap_err();
        assert!(error.to_string().contains("nobody"));
    }
}
