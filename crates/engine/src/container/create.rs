//! Making a container: the request and the image become a record, a directory and a row.

use std::collections::BTreeMap;
use std::fs;

use hako_image::Image;
use hako_image::config::Settings as ImageSettings;
use hako_store::Lock;
use hako_store::rusqlite::{self, Transaction, params};
use hako_types::{ContainerId, Moment, ObjectName, Platform};

use super::{Container, Containers, Live, PlannedMount, Record, check, mounts, names, to_json};
use crate::error::Object;
use crate::model::{Config, EndpointConfig, Healthcheck, HostConfig, Map, MountKind, VolumeSpec};
use crate::{Error, network};

/// A container to be made.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    /// Its name; none lets chance decide.
    pub name: Option<String>,
    /// Its own configuration.
    pub config: Config,
    /// What the machine gives it.
    pub host: HostConfig,
    /// Its networks by name, beside the one of the network mode.
    pub networks: BTreeMap<String, EndpointConfig>,
    /// The platform that its image must have.
    pub platform: Option<Platform>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The container's id.
    pub id: ContainerId,
    /// What the person should know.
    pub warnings: Vec<String>,
}

impl Containers<'_> {
    /// Makes a container, which does not run yet. Its image must be there.
    ///
    /// # Errors
    /// When the request is malformed or contradicts itself, the name is taken, or the image, a network or a container that it
    /// refers to is not there. Nothing is left then.
    pub fn create(self, request: &CreateRequest) -> Result<Created, Error> {
        if let Some(name) = &request.name {
            let bare = name.strip_prefix('/').unwrap_or(name);
            let checked: Result<ObjectName, _> = bare.parse();
            checked.map_err(|error| Error::Invalid(format!("Invalid container name: {error}")))?;
        }
        let image = self.image(&request.config.image, request.platform.as_ref())?;
        let id = ContainerId::random();
        let mut record = self.record(&id, request, &image)?;
        let warnings = normalise(&mut record.host);
        let endpoints = self.endpoints(&record, &request.networks)?;
        let directory = self.engine.paths().containers().join(id.as_str());
        let made = self.make((&id, request.name.as_deref()), record, &image, &endpoints);
        if made.is_err() {
            let _gone_or_debris_for_repair = fs::remove_dir_all(&directory);
        }
        let container = made?;
        self.emit(&container, "create", Map::new());
        Ok(Created { id, warnings })
    }

    fn image(self, name: &str, platform: Option<&Platform>) -> Result<Image, Error> {
        let images = self.engine.images()?;
        let image = match images.resolve(name) {
            Ok(image) => image,
            Err(error) if hako_types::Fault::kind(&error) == hako_types::Kind::NotFound => {
                return Err(Error::no_such(Object::Image, name));
            }
            Err(error) => {
                return Err(Error::below(format!("cannot use the image `{name}`"))(error));
            }
        };
        match platform {
            Some(wanted) if !image.platform().matches(wanted) => {
                Err(Error::no_such(Object::Image, name))
            }
            _ => Ok(image),
        }
    }

    /// Decides everything about the container that does not need the disk.
    fn record(
        self,
        id: &ContainerId,
        request: &CreateRequest,
        image: &Image,
    ) -> Result<Record, Error> {
        let mut config = request.config.clone();
        let host = request.host.clone();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        check::check(&config, &host, cpus)?;
        merge(&mut config, &image.config.config);
        if config.hostname.is_empty() && !host.network_mode.starts_with("container:") {
            config.hostname = if host.network_mode == "host" || host.uts_mode == "host" {
                rustix::system::uname().nodename().to_string_lossy().into_owned()
            } else {
                id.short().to_owned()
            };
        }
        let command: Vec<String> = config
            .entrypoint
            .iter()
            .flatten()
            .chain(config.cmd.iter().flatten())
            .cloned()
            .collect();
        let Some((path, args)) = command.split_first().filter(|(path, _)| !path.is_empty()) else {
            return Err(Error::Invalid(format!(
                "no command specified, and the image `{}` has none",
                config.image
            )));
        };
        let mut inherited = Vec::new();
        for from in &host.volumes_from {
            inherited.extend(self.inherited(from)?);
        }
        let mounts = mounts::plan(&config, &host, inherited)?;
        for link in &host.links {
            self.find_id(link.split_once(':').map_or(link.as_str(), |(other, _)| other))?;
        }
        for mode in [&host.ipc_mode, &host.pid_mode, &host.network_mode] {
            if let Some(other) = mode.strip_prefix("container:") {
                self.find_id(other)?;
            }
        }
        Ok(Record {
            path: path.clone(),
            args: args.to_vec(),
            config,
            host,
            mounts,
            platform: image.platform().os,
        })
    }

    /// Returns the mounts of another container that `--volumes-from name[:ro|rw]` takes over.
    fn inherited(self, from: &str) -> Result<Vec<PlannedMount>, Error> {
        let (name, mode) = from.split_once(':').unwrap_or((from, "rw"));
        if !matches!(mode, "ro" | "rw" | "z" | "Z") {
            return Err(Error::Invalid(format!("invalid volumes-from specification: `{from}`")));
        }
        let other = self.find(name)?;
        let is_shared = |planned: &PlannedMount| {
            matches!(planned.point.kind, MountKind::Volume | MountKind::Bind)
        };
        let mut mounts: Vec<PlannedMount> =
            other.record.mounts.into_iter().filter(is_shared).collect();
        for planned in &mut mounts {
            planned.anonymous = false;
            if mode == "ro" {
                planned.point.rw = false;
                planned.mount.read_only = true;
            }
        }
        Ok(mounts)
    }

    /// Makes the directory, the volumes and the row.
    fn make(
        self,
        (id, name): (&ContainerId, Option<&str>),
        mut record: Record,
        image: &Image,
        endpoints: &[network::Membership],
    ) -> Result<Container, Error> {
        let directory = self.engine.paths().containers().join(id.as_str());
        fs::create_dir(&directory).map_err(Error::io("create", &directory))?;
        for part in ["upper", "work"] {
            let path = directory.join(part);
            fs::create_dir(&path).map_err(Error::io("create", &path))?;
        }
        let lock_path = directory.join("lock");
        let lock = Lock::exclusive(&lock_path).map_err(Error::io("lock", &lock_path))?;
        let lower = self.lower_dirs(image)?;
        for planned in &mut record.mounts {
            self.prepare(planned, &lower)?;
        }
        let mut container = Container {
            id: id.clone(),
            name: String::new(),
            created: Moment::now(),
            image: image.id.to_string(),
            record,
            live: Live::default(),
        };
        self.insert(&mut container, name, endpoints)?;
        drop(lock);
        Ok(container)
    }

    /// Makes the volume of a mount where it is missing, fills it from the image, or makes the missing source of a bind.
    fn prepare(
        self,
        planned: &mut PlannedMount,
        lower: &[std::path::PathBuf],
    ) -> Result<(), Error> {
        let volumes = self.engine.volumes();
        match planned.point.kind {
            MountKind::Volume => {
                let options = planned.mount.volume_options.clone().unwrap_or_default();
                let volume = volumes.create(&VolumeSpec {
                    name: planned.point.name.clone(),
                    driver: options.driver,
                    driver_opts: options.driver_options,
                    labels: options.labels,
                })?;
                volume.spec.name.clone_into(&mut planned.point.name);
                volume.spec.name.clone_into(&mut planned.mount.source);
                planned.point.source =
                    volumes.data(&volume.spec.name).to_string_lossy().into_owned();
                if !options.no_copy
                    && options.subpath.is_empty()
                    && volume.spec.driver_opts.is_empty()
                {
                    volumes.fill(&volume.spec.name, lower, &planned.point.destination)?;
                }
                Ok(())
            }
            MountKind::Bind => {
                let source = std::path::Path::new(&planned.point.source);
                let create = planned
                    .mount
                    .bind_options
                    .as_ref()
                    .is_some_and(|options| options.create_mountpoint);
                match source.symlink_metadata() {
                    Ok(_) => Ok(()),
                    Err(_) if create => {
                        fs::create_dir_all(source).map_err(Error::io("create", source))
                    }
                    Err(_) => Err(Error::Invalid(format!(
                        "invalid mount config for type \"bind\": bind source path does not exist: {}",
                        source.display()
                    ))),
                }
            }
            MountKind::Image => {
                let image = self.image(&planned.mount.source, None)?;
                image.id.as_str().clone_into(&mut planned.point.source);
                Ok(())
            }
            MountKind::Tmpfs => Ok(()),
        }
    }

    fn insert(
        self,
        container: &mut Container,
        name: Option<&str>,
        endpoints: &[network::Membership],
    ) -> Result<(), Error> {
        let record = to_json(&container.record)?;
        let live = to_json(&container.live)?;
        self.engine.database().write(|t| {
            container.name = insert_named(t, container, name, (&record, &live))?;
            for planned in &container.record.mounts {
                if planned.point.kind == MountKind::Volume {
                    let sql =
                        "INSERT OR IGNORE INTO volume_use (volume, container) VALUES (?1, ?2)";
                    t.execute(sql, params![planned.point.name, container.id.as_str()])?;
                }
            }
            for (position, membership) in endpoints.iter().enumerate() {
                network::join(t, &container.id, &container.name, position, membership)?;
            }
            Ok::<_, Error>(())
        })
    }

    /// Appends an event about a container, with its labels.
    pub(crate) fn emit(self, container: &Container, action: &str, mut attributes: Map) {
        attributes.extend(container.record.config.labels.clone());
        attributes.insert("name".into(), container.name.clone());
        attributes.insert("image".into(), container.record.config.image.clone());
        self.engine.events().emit("container", action, container.id.as_str(), attributes);
    }
}

