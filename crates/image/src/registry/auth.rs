//! Who asks, and with what right: challenges, tokens and credentials, remembered by host.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::Method;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::challenge::Challenge;
use super::http::{Http, Payload, Request};
use super::{Config, Credential, Credentials, Endpoint, Error, Security};

/// The longest answer of a token service that is read.
const LONGEST_TOKEN: u64 = 1 << 20;
/// How long a token lasts that does not say so (distribution `token.md`).
const SHORTEST_LIFE: u64 = 60;
/// What token services know this program as.
const CLIENT_ID: &str = "hako";

/// What a request wants to do.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Scope(Vec<String>);

impl Scope {
    /// Reading `repository`.
    pub(super) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    /// Reading and writing `repository`.
    pub(super) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// The same, and reading `other` too.
    pub(super) fn and_pull(mut self, other: &str) -> Self {
        self.0.push(format!("repository:{other}:pull"));
        self
    }
}

#[derive(Debug)]
struct Token {
    header: String,
    until: Instant,
}

/// Credentials, challenges and tokens of all hosts.
#[derive(Debug, Default)]
pub(super) struct Authority {
    credentials: Mutex<HashMap<String, Option<Credential>>>,
    challenges: Mutex<HashMap<String, Vec<Challenge>>>,
    tokens: Mutex<HashMap<(String, Scope), Token>>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an authority needs to ask a token service.
#[derive(Clone, Copy)]
pub(super) struct Means<'m> {
    pub(super) config: &'m Config,
    pub(super) http: &'m Http,
}

impl Authority {
    /// Uses `credential` for `domain`, whatever is stored.
    pub(super) fn present(&self, domain: &str, credential: Credential) {
        lock(&self.credentials).insert(domain.to_owned(), Some(credential));
    }

    /// Returns the `Authorization` for a request, if the host is known to want one and it can be had.
    pub(super) fn known(
        &self,
        means: Means<'_>,
        endpoint: &Endpoint,
        scope: &Scope,
    ) -> Result<Option<String>, Error> {
        let challenges = lock(&self.challenges).get(&endpoint.host).cloned();
        match challenges {
            Some(challenges) => self.answer(means, endpoint, scope, &challenges),
            None => Ok(None),
        }
    }

    /// Takes note of what `endpoint` demanded although it was given `sent`, and returns what else can be tried; nothing if all was tried.
    pub(super) fn demanded(
        &self,
        means: Means<'_>,
        endpoint: &Endpoint,
        (scope, sent): (&Scope, Option<&str>),
        challenges: Vec<Challenge>,
    ) -> Result<Option<String>, Error> {
        if let Some(sent) = sent {
            lock(&self.tokens).retain(|_, token| token.header != sent);
        }
        let answer = self.answer(means, endpoint, scope, &challenges)?;
        lock(&self.challenges).insert(endpoint.host.clone(), challenges);
        Ok(answer.filter(|answer| Some(answer.as_str()) != sent))
    }

    fn answer(
        &self,
        means: Means<'_>,
        endpoint: &Endpoint,
        scope: &Scope,
        challenges: &[Challenge],
    ) -> Result<Option<String>, Error> {
        let credential = self.credential(means.config, endpoint);
        if let Some(token) = credential.as_ref().and_then(|c| c.registry_token.as_deref()) {
            return Ok(Some(format!("Bearer {token}")));
        }
        for challenge in challenges {
            match (challenge, &credential) {
                (Challenge::Bearer { .. }, _) => {
                    return self.token(means, endpoint, scope, challenge).map(Some);
                }
                (Challenge::Basic, Some(credential)) => return Ok(Some(basic(credential))),
                (Challenge::Basic, None) => {}
            }
        }
        Ok(None)
    }

    /// Returns the credential for the endpoint's registry. One that cannot be read is none, as with Docker: much is public.
    fn credential(&self, config: &Config, endpoint: &Endpoint) -> Option<Credential> {
        let mut known = lock(&self.credentials);
        if let Some(credential) = known.get(&endpoint.domain) {
            return credential.clone();
        }
        let stored = config.docker_config.as_ref().and_then(|directory| {
            Credentials::new(directory, config.helper_path.clone())
                .get(&endpoint.domain)
                .unwrap_or_default()
        });
        known.insert(endpoint.domain.clone(), stored.clone());
        stored
    }

