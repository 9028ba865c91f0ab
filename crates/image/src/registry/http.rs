//! One HTTP request with all that surrounds it: connections, certificates, proxies, redirects and second attempts.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use ureq::http::{self, Method, Response, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, SendBody};

use super::config::bare_host;
use super::{Config, Error, Security};

/// The longest that a server's wish to wait is heeded.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const REDIRECTS: usize = 10;

/// What is sent with a request.
pub(super) enum Payload<'p> {
    /// Nothing.
    None,
    /// These bytes.
    Bytes(&'p [u8]),
    /// What this gives, in chunks; it cannot be sent twice.
    Stream(&'p mut dyn Read),
}

/// A request.
pub(super) struct Request<'p> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload<'p>,
}

impl Request<'_> {
    /// Returns a request without headers and payload.
    pub(super) fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), payload: Payload::None }
    }

    /// Returns the same request with one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn is_repeatable(&self) -> bool {
        !matches!(self.payload, Payload::Stream(_))
    }
}

/// Sends requests, over connections that are kept.
#[derive(Debug)]
pub(super) struct Http {
    agents: Mutex<HashMap<(String, Security, bool), Agent>>,
    roots: OnceLock<RootCerts>,
}

impl Http {
    pub(super) fn new() -> Self {
        Self { agents: Mutex::default(), roots: OnceLock::new() }
    }

    /// Sends `request`, follows redirects, and tries again after failures that may pass; returns the answer whatever its status.
    ///
    /// `Authorization` is not sent on to another host, and nobody is led from HTTPS to HTTP unless `security` lets them.
    pub(super) fn send(
        &self,
        config: &Config,
        security: Security,
        request: &mut Request<'_>,
    ) -> Result<Response<Body>, Error> {
        for _ in 0..REDIRECTS {
            let response = self.persist(config, security, request)?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect || !matches!(request.method, Method::GET | Method::HEAD) {
                return Ok(response);
            }
            let target = location(&response, &request.url)?;
            let secure = |url: &str| url.starts_with("https://");
            if security == Security::Verified && secure(&request.url) && !secure(&target) {
                return Err(protocol(
                    &request.url,
                    format!("redirects to `{target}`, which is not encrypted"),
                ));
            }
            if origin(&request.url) != origin(&target) {
                request.headers.retain(|(name, _)| *name != AUTHORIZATION.as_str());
            }
            request.url = target;
        }
        Err(protocol(&request.url, "redirects without end".into()))
    }

    /// Sends `request` once; `patience` is how long the server may be silent.
    pub(super) fn once(
        &self,
        config: &Config,
        security: Security,
        request: &mut Request<'_>,
        patience: Duration,
    ) -> Result<Response<Body>, Error> {
        let agent = self.agent(config, security, &request.url)?;
        attempt(&agent, request, patience).map_err(|source| unreachable(&request.url, source))
    }

    fn persist(
        &self,
        config: &Config,
        security: Security,
        request: &mut Request<'_>,
    ) -> Result<Response<Body>, Error> {
        let agent = self.agent(config, security, &request.url)?;
        let mut failures = 0;
        loop {
            let last = failures >= config.retries || !request.is_repeatable();
            let wait = match attempt(&agent, request, config.read_timeout) {
                Ok(response) if last || !may_pass(response.status().as_u16()) => {
                    return Ok(response);
                }
                Ok(response) => {
                    retry_after(&response).unwrap_or_else(|| backoff(failures)).min(LONGEST_WAIT)
                }
                Err(source) if last || !is_passing(&source, failures) => {
                    return Err(unreachable(&request.url, source));
                }
                Err(_) => backoff(failures),
            };
            std::thread::sleep(wait);
            failures += 1;
        }
    }

    fn agent(&self, config: &Config, security: Security, url: &str) -> Result<Agent, Error> {
        let encrypted = url.starts_with("https://");
        let host = origin(url).map(|(_, authority)| authority).unwrap_or_default();
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host, security, encrypted);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let tls = if encrypted {
            self.tls(config, security, &key.0)?
        } else {
            TlsConfig::builder().build()
        };
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy(&config.proxies, encrypted)?)
            .user_agent(concat!("hako/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(config.connect_timeout))
            .max_idle_connections_per_host(8)
            .input_buffer_size(256 << 10)
            .tls_config(tls)
            .build()
            .into();
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    /// Returns how `host` (with its port) is spoken to: its own certificates (`certs.d/HOST/*.crt`, `*.cert` with `*.key`) count too.
    fn tls(&self, config: &Config, security: Security, host: &str) -> Result<TlsConfig, Error> {
        let directories =
            config.certificates.iter().flat_map(|dir| [dir.join(host), dir.join(bare_host(host))]);
        let directory = directories.into_iter().find(|dir| dir.is_dir());
        let own = directory.as_deref().map(own_certificates).transpose()?.unwrap_or_default();
        let builder = TlsConfig::builder().client_cert(own.client);
        if security == Security::Lax {
            return Ok(builder.disable_verification(true).build());
        }
        let shared = self.roots.get_or_init(|| trusted_roots(config)).clone();
        let roots = match (own.roots.is_empty(), shared) {
            (true, shared) => shared,
            (false, RootCerts::Specific(shared)) => {
                own.roots.into_iter().chain(shared.iter().cloned()).into()
            }
            (false, _) => own.roots.into(),
        };
        Ok(builder.root_certs(roots).build())
    }
}

fn attempt(
    agent: &Agent,
    request: &mut Request<'_>,
    patience: Duration,
) -> Result<Response<Body>, ureq::Error> {
    let mut builder = http::Request::builder().method(request.method.clone()).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let needs_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    let run = |request: http::Request<SendBody<'_>>| {
        agent.run(
            agent
                .configure_request(request)
                .timeout_per_read(Some(patience))
                .timeout_per_write(Some(patience))
                .build(),
        )
    };
    match &mut request.payload {
        Payload::Bytes(bytes) => {
            let request = builder.body(*bytes)?;
            agent.run(
                agent
                    .configure_request(request)
                    .timeout_per_read(Some(patience))
                    .timeout_per_write(Some(patience))
                    .build(),
            )
        }
        Payload::None if needs_body => {
            let empty: &[u8] = &[];
            agent.run(
                agent
                    .configure_request(builder.body(empty)?)
                    .timeout_per_read(Some(patience))
                    .build(),
            )
        }
        Payload::None => run(builder.body(SendBody::none())?),
        Payload::Stream(reader) => run(builder.body(SendBody::from_reader(*reader))?),
    }
}

