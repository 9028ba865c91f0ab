//! Which registries there are and how each is reached: mirrors, rewritten prefixes, certificates, proxies.
//!
//! The model is that of `containers-registries.conf(5)`: the entry with the longest prefix that fits a name says where it is fetched from.
//! Docker's `registry-mirrors` and `insecure-registries` are expressed in it.

use std::path::PathBuf;
use std::time::Duration;

use hako_types::Reference;
use hako_types::reference::DEFAULT_DOMAIN;

use super::Error;

/// Everything a client has to be told. Nothing is read from the environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// Registries that are reached in another way than by their name.
    pub registries: Vec<Registry>,
    /// Docker's `registry-mirrors`: URLs that are asked before docker.io.
    pub docker_mirrors: Vec<String>,
    /// Docker's `insecure-registries`: hosts, with or without port, and networks (`10.0.0.0/8`).
    pub insecure: Vec<String>,
    /// Directories with a directory of certificates for each host (`/etc/docker/certs.d`).
    pub certificates: Vec<PathBuf>,
    /// Bundles of trusted roots; the first that exists is used, and built-in ones if none does.
    pub roots: Vec<PathBuf>,
    /// The proxies to use.
    pub proxies: Proxies,
    /// The directory of Docker's `config.json`, where credentials lie; without it all access is anonymous.
    pub docker_config: Option<PathBuf>,
    /// Directories where `docker-credential-*` programs are looked for.
    pub helper_path: Vec<PathBuf>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub read_timeout: Duration,
    /// How often a request is tried again after the first failure that may pass.
    pub retries: u32,
}

impl Default for Config {
    fn default() -> Self {
        let path = |text: &str| PathBuf::from(text);
        Self {
            registries: Vec::new(),
            docker_mirrors: Vec::new(),
            insecure: Vec::new(),
            certificates: vec![
                path("/etc/hako/certs.d"),
                path("/etc/docker/certs.d"),
                path("/etc/containers/certs.d"),
            ],
            roots: vec![
                path("/etc/ssl/certs/ca-certificates.crt"),
                path("/etc/pki/tls/certs/ca-bundle.crt"),
                path("/etc/ssl/ca-bundle.pem"),
                path("/etc/ssl/cert.pem"),
            ],
            proxies: Proxies::default(),
            docker_config: None,
            helper_path: ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).to_vec(),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            retries: 3,
        }
    }
}

/// Proxies, as the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` give them.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The proxy for plain connections.
    pub http: Option<String>,
    /// The proxy for encrypted connections.
    pub https: Option<String>,
    /// Hosts and domains that are reached directly, separated by commas.
    pub none: String,
}

/// How names that begin with a prefix are reached.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// What the names begin with: a host, a host and a part of the path, or `*.domain`.
    pub prefix: String,
    /// What takes the place of the prefix; empty for the prefix itself.
    pub location: String,
    /// Whether unverified certificates and plain HTTP are accepted there.
    pub insecure: bool,
    /// Whether nothing may be fetched under this prefix.
    pub blocked: bool,
    /// What is asked before the location, in this order.
    pub mirrors: Vec<Mirror>,
}

/// Another place that has the same images.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// What takes the place of the prefix.
    pub location: String,
    /// Whether unverified certificates and plain HTTP are accepted there.
    pub insecure: bool,
    /// Whether it is asked for tags, for digests, or for both.
    pub serves: Serves,
}

/// What a mirror is asked for (`pull-from-mirror`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Serves {
    /// Tags and digests.
    #[default]
    All,
    /// Digests only: a mirror may be behind with tags.
    Digests,
    /// Tags only.
    Tags,
}

/// How a host may be spoken to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Security {
    /// HTTPS with a verified certificate.
    Verified,
    /// HTTPS without verification, and plain HTTP where that is not understood.
    Lax,
    /// Plain HTTP.
    Plain,
}