    fn token(
        &self,
        means: Means<'_>,
        endpoint: &Endpoint,
        scope: &Scope,
        challenge: &Challenge,
    ) -> Result<String, Error> {
        let Challenge::Bearer { realm, service, scope: demanded } = challenge else {
            return Ok(String::new());
        };
        let key = (endpoint.host.clone(), scope.clone());
        if let Some(token) =
            lock(&self.tokens).get(&key).filter(|token| token.until > Instant::now())
        {
            return Ok(token.header.clone());
        }
        if endpoint.security == Security::Verified && !realm.starts_with("https://") {
            let problem = format!("sends for tokens to `{realm}`, which is not encrypted");
            return Err(Error::Protocol { address: endpoint.host.clone(), problem });
        }
        let mut scopes = scope.0.clone();
        // A registry may want more than the protocol says, but not more of what we know better.
        scopes.extend(
            demanded
                .iter()
                .flat_map(|d| d.split(' '))
                .filter(|d| !d.starts_with("repository:"))
                .map(str::to_owned),
        );
        let credential = self.credential(means.config, endpoint);
        let request = TokenRequest { realm, service: service.as_deref(), scopes: &scopes };
        let answer = request.send(means, endpoint, credential.as_ref())?;
        let life = answer.expires_in.unwrap_or(SHORTEST_LIFE).clamp(SHORTEST_LIFE, 3600);
        let no_token = || Error::Protocol {
            address: endpoint.host.clone(),
            problem: format!("got no token from `{realm}`"),
        };
        let header = format!(
            "Bearer {}",
            answer.token.or(answer.access_token).filter(|t| !t.is_empty()).ok_or_else(no_token)?
        );
        let until = Instant::now() + Duration::from_secs(life - 10);
        lock(&self.tokens).insert(key, Token { header: header.clone(), until });
        Ok(header)
    }
}

struct TokenRequest<'t> {
    realm: &'t str,
    service: Option<&'t str>,
    scopes: &'t [String],
}

impl TokenRequest<'_> {
    fn send(
        &self,
        means: Means<'_>,
        endpoint: &Endpoint,
        credential: Option<&Credential>,
    ) -> Result<Answer, Error> {
        let body;
        let mut request: Request<'_> = match credential {
            Some(Credential { identity_token: Some(token), .. }) => {
                body = self.refresh_form(token);
                let mut request = Request::new(Method::POST, self.realm.to_owned())
                    .with(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded");
                request.payload = Payload::Bytes(body.as_bytes());
                request
            }
            Some(credential) => self
                .query(Some(&credential.username))
                .with(AUTHORIZATION.as_str(), basic(credential)),
            None => self.query(None),
        };
        let response = means.http.send(means.config, endpoint.security, &mut request)?;
        let status = response.status().as_u16();
        let mut text = Vec::new();
        let mut reader = response.into_body().into_reader().take(LONGEST_TOKEN);
        let subject = || super::http::address(self.realm);
        reader
            .read_to_end(&mut text)
            .map_err(|source| Error::Broken { subject: subject(), source })?;
        match status {
            200..=299 => serde_json::from_slice(&text).map_err(|source| Error::Malformed {
                what: "the token",
                subject: subject(),
                source,
            }),
            400..=403 => Err(Error::Denied {
                subject: subject_of(endpoint),
                reason: super::client::reason(status, &text),
            }),
            _ => Err(Error::Status {
                address: subject(),
                status,
                request: "a request for a token".into(),
                reason: super::client::reason(status, &text),
            }),
        }
    }

    fn query<'p>(&self, account: Option<&str>) -> Request<'p> {
        let mut url = self.realm.to_owned();
        let mut separator = if url.contains('?') { '&' } else { '?' };
        let parameters = account
            .map(|account| ("account", account))
            .into_iter()
            .chain(self.service.map(|service| ("service", service)))
            .chain(self.scopes.iter().map(|scope| ("scope", scope.as_str())));
        for (name, value) in parameters {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.push_str(&escaped(value));
            separator = '&';
        }
        Request::new(Method::GET, url)
    }

    fn refresh_form(&self, token: &str) -> String {
        let mut form = format!(
            "grant_type=refresh_token&client_id={CLIENT_ID}&refresh_token={}",
            escaped(token)
        );
        if let Some(service) = self.service {
            form.push_str("&service=");
            form.push_str(&escaped(service));
        }
        if !self.scopes.is_empty() {
            form.push_str("&scope=");
            form.push_str(&escaped(&self.scopes.join(" ")));
        }
        form
    }
}

fn basic(credential: &Credential) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", credential.username, credential.password)))
}

/// Returns what an endpoint is called in messages.
pub(super) fn subject_of(endpoint: &Endpoint) -> String {
    if endpoint.repository.is_empty() {
        endpoint.domain.clone()
    } else {
        format!("{}/{}", endpoint.domain, endpoint.repository)
    }
}

/// Returns `text` with all but unreserved characters as percent codes (RFC 3986 §2.3).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',')
        {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_by_service_and_all_scopes() {
        let scope = Scope::push("a/b").and_pull("c");
        let request = TokenRequest {
            realm: "https://auth.io/token?x=1",
            service: Some("the registry"),
            scopes: &scope.0,
        };
        assert_eq!(
            request.query(Some("joe")).url,
            "https://auth.io/token?x=1&account=joe&service=the%20registry&scope=repository:a/b:pull,push&scope=repository:c:pull"
        );
        assert_eq!(
            request.refresh_form("t+k"),
            "grant_type=refresh_token&client_id=hako&refresh_token=t%2Bk&service=the%20registry&scope=repository:a/b:pull,push%20repository:c:pull"
        );
    }
}
