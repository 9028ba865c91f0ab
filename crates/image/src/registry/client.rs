//! The client: requests to registries with the right scheme and the right authorization.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hako_types::Reference;
use serde::Deserialize;
use ureq::Body;
use ureq::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use ureq::http::{Method, Response};

use super::auth::{Authority, Means, Scope, subject_of};
use super::http::{Http, Payload, Request, address};
use super::{Config, Credential, Endpoint, Error, Repository, Security, challenge};

/// The longest explanation of an error that is read.
const LONGEST_REASON: u64 = 64 << 10;
/// How long a host that may be plain has to answer a TLS greeting.
const GREETING: Duration = Duration::from_secs(2);

/// A client of any number of registries. Making one costs nothing; connections, tokens and credentials come when
/// they are needed and are kept.
#[derive(Debug)]
pub struct Client {
    config: Config,
    http: Http,
    authority: Authority,
    /// Whether hosts that may be plain are.
    plain: Mutex<HashMap<String, bool>>,
}

impl Client {
    /// Returns a client that works as `config` says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, http: Http::new(), authority: Authority::default(), plain: Mutex::default() }
    }

    /// Returns what the client was told.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the repository of `reference` in its own registry.
    ///
    /// # Errors
    /// When the configuration blocks it.
    pub fn repository(&self, reference: &Reference) -> Result<Repository<'_>, Error> {
        Ok(Repository::new(self, self.config.own(reference)?))
    }

    /// Returns the places where `reference` may be fetched from, in the order in which to ask them.
    ///
    /// # Errors
    /// When the configuration blocks it.
    pub fn sources(&self, reference: &Reference) -> Result<Vec<Repository<'_>>, Error> {
        Ok(self
            .config
            .sources(reference)?
            .into_iter()
            .map(|endpoint| Repository::new(self, endpoint))
            .collect())
    }

    /// Checks that registry `domain` accepts `credential`, which is then used by this client; storing it is up to the caller.
    ///
    /// # Errors
    /// When the registry refuses it or cannot be asked.
    pub fn login(&self, domain: &str, credential: &Credential) -> Result<(), Error> {
        let reference =
            Reference { domain: domain.to_owned(), path: String::new(), tag: None, digest: None };
        let mut endpoint = self.config.own(&reference)?;
        endpoint.repository = String::new();
        self.authority.present(&endpoint.domain, credential.clone());
        let url = self.url(&endpoint, "")?;
        let response = self.call(&endpoint, &Scope::default(), Request::new(Method::GET, url))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            _ => Err(failure(&endpoint, (&Method::GET, "/v2/"), response)),
        }
    }

    /// Returns the URL of `path` below `/v2/` at `endpoint`.
    pub(super) fn url(&self, endpoint: &Endpoint, path: &str) -> Result<String, Error> {
        let scheme = if self.is_plain(endpoint)? { "http" } else { "https" };
        Ok(format!("{scheme}://{}{}/v2/{path}", endpoint.host, endpoint.base))
    }

    /// Sends `request` with whatever authorization `scope` takes; returns the answer whatever its status, but 401.
    pub(super) fn call(
        &self,
        endpoint: &Endpoint,
        scope: &Scope,
        mut request: Request<'_>,
    ) -> Result<Response<Body>, Error> {
        let means = Means { config: &self.config, http: &self.http };
        let url = request.url.clone();
        // Uploads may continue at another host, which has no business with our rights here.
        let is_home = address(&url) == endpoint.host;
        let mut sent = if is_home { self.authority.known(means, endpoint, scope)? } else { None };
        let mut is_first = true;
        loop {
            request.url.clone_from(&url);
            request.headers.retain(|(name, _)| *name != AUTHORIZATION.as_str());
            if let Some(sent) = &sent {
                request.headers.push((AUTHORIZATION.as_str(), sent.clone()));
            }
            let response = self.http.send(&self.config, endpoint.security, &mut request)?;
            if response.status() != 401 {
                return Ok(response);
            }
            let values = response
                .headers()
                .get_all(WWW_AUTHENTICATE)
                .into_iter()
                .filter_map(|v| v.to_str().ok());
            let challenges: Vec<_> = values.flat_map(challenge::parse).collect();
            let next = if is_home && is_first && !matches!(request.payload, Payload::Stream(_)) {
                self.authority.demanded(means, endpoint, (scope, sent.as_deref()), challenges)?
            } else {
                None
            };
            if next.is_none() {
                return Err(denied(endpoint, sent.is_some(), response));
            }
            drain(response);
            sent = next;
            // What was got just now is as good as it gets: a second refusal is an answer.
            is_first = false;
        }
    }

    /// Tells whether `endpoint` speaks plain HTTP. Where both are allowed, TLS is tried first, once.
    fn is_plain(&self, endpoint: &Endpoint) -> Result<bool, Error> {
        match endpoint.security {
            Security::Verified => return Ok(false),
            Security::Plain => return Ok(true),
            Security::Lax => {}
        }
        let mut known = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plain) = known.get(&endpoint.host) {
            return Ok(*plain);
        }
        let mut request =
            Request::new(Method::GET, format!("https://{}{}/v2/", endpoint.host, endpoint.base));
        let plain = match self.http.once(&self.config, Security::Lax, &mut request, GREETING) {
            Ok(response) => {
                drain(response);
                false
            }
            Err(Error::Unreachable { address, source }) if is_dead(&source) => {
                return Err(Error::Unreachable { address, source });
            }
            Err(_) => true,
        };
        known.insert(endpoint.host.clone(), plain);
        Ok(plain)
    }
}