/// A repository at a host: where requests go.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// The registry as users name it, which credentials are kept under (`docker.io`).
    pub domain: String,
    /// The host, with its port where that is not the scheme's own.
    pub host: String,
    /// A path before `/v2/`, without slash at its end.
    pub base: String,
    /// The repository there.
    pub repository: String,
    /// How the host may be spoken to.
    pub security: Security,
}

impl Config {
    /// Returns where `reference` is fetched from: its mirrors, then its own place.
    ///
    /// # Errors
    /// When the configuration blocks it.
    pub fn sources(&self, reference: &Reference) -> Result<Vec<Endpoint>, Error> {
        let name = reference.repository();
        let entry = self.entry(&name);
        let mut sources = Vec::new();
        if let Some(entry) = entry {
            let by_digest = reference.digest.is_some();
            for mirror in &entry.mirrors {
                if matches!(
                    (mirror.serves, by_digest),
                    (Serves::All, _) | (Serves::Digests, true) | (Serves::Tags, false)
                ) {
                    sources.push(self.endpoint(
                        &rewritten(&name, &entry.prefix, &mirror.location),
                        mirror.insecure,
                    ));
                }
            }
        }
        if reference.domain == DEFAULT_DOMAIN {
            sources.extend(
                self.docker_mirrors
                    .iter()
                    .filter_map(|url| self.docker_mirror(url, &reference.path)),
            );
        }
        sources.push(self.own(reference)?);
        Ok(sources)
    }

    /// Returns the place of `reference` itself, which is also where it is pushed to.
    ///
    /// # Errors
    /// When the configuration blocks it.
    pub fn own(&self, reference: &Reference) -> Result<Endpoint, Error> {
        let name = reference.repository();
        Ok(match self.entry(&name) {
            Some(entry) if entry.blocked => return Err(Error::Blocked(name)),
            Some(entry) if !entry.location.is_empty() => {
                self.endpoint(&rewritten(&name, &entry.prefix, &entry.location), entry.insecure)
            }
            Some(entry) => self.endpoint(&name, entry.insecure),
            None => self.endpoint(&name, false),
        })
    }

    fn entry(&self, name: &str) -> Option<&Registry> {
        self.registries.iter().filter(|r| begins(name, &r.prefix)).max_by_key(|r| r.prefix.len())
    }

    /// Returns the endpoint of `name`, a host and a path.
    fn endpoint(&self, name: &str, insecure: bool) -> Endpoint {
        let (domain, repository) = name.split_once('/').unwrap_or((name, ""));
        let security = if insecure || is_loopback(domain) || self.is_insecure(domain) {
            Security::Lax
        } else {
            Security::Verified
        };
        let host = if domain == DEFAULT_DOMAIN { "registry-1.docker.io" } else { domain };
        Endpoint {
            domain: domain.into(),
            host: host.into(),
            base: String::new(),
            repository: repository.into(),
            security,
        }
    }

    /// Returns the endpoint of the repository `path` at the mirror `url`.
    fn docker_mirror(&self, url: &str, path: &str) -> Option<Endpoint> {
        let (plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => (false, url),
        };
        let (host, base) =
            rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
        if host.is_empty() {
            return None;
        }
        let mut endpoint = self.endpoint(&format!("{host}/{path}"), false);
        if !base.is_empty() {
            endpoint.base = format!("/{base}");
        }
        if plain {
            endpoint.security = Security::Plain;
        }
        Some(endpoint)
    }

    fn is_insecure(&self, domain: &str) -> bool {
        let host = bare_host(domain);
        let address = host.parse::<std::net::IpAddr>().ok();
        self.insecure.iter().any(|entry| {
            entry == domain
                || entry == host
                || address.is_some_and(|address| {
                    entry.split_once('/').is_some_and(|network| within(address, network))
                })
        })
    }
}

