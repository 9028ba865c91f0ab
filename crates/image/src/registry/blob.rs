//! Blobs that are fetched: a reader that checks what it reads and goes on where a connection broke.

use std::io::{self, Read};

use hako_types::{Digest, Hasher};
use ureq::BodyReader;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::http::{Method, Response};

use super::auth::Scope;
use super::client::{drain, failure};
use super::http::{Request, backoff};
use super::repository::{LONGEST_DOCUMENT, blob_path};
use super::{Descriptor, Error, Repository};

/// After so many bytes a connection was a good one, and its end is no sign of a dead registry.
const PROGRESS: u64 = 64 << 10;

/// A blob that is being fetched.
///
/// Reading its end (`Ok(0)`) means that all of it came and has the descriptor's size and digest. A connection that
/// breaks is made again from where it broke, as often as the client's configuration allows without progress.
pub struct Blob<'r> {
    repository: &'r Repository<'r>,
    wanted: Descriptor,
    body: Option<BodyReader<'static>>,
    hasher: Option<Hasher>,
    received: u64,
    failures: u32,
    since_failure: u64,
}

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob")
            .field("wanted", &self.wanted)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Repository<'_> {
    /// Begins to fetch the blob `wanted`.
    ///
    /// # Errors
    /// When it is not there or the registry fails.
    pub fn blob(&self, wanted: &Descriptor) -> Result<Blob<'_>, Error> {
        let mut blob = Blob {
            repository: self,
            wanted: wanted.clone(),
            body: None,
            hasher: Some(Hasher::new()),
            received: 0,
            failures: 0,
            since_failure: 0,
        };
        blob.open()?;
        Ok(blob)
    }

    /// Fetches the blob `wanted` as a whole; it may have 8 MiB at most.
    ///
    /// # Errors
    /// When it is not there, is longer, has another digest, or the registry fails.
    pub fn small_blob(&self, wanted: &Descriptor) -> Result<Vec<u8>, Error> {
        let subject = self.subject(wanted.digest.as_str());
        if wanted.size > LONGEST_DOCUMENT {
            return Err(Error::Size { subject, wanted: LONGEST_DOCUMENT, got: wanted.size });
        }
        let mut bytes = Vec::new();
        self.blob(wanted)?
            .read_to_end(&mut bytes)
            .map_err(|error| Error::from_io(error, &subject))?;
        Ok(bytes)
    }

    /// Returns the size of the blob `digest`; nothing if it is not there.
    ///
    /// # Errors
    /// When the registry fails.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        let path = blob_path(&self.endpoint.repository, digest);
        let request = Request::new(Method::HEAD, self.client.url(&self.endpoint, &path)?);
        let response =
            self.client.call(&self.endpoint, &Scope::push(&self.endpoint.repository), request)?;
        match response.status().as_u16() {
            200..=299 => Ok(true),
            404 => Ok(false),
            _ => Err(failure(&self.endpoint, (&Method::HEAD, &path), response)),
        }
    }
}

impl Blob<'_> {
    /// Asks for what is still missing.
    fn open(&mut self) -> Result<(), Error> {
        let repository = self.repository;
        let path = blob_path(&repository.endpoint.repository, &self.wanted.digest);
        let mut request =
            Request::new(Method::GET, repository.client.url(&repository.endpoint, &path)?);
        if self.received > 0 {
            request = request.with(RANGE.as_str(), format!("bytes={}-", self.received));
        }
        let response = repository.client.call(
            &repository.endpoint,
            &Scope::pull(&repository.endpoint.repository),
            request,
        )?;
        let skip = match response.status().as_u16() {
            206 if starts_at(&response) == Some(self.received) => 0,
            200 => self.received,
            206 => {
                let problem = format!(
                    "sent another range of blob `{}` than it was asked for",
                    self.wanted.digest
                );
                return Err(Error::Protocol { address: repository.endpoint.host.clone(), problem });
            }
            404 => {
                drain(response);
                let subject = repository.subject(self.wanted.digest.as_str());
                return Err(Error::NotFound {
                    subject,
                    reason: "the registry does not have this blob".into(),
                });
            }
            _ => return Err(failure(&repository.endpoint, (&Method::GET, &path), response)),
        };
        let mut body = response.into_body().into_reader();
        if skip > 0 {
            let subject = repository.subject(self.wanted.digest.as_str());
            io::copy(&mut body.by_ref().take(skip), &mut io::sink())
                .map_err(|source| Error::Broken { subject, source })?;
        }
        self.body = Some(body);
        Ok(())
    }

    /// Waits and opens the blob again, or returns `why` when that was done often enough.
    fn reopen(&mut self, why: io::Error) -> io::Result<()> {
        self.body = None;
        if self.since_failure >= PROGRESS {
            self.failures = 0;
        }
        self.since_failure = 0;
        if self.failures >= self.repository.client.config().retries {
            let subject = self.repository.subject(self.wanted.digest.as_str());
            return Err(Error::Broken { subject, source: why }.into_io());
        }
        std::thread::sleep(backoff(self.failures));
        self.failures += 1;
        match self.open() {
            Ok(()) => Ok(()),
            Err(Error::Broken { source, .. }) => self.reopen(source),
            Err(error) => Err(error.into_io()),
        }
    }

    fn verify(&mut self) -> io::Result<usize> {
        if let Some(hasher) = self.hasher.take() {
            let got = hasher.finish();
            if got != self.wanted.digest {
                let subject = self.repository.subject(self.wanted.digest.as_str());
                return Err(
                    Error::Mismatch { subject, wanted: self.wanted.digest.clone(), got }.into_io()
                );
            }
        }
        Ok(0)
    }

    fn take_in(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received += bytes.len() as u64;
        self.since_failure += bytes.len() as u64;
        if self.received > self.wanted.size {
            let subject = self.repository.subject(self.wanted.digest.as_str());
            return Err(
                Error::Size { subject, wanted: self.wanted.size, got: self.received }.into_io()
            );
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(bytes.len())
    }
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(body) = &mut self.body else { return self.verify() };
            match body.read(buffer) {
                Ok(0) if self.received == self.wanted.size => {
                    self.body = None;
                    return self.verify();
                }
                Ok(0) => self.reopen(io::ErrorKind::UnexpectedEof.into())?,
                Ok(n) => return self.take_in(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.reopen(error)?,
            }
        }
    }
}

fn starts_at(response: &Response<ureq::Body>) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