/// Tells whether nobody is there, so that it does not matter which language is spoken.
fn is_dead(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(which) => {
            matches!(which, ureq::Timeout::Connect | ureq::Timeout::Resolve)
        }
        ureq::Error::Io(error) => {
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        }
        _ => false,
    }
}

/// Reads what is left of a short answer, so that its connection can be used again.
pub(super) fn drain(response: Response<Body>) {
    let mut rest = response.into_body().into_reader().take(LONGEST_REASON);
    // An answer that breaks off here has already said what it had to.
    let _cut = std::io::copy(&mut rest, &mut std::io::sink());
}

/// Returns the error that an unexpected answer means.
pub(super) fn failure(
    endpoint: &Endpoint,
    (method, path): (&Method, &str),
    response: Response<Body>,
) -> Error {
    let status = response.status().as_u16();
    let reason = reason(status, &explanation(response));
    match status {
        401 | 403 => Error::Denied { subject: subject_of(endpoint), reason },
        404 => Error::NotFound { subject: path.to_owned(), reason },
        _ => Error::Status {
            address: endpoint.host.clone(),
            status,
            request: format!("{method} `{path}`"),
            reason,
        },
    }
}

fn denied(endpoint: &Endpoint, had_credentials: bool, response: Response<Body>) -> Error {
    let said = explanation(response);
    let reason = if had_credentials {
        reason(401, &said)
    } else {
        format!("{} (no credentials)", reason(401, &said))
    };
    Error::Denied { subject: subject_of(endpoint), reason }
}

fn explanation(response: Response<Body>) -> Vec<u8> {
    let mut text = Vec::new();
    // Half an explanation is better than none.
    let _cut = response.into_body().into_reader().take(LONGEST_REASON).read_to_end(&mut text);
    text
}

#[derive(Deserialize)]
struct Explanation {
    #[serde(default)]
    errors: Vec<Entry>,
    #[serde(alias = "details", alias = "error_description")]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Returns what an error's body says, on one line (distribution-spec, "Error Codes").
pub(super) fn reason(status: u16, body: &[u8]) -> String {
    let said = match serde_json::from_slice::<Explanation>(body) {
        Ok(Explanation { errors, message }) if errors.is_empty() => message.unwrap_or_default(),
        Ok(Explanation { errors, .. }) => {
            let one = |entry: &Entry| match (
                entry.code.to_ascii_lowercase().replace('_', " "),
                entry.message.as_str(),
            ) {
                (code, "") => code,
                (code, message) if code.is_empty() || code == message => message.to_owned(),
                (code, message) => format!("{code}: {message}"),
            };
            errors.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Err(_) => String::new(),
    };
    let clean: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
    if !clean.is_empty() {
        return clean;
    }
    let known = ureq::http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    known.map_or_else(|| format!("status {status}"), str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_put_on_one_line() {
        for (status, body, want) in [
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#,
                "manifest unknown",
            ),
            (403, r#"{"errors":[{"code":"DENIED","message":"no\nway"}]}"#, "denied: noway"),
            (
                401,
                r#"{"details":"incorrect username or password"}"#,
                "incorrect username or password",
            ),
            (502, "<html>", "bad gateway"),
            (599, "", "status 599"),
        ] {
            assert_eq!(reason(status, body.as_bytes()), want);
        }
    }
}
