//! One repository in one registry: its manifests, tags and referrers. (Blobs are in `blob` and `upload`.)

use std::io::Read;

use hako_types::Digest;
use serde::Deserialize;
use ureq::Body;
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use ureq::http::{Method, Response};

use super::auth::{Scope, escaped, subject_of};
use super::client::{drain, failure};
use super::http::{Payload, Request, origin};
use super::{Client, Descriptor, Endpoint, Error, Index, media};

/// The longest manifest, index or list that is read. Registries accept four MiB.
pub(super) const LONGEST_DOCUMENT: u64 = 8 << 20;
/// The most pages of tags that are read.
const MOST_PAGES: usize = 10_000;
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest or an index, as the registry gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// What it is: its media type, its digest and its size.
    pub descriptor: Descriptor,
    /// Its bytes, verbatim.
    pub bytes: Vec<u8>,
}

/// A repository in a registry.
#[derive(Clone, Debug)]
pub struct Repository<'c> {
    pub(super) client: &'c Client,
    pub(super) endpoint: Endpoint,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TypeOnly {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
}

impl<'c> Repository<'c> {
    pub(super) fn new(client: &'c Client, endpoint: Endpoint) -> Self {
        Self { client, endpoint }
    }

    /// Returns where requests go.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the name of the repository with its registry.
    #[must_use]
    pub fn name(&self) -> String {
        subject_of(&self.endpoint)
    }

    /// Fetches the manifest or index that `name`, a tag or a digest, stands for.
    ///
    /// # Errors
    /// When it is not there, does not have the digest, is longer than 8 MiB, is of another kind, or the registry fails.
    pub fn manifest(&self, name: &str) -> Result<Document, Error> {
        let subject = self.subject(name);
        let response = self.get_manifest(&Method::GET, name)?;
        let header = |key: &str| {
            response.headers().get(key).and_then(|v| v.to_str().ok()).map(str::to_owned)
        };
        let said: Option<Digest> = header(CONTENT_DIGEST).and_then(|text| text.parse().ok());
        let declared = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let bytes = read_document(response, &subject)?;
        let got = Digest::of(&bytes);
        if let Some(wanted) = name.parse::<Digest>().ok().or(said)
            && wanted != got
        {
            return Err(Error::Mismatch { subject, wanted, got });
        }
        let media_type = media_type(&declared, &bytes, &subject)?;
        Ok(Document { descriptor: Descriptor::new(&media_type, got, bytes.len() as u64), bytes })
    }

    /// Returns what `name`, a tag or a digest, stands for, without fetching it where the registry tells; nothing if it is not there.
    ///
    /// # Errors
    /// When the registry fails.
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, Error> {
        let response = match self.get_manifest(&Method::HEAD, name) {
            Ok(response) => response,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = |key: &str| response.headers().get(key).and_then(|v| v.to_str().ok());
        let digest = header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
        let size = header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok());
        let media_type = header(CONTENT_TYPE.as_str()).map(|text| essence(text).to_owned());
        if let (Some(digest), Some(size), Some(media_type)) = (digest, size, media_type) {
            return Ok(Some(Descriptor::new(&media_type, digest, size)));
        }
        self.manifest(name).map(|document| Some(document.descriptor))
    }

    /// Puts a manifest or an index in place under `name`, a tag or its digest.
    ///
    /// # Errors
    /// When the registry refuses it or fails.
    pub fn put_manifest(&self, name: &str, document: &Document) -> Result<(), Error> {
        let path = format!("{}/manifests/{name}", self.endpoint.repository);
        let mut request = Request::new(Method::PUT, self.client.url(&self.endpoint, &path)?)
            .with(CONTENT_TYPE.as_str(), &document.descriptor.media_type);
        request.payload = Payload::Bytes(&document.bytes);
        let response =
            self.client.call(&self.endpoint, &Scope::push(&self.endpoint.repository), request)?;
        if !response.status().is_success() {
            return Err(failure(&self.endpoint, (&Method::PUT, &path), response));
        }
        let said = response
            .headers()
            .get(CONTENT_DIGEST)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.parse::<Digest>().ok());
        drain(response);
        match said {
            Some(got) if got != document.descriptor.digest => Err(Error::Mismatch {
                subject: self.subject(name),
                wanted: document.descriptor.digest.clone(),
                got,
            }),
            _ => Ok(()),
        }
    }

    /// Returns all tags of the repository, in the registry's order.
    ///
    /// # Errors
    /// When the repository is not there or the registry fails.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        let path = format!("{}/tags/list", self.endpoint.repository);
        let mut url = format!("{}?n=1000", self.client.url(&self.endpoint, &path)?);
        let mut tags = Vec::new();
        for _ in 0..MOST_PAGES {
            let scope = Scope::pull(&self.endpoint.repository);
            let response =
                self.client.call(&self.endpoint, &scope, Request::new(Method::GET, url.clone()))?;
            if !response.status().is_success() {
                return Err(failure(&self.endpoint, (&Method::GET, &path), response));
            }
            let next = next_page(&response, &url);
            let page: Tags =
                serde_json::from_slice(&read_document(response, &self.name())?).map_err(
                    |source| Error::Malformed { what: "the tags", subject: self.name(), source },
                )?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(tags),
            }
        }
        Err(Error::Protocol {
            address: self.endpoint.host.clone(),
            problem: "its list of tags has no end".into(),
        })
    }

    /// Returns what is attached to the manifest `subject` (signatures, documents), by the API or by the tag that stands in for it.
    ///
    /// # Errors
    /// When the registry fails.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let path = format!("{}/referrers/{subject}", self.endpoint.repository);
        let request = Request::new(Method::GET, self.client.url(&self.endpoint, &path)?)
            .with(ACCEPT.as_str(), media::OCI_INDEX);
        let response =
            self.client.call(&self.endpoint, &Scope::pull(&self.endpoint.repository), request)?;
        let bytes = match response.status().as_u16() {
            200..=299 => read_document(response, &self.subject(subject.as_str()))?,
            404 => match self.manifest(&format!("{}-{}", subject.algorithm(), subject.hex())) {
                Ok(document) => document.bytes,
                Err(Error::NotFound { .. }) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
            _ => return Err(failure(&self.endpoint, (&Method::GET, &path), response)),
        };
        serde_json::from_slice::<Index>(&bytes).map(|index| index.manifests).map_err(|source| {
            Error::Malformed {
                what: "the referrers",
                subject: self.subject(subject.as_str()),
                source,
            }
        })
    }

    fn get_manifest(&self, method: &Method, name: &str) -> Result<Response<Body>, Error> {
        let path = format!("{}/manifests/{name}", self.endpoint.repository);
        let request = Request::new(method.clone(), self.client.url(&self.endpoint, &path)?)
            .with(ACCEPT.as_str(), media::MANIFESTS.join(", "));
        let response =
            self.client.call(&self.endpoint, &Scope::pull(&self.endpoint.repository), request)?;
        match failure_status(&response) {
            false => Ok(response),
            true => Err(match failure(&self.endpoint, (method, &path), response) {
                Error::NotFound { reason, .. } => {
                    Error::NotFound { subject: self.subject(name), reason }
                }
                other => other,
            }),
        }
    }

    /// Returns what `name` in this repository is called in messages.
    pub(super) fn subject(&self, name: &str) -> String {
        let separator = if name.contains(':') { '@' } else { ':' };
        format!("{}{separator}{name}", self.name())
    }
}

