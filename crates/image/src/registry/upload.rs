//! Blobs that are sent: whole, as a stream while they are made, or in pieces.

use std::io::{self, Read};

use hako_types::{Digest, Hasher};
use ureq::Body;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use ureq::http::{Method, Response};

use super::auth::{Scope, escaped};
use super::client::{drain, failure};
use super::http::{Payload, Request, location};
use super::{Error, Repository};

/// How much is sent at once to a registry that takes no streams.
const PIECE: u64 = 16 << 20;
const OCTETS: &str = "application/octet-stream";

/// What an upload was, once it is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upload {
    /// The digest of what was sent.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Hashes what is read through it.
struct Measured<'r> {
    inner: &'r mut dyn Read,
    hasher: Hasher,
    size: u64,
    failure: Option<io::Error>,
}

impl Read for Measured<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(n) => {
                self.hasher.update(&buffer[..n]);
                self.size += n as u64;
                Ok(n)
            }
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                Err(copy)
            }
        }
    }
}

impl Repository<'_> {
    /// Has the registry take over the blob `digest` from its repository `from`; returns whether it did.
    ///
    /// # Errors
    /// When the registry fails.
    pub fn mount(&self, digest: &Digest, from: &str) -> Result<bool, Error> {
        let path = format!("{}/blobs/uploads/", self.endpoint.repository);
        let query = format!("{path}?mount={}&from={}", escaped(digest.as_str()), escaped(from));
        let request = Request::new(Method::POST, self.client.url(&self.endpoint, &query)?);
        let scope = Scope::push(&self.endpoint.repository).and_pull(from);
        let response = match self.client.call(&self.endpoint, &scope, request) {
            Ok(response) => response,
            // No right to read there, or no such repository: not worth failing for.
            Err(Error::Denied { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let status = response.status().as_u16();
        if status == 202 {
            // The registry began an ordinary upload instead, which nobody will finish.
            if let Ok(url) = location(&response, &self.client.url(&self.endpoint, &query)?) {
                self.cancel(&url);
            }
        }
        drain(response);
        Ok(status == 201)
    }

    /// Sends `bytes` as a blob.
    ///
    /// # Errors
    /// When the registry refuses it or fails.
    pub fn upload_bytes(&self, bytes: &[u8]) -> Result<Upload, Error> {
        let digest = Digest::of(bytes);
        let url = self.begin()?;
        let mut request =
            Request::new(Method::PUT, finishing(&url, &digest)).with(CONTENT_TYPE.as_str(), OCTETS);
        request.payload = Payload::Bytes(bytes);
        let response = self.send(request)?;
        self.expect(&Method::PUT, response)?;
        Ok(Upload { digest, size: bytes.len() as u64 })
    }

    /// Sends what `open` gives as a blob, while it is read.
    ///
    /// A registry that refuses a stream gets the blob in pieces, for which `open` is called again.
    ///
    /// # Errors
    /// When the registry refuses it or fails, or the content cannot be read.
    pub fn upload<'a>(
        &self,
        open: &mut dyn FnMut() -> io::Result<Box<dyn Read + Send + 'a>>,
    ) -> Result<Upload, Error> {
        let unreadable = |source| Error::Broken { subject: self.name(), source };
        let url = self.begin()?;
        match self.stream(&url, &mut *open().map_err(unreadable)?) {
            Err(Error::Status { status: 400 | 405 | 411 | 413 | 415 | 416 | 501, .. }) => {
                self.cancel(&url);
                let url = self.begin()?;
                self.pieces(&url, &mut *open().map_err(unreadable)?)
                    .inspect_err(|_| self.cancel(&url))
            }
            Err(error) => {
                self.cancel(&url);
                Err(error)
            }
            sent => sent,
        }
    }

    fn begin(&self) -> Result<String, Error> {
        let path = format!("{}/blobs/uploads/", self.endpoint.repository);
        let url = self.client.url(&self.endpoint, &path)?;
        let response = self.send(Request::new(Method::POST, url.clone()))?;
        if response.status() != 202 {
            return Err(failure(&self.endpoint, (&Method::POST, &path), response));
        }
        let place = location(&response, &url);
        drain(response);
        place
    }

    fn stream(&self, url: &str, content: &mut dyn Read) -> Result<Upload, Error> {
        let mut measured =
            Measured { inner: content, hasher: Hasher::new(), size: 0, failure: None };
        let mut request =
            Request::new(Method::PATCH, url.to_owned()).with(CONTENT_TYPE.as_str(), OCTETS);
        request.payload = Payload::Stream(&mut measured);
        let sent = self.send(request);
        if let Some(source) = measured.failure {
            return Err(Error::from_io(source, &self.name()));
        }
        let response = self.accept(sent?)?;
        let next = location(&response, url)?;
        drain(response);
        self.finish(&next, Upload { digest: measured.hasher.finish(), size: measured.size })
    }

    fn pieces(&self, url: &str, content: &mut dyn Read) -> Result<Upload, Error> {
        let mut measured =
            Measured { inner: content, hasher: Hasher::new(), size: 0, failure: None };
        let mut url = url.to_owned();
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let start = measured.size;
            let n = measured.by_ref().take(PIECE).read_to_end(&mut piece);
            if let Some(source) = measured.failure.take() {
                return Err(Error::from_io(source, &self.name()));
            }
            if n.map_err(|source| Error::Broken { subject: self.name(), source })? == 0 {
                return self.finish(
                    &url,
                    Upload { digest: measured.hasher.finish(), size: measured.size },
                );
            }
            let mut request = Request::new(Method::PATCH, url.clone())
                .with(CONTENT_TYPE.as_str(), OCTETS)
                .with(CONTENT_RANGE.as_str(), format!("{start}-{}", measured.size - 1))
                .with(CONTENT_LENGTH.as_str(), piece.len().to_string());
            request.payload = Payload::Bytes(&piece);
            let response = self.accept(self.send(request)?)?;
            url = location(&response, &url)?;
            drain(response);
        }
    }

    fn finish(&self, url: &str, upload: Upload) -> Result<Upload, Error> {
        let response = self.send(Request::new(Method::PUT, finishing(url, &upload.digest)))?;
        self.expect(&Method::PUT, response)?;
        Ok(upload)
    }

    fn accept(&self, response: Response<Body>) -> Result<Response<Body>, Error> {
        if response.status().is_success() {
            return Ok(response);
        }
        let path = format!("{}/blobs/uploads/", self.endpoint.repository);
        Err(failure(&self.endpoint, (&Method::PATCH, &path), response))
    }

    fn expect(&self, method: &Method, response: Response<Body>) -> Result<(), Error> {
        if response.status().is_success() {
            drain(response);
            return Ok(());
        }
        let path = format!("{}/blobs/uploads/", self.endpoint.repository);
        Err(failure(&self.endpoint, (method, &path), response))
    }

    fn send(&self, request: Request<'_>) -> Result<Response<Body>, Error> {
        self.client.call(&self.endpoint, &Scope::push(&self.endpoint.repository), request)
    }

    /// Tells the registry that nothing more comes. It would find out by itself.
    fn cancel(&self, url: &str) {
        if let Ok(response) = self.send(Request::new(Method::DELETE, url.to_owned())) {
            drain(response);
        }
    }
}

/// Returns the URL that ends an upload.
fn finishing(url: &str, digest: &Digest) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}digest={}", escaped(digest.as_str()))
}