fn may_pass(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// Tells whether a request that failed so may succeed when it is sent again.
fn is_passing(error: &ureq::Error, failures: u32) -> bool {
    match error {
        // A timeout has already cost seconds.
        ureq::Error::Timeout(_) => failures == 0,
        // A certificate that is not trusted, or no TLS at all.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => false,
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => true,
        _ => false,
    }
}

/// Returns how long to wait after so many failures: 0.1 s, 0.4 s, 1.6 s, …
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_millis(100 * 4_u64.pow(failures.min(4)))
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns where `response` to a request for `url` leads, as an absolute URL.
pub(super) fn location(response: &Response<Body>, url: &str) -> Result<String, Error> {
    let lost = || protocol(url, "leads to nowhere (no `Location`)".into());
    let target =
        response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(lost)?;
    if target.starts_with("https://") || target.starts_with("http://") {
        return Ok(target.to_owned());
    }
    let (scheme, authority) = origin(url).ok_or_else(lost)?;
    if let Some(rest) = target.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    let path = if target.starts_with('/') {
        target.to_owned()
    } else {
        let uri: Uri = url.parse().map_err(|_| lost())?;
        let directory = uri.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{directory}/{target}")
    };
    Ok(format!("{scheme}://{authority}{path}"))
}

/// Returns scheme and authority of `url`.
pub(super) fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.authority()?.as_str().to_owned()))
}

/// Returns the host and port of `url`, for messages.
pub(super) fn address(url: &str) -> String {
    origin(url).map_or_else(|| url.to_owned(), |(_, authority)| authority)
}

pub(super) fn protocol(url: &str, problem: String) -> Error {
    Error::Protocol { address: address(url), problem }
}

fn unreachable(url: &str, source: ureq::Error) -> Error {
    Error::Unreachable { address: address(url), source: Box::new(source) }
}

fn proxy(proxies: &super::Proxies, encrypted: bool) -> Result<Option<Proxy>, Error> {
    let Some(url) = (if encrypted { &proxies.https } else { &proxies.http })
        .as_deref()
        .filter(|url| !url.is_empty())
    else {
        return Ok(None);
    };
    let fail = |source| Error::Connection { subject: url.to_owned(), source: Box::new(source) };
    let parsed = Proxy::new(url).map_err(fail)?;
    let mut builder = Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(name) = parsed.username() {
        builder = builder.username(name);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for entry in ["localhost", "127.0.0.1", "::1"].into_iter().chain(proxies.none.split(',')) {
        if !entry.trim().is_empty() {
            builder = builder.no_proxy(entry.trim());
        }
    }
    builder.build().map(Some).map_err(fail)
}

fn trusted_roots(config: &Config) -> RootCerts {
    let parse = |file: &std::path::PathBuf| {
        let bytes = fs::read(file).ok()?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&bytes)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        (!certificates.is_empty()).then_some(certificates)
    };
    config.roots.iter().find_map(parse).map_or(RootCerts::WebPki, Into::into)
}

#[derive(Default)]
struct OwnCertificates {
    roots: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

fn own_certificates(directory: &Path) -> Result<OwnCertificates, Error> {
    let mut own = OwnCertificates::default();
    let read = |file: &Path| {
        let fail = |source: ureq::Error| Error::Connection {
            subject: file.display().to_string(),
            source: Box::new(source),
        };
        let bytes = fs::read(file).map_err(|error| fail(error.into()))?;
        ureq::tls::parse_pem(&bytes).collect::<Result<Vec<_>, _>>().map_err(fail)
    };
    let certificates = |items: Vec<PemItem<'static>>| {
        items
            .into_iter()
            .filter_map(|item| if let PemItem::Certificate(c) = item { Some(c) } else { None })
    };
    let mut files: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        match file.extension().and_then(|e| e.to_str()) {
            Some("crt") => own.roots.extend(certificates(read(&file)?)),
            Some("cert") => {
                let chain: Vec<_> = certificates(read(&file)?).collect();
                let key = read(&file.with_extension("key"))?.into_iter().find_map(|item| {
                    if let PemItem::PrivateKey(key) = item { Some(key) } else { None }
                });
                if let Some(key) = key {
                    own.client =
                        Some(ClientCert::new_with_certs(&chain, PrivateKey::to_owned(&key)));
                }
            }
            _ => {}
        }
    }
    Ok(own)
}