fn failure_status(response: &Response<Body>) -> bool {
    !response.status().is_success()
}

fn read_document(response: Response<Body>, subject: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(LONGEST_DOCUMENT + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Broken { subject: subject.to_owned(), source })?;
    if bytes.len() as u64 > LONGEST_DOCUMENT {
        return Err(Error::Size {
            subject: subject.to_owned(),
            wanted: LONGEST_DOCUMENT,
            got: bytes.len() as u64,
        });
    }
    Ok(bytes)
}

/// Returns a media type without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or(text).trim()
}

/// Returns the media type of a document: what it says of itself, or what the registry declared where it says nothing.
///
/// A document that could be read as an index and as a manifest, or that is declared to be one and says that it is the other, is refused: two
/// clients would see two images (CVE-2021-41190).
fn media_type(declared: &str, bytes: &[u8], subject: &str) -> Result<String, Error> {
    let inner: TypeOnly = serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
        what: "the manifest",
        subject: subject.to_owned(),
        source,
    })?;
    let known = |text: &str| media::is_index(text) || media::is_manifest(text);
    let declared = essence(declared);
    let shape = if inner.manifests.is_some() { media::OCI_INDEX } else { media::OCI_MANIFEST };
    let media_type = match inner.media_type {
        Some(own) => own,
        None if matches!(
            declared,
            "" | "application/json" | "text/plain" | "application/octet-stream"
        ) =>
        {
            shape.to_owned()
        }
        None => declared.to_owned(),
    };
    let is_index = media::is_index(&media_type);
    let is_clear = !(inner.manifests.is_some() && inner.layers.is_some())
        && is_index == media::is_index(shape)
        && (!known(declared) || is_index == media::is_index(declared));
    if known(&media_type) && is_clear {
        Ok(media_type)
    } else {
        Err(Error::Unsupported { subject: subject.to_owned(), media_type })
    }
}

/// Returns the URL of the next page, from the header `Link: <…>; rel="next"`. It never leaves the host.
fn next_page(response: &Response<Body>, url: &str) -> Option<String> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    let home = origin(url)?;
    if target.starts_with('/') && !target.starts_with("//") {
        return Some(format!("{}://{}{target}", home.0, home.1));
    }
    if let Some(query) = target.strip_prefix('?') {
        return Some(format!("{}?{query}", url.split('?').next()?));
    }
    (origin(target)? == home).then(|| target.to_owned())
}

/// Returns the path of a blob below `/v2/`.
pub(super) fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("{repository}/blobs/{}", escaped(digest.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_an_index_or_a_manifest_and_never_both() {
        for (declared, text, want) in [
            (media::OCI_MANIFEST, r#"{"layers":[]}"#, Some(media::OCI_MANIFEST)),
            ("", r#"{"manifests":[]}"#, Some(media::OCI_INDEX)),
            ("application/json; charset=utf-8", r#"{"layers":[]}"#, Some(media::OCI_MANIFEST)),
            (media::DOCKER_LIST, r#"{"manifests":[]}"#, Some(media::DOCKER_LIST)),
            (media::OCI_INDEX, r#"{"manifests":[],"layers":[]}"#, None),
            (media::OCI_INDEX, r#"{"layers":[]}"#, None),
            (
                media::OCI_MANIFEST,
                r#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
                None,
            ),
            (
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                r#"{"fsLayers":[]}"#,
                None,
            ),
        ] {
            let got = media_type(declared, text.as_bytes(), "x").ok();
            assert_eq!(got.as_deref(), want, "{declared} {text}");
        }
    }
}