fn insert_named(
    t: &Transaction<'_>,
    container: &Container,
    name: Option<&str>,
    (record, live): (&str, &str),
) -> Result<String, Error> {
    let mut tries = 0;
    loop {
        let candidate = match name {
            Some(name) => name.strip_prefix('/').unwrap_or(name).to_owned(),
            None => names::random(tries),
        };
        let sql = "INSERT INTO container (id, name, created, image, record, state, status) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let status = container.live.state.status.as_str();
        let id = container.id.as_str();
        let values = params![
            id,
            candidate,
            container.created.nanos(),
            container.image,
            record,
            live,
            status
        ];
        match t.prepare_cached(sql)?.execute(values) {
            Ok(_) => return Ok(candidate),
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                if name.is_some() {
                    let sql = "SELECT id FROM container WHERE name = ?1";
                    let by = t.query_row(sql, [&candidate], |row| row.get(0)).unwrap_or_default();
                    return Err(Error::NameTaken {
                        object: Object::Container,
                        name: candidate,
                        by,
                    });
                }
                tries += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Fills in from the image what the request left open, as Docker does.
fn merge(config: &mut Config, image: &ImageSettings) {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    for port in image.exposed_ports.keys() {
        config.exposed_ports.entry(port.clone()).or_default();
    }
    for pair in &image.env {
        let name = pair.split('=').next().unwrap_or_default();
        if !config.env.iter().any(|own| own.split('=').next() == Some(name)) {
            config.env.push(pair.clone());
        }
    }
    for (name, value) in &image.labels {
        config.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let cleared =
        config.entrypoint.as_ref().is_some_and(|words| words.iter().all(String::is_empty));
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
    if cleared {
        config.entrypoint = None;
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    for path in image.volumes.keys() {
        config.volumes.entry(path.clone()).or_default();
    }
    if config.stop_signal.is_none() && !image.stop_signal.is_empty() {
        config.stop_signal = Some(image.stop_signal.clone());
    }
    if config.shell.is_none() {
        config.shell.clone_from(&image.shell);
    }
    if let Some(inherited) = &image.healthcheck {
        merge_health(config.healthcheck.get_or_insert_default(), inherited);
    }
}

fn merge_health(own: &mut Healthcheck, image: &hako_image::config::Healthcheck) {
    if own.test.is_empty() {
        own.test.clone_from(&image.test);
    }
    for (own, inherited) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = inherited;
        }
    }
}

/// Fills in the defaults that `inspect` tells; returns what the person should know.
fn normalise(host: &mut HostConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if host.memory > 0 && host.memory_swap == 0 {
        host.memory_swap = host.memory.saturating_mul(2);
    }
    if host.shm_size == 0 && host.ipc_mode != "host" {
        host.shm_size = 64 << 20;
    }
    if matches!(host.network_mode.as_str(), "" | "default") {
        host.network_mode = "bridge".into();
    }
    if host.ipc_mode.is_empty() {
        host.ipc_mode = "private".into();
    }
    if host.log_config.kind.is_empty() {
        host.log_config.kind = "json-file".into();
    }
    if host.restart_policy.name.is_empty() {
        host.restart_policy.name = "no".into();
    }
    if host.network_mode == "host" && !host.port_bindings.is_empty() {
        warnings.push("Published ports are discarded when using host network mode".into());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_settings_fill_what_is_left_open() {
        let mut image = ImageSettings {
            user: "mail".into(),
            working_dir: "/srv".into(),
            ..ImageSettings::default()
        };
        image.env = vec!["A=image".into(), "B=image".into()];
        image.entrypoint = Some(vec!["/entry".into()]);
        image.cmd = Some(vec!["run".into()]);
        let mut config = Config { env: vec!["A=own".into()], ..Config::default() };
        merge(&mut config, &image);
        assert_eq!(config.env, ["A=own", "B=image"]);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("mail", "/srv"));
        assert_eq!(
            (config.entrypoint.unwrap(), config.cmd.unwrap()),
            (vec!["/entry".into()], vec!["run".to_owned()])
        );
    }

    #[test]
    fn ones_own_entrypoint_drops_the_images_command() {
        let image = ImageSettings { cmd: Some(vec!["run".into()]), ..ImageSettings::default() };
        let mut config = Config { entrypoint: Some(vec!["/own".into()]), ..Config::default() };
        merge(&mut config, &image);
        assert_eq!(config.cmd, None);
        let image = ImageSettings { entrypoint: Some(vec!["/entry".into()]), ..image };
        let mut config = Config {
            entrypoint: Some(vec![String::new()]),
            cmd: Some(vec!["x".into()]),
            ..Config::default()
        };
        merge(&mut config, &image);
        assert_eq!((config.entrypoint, config.cmd), (None, Some(vec!["x".into()])));
    }
}
