//! What contradicts itself, and what is named but not there.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Number;

use crate::error::Error;
use crate::model::{Project, Service};
use crate::yaml::Node;

/// Checks the parts of a project against one another; profiles do not matter here.
pub(super) fn parts(project: &Project, tree: &Node) -> Result<(), Error> {
    let check = || -> Result<(), (String, String)> {
        sources(project)?;
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, service) in &project.services {
            single(name, service)?;
            references(name, service, project)?;
            if !service.container_name.is_empty()
                && let Some(other) = taken.insert(&service.container_name, name)
            {
                let message = format!(
                    "container name `{}` is already in use by the service `{other}`",
                    service.container_name
                );
                return Err((format!("services.{name}"), message));
            }
        }
        Ok(())
    };
    check().map_err(|(place, message)| locate(tree, &place, message))
}

/// Finds the place of a path of keys in the text.
fn locate(tree: &Node, place: &str, message: String) -> Error {
    let mut node = tree;
    for key in place.split('.') {
        match node.get(key) {
            Some(inner) => node = inner,
            None => break,
        }
    }
    Error::at(&node.span, place, message)
}

type Check = Result<(), (String, String)>;

fn sources(project: &Project) -> Check {
    for (name, secret) in &project.secrets {
        let given = [&secret.file, &secret.environment, &secret.content, &secret.driver];
        let count = given.iter().filter(|text| !text.is_empty()).count();
        origin("secrets", name, count, secret.external)?;
    }
    for (name, config) in &project.configs {
        let given = [&config.file, &config.environment, &config.content];
        let count = given.iter().filter(|text| !text.is_empty()).count();
        origin("configs", name, count, config.external)?;
    }
    for (name, volume) in &project.volumes {
        if volume.external
            && !(volume.driver.is_empty()
                && volume.driver_opts.is_empty()
                && volume.labels.is_empty())
        {
            let message = "is external, and so cannot have a driver, options or labels here".into();
            return Err((format!("volumes.{name}"), message));
        }
    }
    for (name, network) in &project.networks {
        if network.external
            && !(network.driver.is_empty()
                && network.driver_opts.is_empty()
                && network.labels.is_empty())
        {
            let message = "is external, and so cannot have a driver, options or labels here".into();
            return Err((format!("networks.{name}"), message));
        }
    }
    Ok(())
}

fn origin(section: &str, name: &str, count: usize, external: bool) -> Check {
    let place = format!("{section}.{name}");
    match count + usize::from(external) {
        1 => Ok(()),
        0 => Err((
            place,
            "must say where it comes from: `file`, `environment`, `content` or `external`".into(),
        )),
        _ => Err((
            place,
            "must come from one place only: `file`, `environment`, `content` or `external`".into(),
        )),
    }
}

fn single(name: &str, service: &Service) -> Check {
    let place =
        |key: &str| format!("services.{name}{}{key}", if key.is_empty() { "" } else { "." });
    if service.image.is_empty() && service.build.is_none() && service.provider.is_none() {
        return Err((
            place(""),
            format!("service `{name}` has neither an image nor a build context specified"),
        ));
    }
    if !service.network_mode.is_empty() && !service.networks.is_empty() {
        return Err((place("network_mode"), "and `networks` exclude one another".into()));
    }
    if !service.container_name.is_empty() && service.replicas() > 1 {
        let message = format!(
            "cannot be fixed for {} containers: each needs its own name",
            service.replicas()
        );
        return Err((place("container_name"), message));
    }
    if service.scale.is_some_and(|scale| scale < 0) {
        return Err((place("scale"), "cannot be negative".into()));
    }
    if let Some(build) = &service.build
        && !build.dockerfile.is_empty()
        && !build.dockerfile_inline.is_empty()
    {
        return Err((
            place("build"),
            "`dockerfile` and `dockerfile_inline` exclude one another".into(),
        ));
    }
    for mount in &service.volumes {
        if !mount.target.starts_with('/') {
            return Err((
                place("volumes"),
                format!("the target `{}` must be an absolute path", mount.target),
            ));
        }
    }
    let policies = [
        "",
        "always",
        "missing",
        "never",
        "build",
        "newer",
        "if_not_present",
        "refresh",
        "daily",
        "weekly",
    ];
    if !policies.contains(&service.pull_policy.as_str())
        && !service.pull_policy.starts_with("every_")
    {
        return Err((place("pull_policy"), format!("unknown policy `{}`", service.pull_policy)));
    }
    values(service).map_err(|(key, message)| (place(key), message))?;
    limits(service).map_err(|(key, message)| (place(key), message))
}