/// Tells whether `address` lies in the network `(address, prefix length)`.
fn within(address: std::net::IpAddr, network: (&str, &str)) -> bool {
    use std::net::IpAddr;
    let (Ok(base), Ok(bits)) = (network.0.parse::<IpAddr>(), network.1.parse::<u32>()) else {
        return false;
    };
    let same = |a: u128, b: u128, width: u32| {
        bits <= width && (bits == 0 || (a ^ b) >> (width - bits) == 0)
    };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

/// Returns the host of `domain` without port and brackets.
pub(super) fn bare_host(domain: &str) -> &str {
    if let Some(rest) = domain.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(ip, _)| ip);
    }
    domain.rsplit_once(':').map_or(domain, |(host, _)| host)
}

/// Tells whether `domain` is this machine, where plain HTTP is as good as any.
fn is_loopback(domain: &str) -> bool {
    let host = bare_host(domain);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Tells whether `name` begins with `prefix` at a boundary between host, parts of the path, tag and digest.
fn begins(name: &str, prefix: &str) -> bool {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let host = bare_host(name.split('/').next().unwrap_or(name));
        return host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    }
    !prefix.is_empty()
        && name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns `name` with `location` in place of `prefix`.
fn rewritten(name: &str, prefix: &str, location: &str) -> String {
    let location = location.trim_end_matches('/');
    let rest = match prefix.strip_prefix("*.") {
        Some(_) => name.find('/').map_or("", |slash| &name[slash..]),
        None => &name[prefix.len()..],
    };
    format!("{location}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(config: &Config, name: &str) -> Vec<String> {
        let show =
            |e: &Endpoint| format!("{:?} {}{}/v2/{}", e.security, e.host, e.base, e.repository);
        config.sources(&name.parse().unwrap()).unwrap().iter().map(show).collect()
    }

    #[test]
    fn a_name_leads_to_its_registry_and_only_loopback_may_be_plain() {
        let config =
            Config { insecure: vec!["10.0.0.0/8".into(), "old.lan".into()], ..Config::default() };
        assert_eq!(hosts(&config, "alpine"), ["Verified registry-1.docker.io/v2/library/alpine"]);
        for (name, security) in [
            ("127.1.2.3:5000/x", "Lax"),
            ("localhost/x", "Lax"),
            ("[::1]:5000/x", "Lax"),
            ("localhost.evil.com/x", "Verified"),
            ("10.9.8.7:5000/x", "Lax"),
            ("11.9.8.7:5000/x", "Verified"),
            ("old.lan:444/x", "Lax"),
        ] {
            assert!(hosts(&config, name)[0].starts_with(security), "{name}");
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_mirrors_come_first() {
        let mirror =
            |location: &str, serves| Mirror { location: location.into(), insecure: false, serves };
        let registry = |prefix: &str, location: &str, mirrors| Registry {
            prefix: prefix.into(),
            location: location.into(),
            mirrors,
            ..Registry::default()
        };
        let config = Config {
            registries: vec![
                registry(
                    "a.io",
                    "b.io/cache",
                    vec![mirror("m.io/a", Serves::All), mirror("d.io", Serves::Digests)],
                ),
                registry("a.io/special", "", vec![]),
                registry("*.c.io", "c.local/all", vec![]),
                Registry { prefix: "bad.io".into(), blocked: true, ..Registry::default() },
            ],
            docker_mirrors: vec!["http://mirror:5000/hub/".into()],
            ..Config::default()
        };
        assert_eq!(
            hosts(&config, "a.io/x/y:1"),
            ["Verified m.io/v2/a/x/y", "Verified b.io/v2/cache/x/y"]
        );
        assert_eq!(hosts(&config, "a.io/special/y"), ["Verified a.io/v2/special/y"]);
        assert_eq!(
            hosts(&config, "a.io/specialist"),
            ["Verified m.io/v2/a/specialist", "Verified b.io/v2/cache/specialist"]
        );
        assert_eq!(hosts(&config, "q.c.io/z"), ["Verified c.local/v2/all/z"]);
        assert_eq!(hosts(&config, "alpine")[0], "Plain mirror:5000/hub/v2/library/alpine");
        assert!(config.sources(&"bad.io/x".parse().unwrap()).is_err());
    }
}