/// Checks values that could be refused only when the container is made.
fn values(service: &Service) -> Result<(), (&'static str, String)> {
    if service
        .deploy
        .as_ref()
        .and_then(|deploy| deploy.replicas)
        .is_some_and(|replicas| replicas < 0)
    {
        return Err(("deploy.replicas", "cannot be negative".into()));
    }
    let name = &service.container_name;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_name = name.len() > 1 && starts && name.chars().all(fits);
    if !name.is_empty() && !is_name {
        let text = format!(
            "`{name}` is not a name: want a letter or digit, then letters, digits, `_`, `.` and `-`"
        );
        return Err(("container_name", text));
    }
    for port in &service.expose {
        let (range, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let ends = range.split_once('-').unwrap_or((range, range));
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
        if !(is_port(ends.0) && is_port(ends.1) && ["tcp", "udp", "sctp"].contains(&protocol)) {
            return Err(("expose", format!("`{port}` is not a port: want PORT[-PORT][/PROTOCOL]")));
        }
    }
    for endpoint in service.networks.values().flatten() {
        let (four, six) = (&endpoint.ipv4_address, &endpoint.ipv6_address);
        if !four.is_empty() && four.parse::<Ipv4Addr>().is_err() {
            return Err(("networks", format!("`{four}` is not an IPv4 address")));
        }
        if !six.is_empty() && six.parse::<Ipv6Addr>().is_err() {
            return Err(("networks", format!("`{six}` is not an IPv6 address")));
        }
    }
    Ok(())
}

fn limits(service: &Service) -> Result<(), (&'static str, String)> {
    let Some(deploy) = &service.deploy else { return Ok(()) };
    let distinct =
        |key, other: &str| Err((key, format!("differs from `{other}`, which says the same thing")));
    if let (Some(scale), Some(replicas)) = (service.scale, deploy.replicas)
        && scale != replicas
    {
        return distinct("scale", "deploy.replicas");
    }
    let both = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    let number = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
    if let Some(limits) = &deploy.resources.limits {
        if both(&service.mem_limit, &limits.memory) {
            return distinct("mem_limit", "deploy.resources.limits.memory");
        }
        if service.pids_limit != 0 && limits.pids != 0 && service.pids_limit != limits.pids {
            return distinct("pids_limit", "deploy.resources.limits.pids");
        }
        if let (Some(a), Some(b)) = (number(&service.cpus), number(&limits.cpus))
            && (a - b).abs() > f64::EPSILON
        {
            return distinct("cpus", "deploy.resources.limits.cpus");
        }
    }
    if let Some(reservations) = &deploy.resources.reservations
        && both(&service.mem_reservation, &reservations.memory)
    {
        return distinct("mem_reservation", "deploy.resources.reservations.memory");
    }
    Ok(())
}

fn references(name: &str, service: &Service, project: &Project) -> Check {
    let fail = |key: &str, kind: &str, other: &str| {
        Err((
            format!("services.{name}.{key}"),
            format!("service `{name}` refers to undefined {kind} `{other}`"),
        ))
    };
    if let Some(other) = service.networks.keys().find(|key| !project.networks.contains_key(*key)) {
        return fail("networks", "network", other);
    }
    for mount in
        service.volumes.iter().filter(|mount| mount.r#type == "volume" && !mount.source.is_empty())
    {
        if !project.volumes.contains_key(&mount.source) {
            return fail("volumes", "volume", &mount.source);
        }
    }
    let build_secrets = service.build.iter().flat_map(|build| &build.secrets);
    if let Some(secret) = service
        .secrets
        .iter()
        .chain(build_secrets)
        .find(|secret| !project.secrets.contains_key(&secret.source))
    {
        return fail("secrets", "secret", &secret.source);
    }
    if let Some(config) =
        service.configs.iter().find(|config| !project.configs.contains_key(&config.source))
    {
        return fail("configs", "config", &config.source);
    }
    if let Some(model) = service.models.keys().find(|key| !project.models.contains_key(*key)) {
        return fail("models", "model", model);
    }
    for (key, mode) in
        [("network_mode", &service.network_mode), ("ipc", &service.ipc), ("pid", &service.pid)]
    {
        if let Some(other) = mode.strip_prefix("service:")
            && !project.services.contains_key(other)
        {
            return fail(key, "service", other);
        }
    }
    let depends = service
        .depends_on
        .iter()
        .find(|(other, need)| need.required && !project.services.contains_key(*other));
    match depends {
        Some((other, _)) => Err((
            format!("services.{name}"),
            format!("service `{name}` depends on undefined service `{other}`"),
        )),
        None => Ok(()),
    }
}

/// Checks that no service that is on needs one that is off, and that none depend on one another in a circle.
pub(super) fn dependencies(project: &Project) -> Result<(), Error> {
    for (name, service) in &project.services {
        for (other, need) in &service.depends_on {
            if need.required && !project.services.contains_key(other) {
                return Err(Error::inconsistent(format!(
                    "service `{name}` depends on undefined service `{other}`"
                ))
                .with_hint(format!("turn on a profile of `{other}`, or say `required: false`")));
            }
        }
    }
    let mut done = Vec::new();
    for name in project.services.keys() {
        visit(project, name, &mut Vec::new(), &mut done)?;
    }
    Ok(())
}

fn visit<'a>(
    project: &'a Project,
    name: &'a str,
    way: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Result<(), Error> {
    if done.contains(&name) {
        return Ok(());
    }
    if let Some(at) = way.iter().position(|seen| *seen == name) {
        let circle: Vec<&str> = way[at..].iter().copied().chain([name]).collect();
        return Err(Error::inconsistent(format!(
            "dependency cycle detected: {}",
            circle.join(" -> ")
        )));
    }
    way.push(name);
    if let Some(service) = project.services.get(name) {
        for other in service.depends_on.keys() {
            visit(project, other, way, done)?;
        }
    }
    way.pop();
    done.push(name);
    Ok(())
}
