//! Push: an image to a registry, without sending what is there.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use hako_types::{Digest, Reference};

use super::image::Outline;
use super::{
    BlobLedger, Compression, Error, Event, KnownBlob, LayerSource, Progress, Status, compressed,
};
use crate::registry::{self, Client, Descriptor, Document, Manifest, Repository, media};

/// How many known forms of a layer are asked for before it is sent.
const GUESSES: usize = 4;

/// Which family of media types a manifest is written in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Docker's schema 2, which every registry and client knows. It has no zstd: images with zstd layers are OCI's.
    #[default]
    Docker,
    /// OCI's.
    Oci,
}

/// How to push.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// How layers are compressed that the registry does not have in another form.
    pub compression: Compression,
    /// The family of media types, unless the image's own manifest can be used again.
    pub format: Format,
    /// How many layers are sent at the same time.
    pub parallel: usize,
    /// How many threads compress one layer.
    pub threads: usize,
}

impl Default for PushOptions {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { compression: Compression::Gzip, format: Format::Docker, parallel: 3, threads }
    }
}

/// What is pushed.
#[derive(Clone, Copy, Debug)]
pub struct Pushing<'i> {
    /// The configuration, verbatim.
    pub config: &'i [u8],
    /// The manifest that the image came with, if it did: it is used again when the registry has, or takes, all that it names.
    pub manifest: Option<&'i [u8]>,
}

/// What the registry has now.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The manifest: its digest and size are what users are shown.
    pub manifest: Document,
    /// The layers, the lowest first: their diff IDs and their blobs.
    pub layers: Vec<(Digest, Descriptor)>,
}

/// Pushes `image` as `reference`; a name without a tag means `latest`. What is learnt of blobs goes to `ledger`.
///
/// # Errors
/// When the registry refuses it or fails, or a layer cannot be read.
pub fn push<S: LayerSource>(
    client: &Client,
    reference: &Reference,
    (image, options): (Pushing<'_>, &PushOptions),
    (source, ledger): (&S, &dyn BlobLedger),
    progress: &dyn Progress,
) -> Result<Pushed, Error> {
    let reference = reference.clone().tagged();
    let text = reference.familiar();
    let repository = client.repository(&reference).map_err(Error::Registry)?;
    let diff_ids = Outline::parse(image.config, &text)?.into_diff_ids();
    let own: Option<Manifest> = image.manifest.and_then(|bytes| serde_json::from_slice(bytes).ok());
    let own_layers =
        own.as_ref().filter(|m| m.layers.len() == diff_ids.len()).map(|m| m.layers.as_slice());
    let pusher = Pusher {
        client,
        repository: &repository,
        reference: &reference,
        options,
        source,
        ledger,
        progress,
    };
    let blobs = pusher.all(&diff_ids, own_layers)?;
    let reusable = own_layers
        .is_some_and(|own| own.iter().zip(&blobs).all(|(own, blob)| own.digest == blob.digest));
    let document = match (image.manifest, own) {
        (Some(bytes), Some(own)) if reusable && own.config.digest == Digest::of(image.config) => {
            let media_type = own.media_type.as_deref().unwrap_or(media::OCI_MANIFEST);
            Document { descriptor: Descriptor::of(media_type, bytes), bytes: bytes.to_owned() }
        }
        _ => written(image.config, &blobs, options.format)
            .map_err(|source| Error::Config { reference: text, source })?,
    };
    pusher.config(image.config)?;
    let name = reference.tag.clone().unwrap_or_else(|| document.descriptor.digest.to_string());
    repository.put_manifest(&name, &document).map_err(Error::Registry)?;
    let (digest, size) = (&document.descriptor.digest, document.descriptor.size);
    progress.report(&Event::Pushed { reference: &reference, digest, size });
    Ok(Pushed { layers: diff_ids.into_iter().zip(blobs).collect(), manifest: document })
}

/// Writes the manifest of an image with these layers.
fn written(
    config: &[u8],
    layers: &[Descriptor],
    format: Format,
) -> Result<Document, serde_json::Error> {
    let kinds: Vec<Compression> = layers.iter().map(|layer| kind(&layer.media_type)).collect();
    let format = if kinds.contains(&Compression::Zstd) { Format::Oci } else { format };
    let (manifest_type, config_type) = match format {
        Format::Docker => (media::DOCKER_MANIFEST, media::DOCKER_CONFIG),
        Format::Oci => (media::OCI_MANIFEST, media::OCI_CONFIG),
    };
    let layer = |(layer, kind): (&Descriptor, &Compression)| {
        let media_type =
            if format == Format::Docker { kind.docker_layer() } else { kind.oci_layer() };
        Descriptor::new(media_type, layer.digest.clone(), layer.size)
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(manifest_type.to_owned()),
        config: Descriptor::of(config_type, config),
        layers: layers.iter().zip(&kinds).map(layer).collect(),
        subject: None,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec_pretty(&manifest)?;
    Ok(Document { descriptor: Descriptor::of(manifest_type, &bytes), bytes })
}

/// Returns what a media type says of the compression.
fn kind(media_type: &str) -> Compression {
    match media_type {
        text if text.ends_with("zstd") => Compression::Zstd,
        text if text.ends_with("gzip") || text.ends_with("gz") => Compression::Gzip,
        _ => Compression::None,
    }
}

struct Pusher<'p, S> {
    client: &'p Client,
    repository: &'p Repository<'p>,
    reference: &'p Reference,
    options: &'p PushOptions,
    source: &'p S,
    ledger: &'p dyn BlobLedger,
    progress: &'p dyn Progress,
}

impl<S: LayerSource> Pusher<'_, S> {
    /// Brings all layers into the registry, and returns their blobs in the same order.
    fn all(
        &self,
        diff_ids: &[Digest],
        own: Option<&[Descriptor]>,
    ) -> Result<Vec<Descriptor>, Error> {
        let mut jobs: Vec<(&Digest, Option<&Descriptor>)> = Vec::new();
        for (at, diff_id) in diff_ids.iter().enumerate() {
            self.tell(diff_id, Status::Preparing, 0);
            if !jobs.iter().any(|(known, _)| *known == diff_id) {
                jobs.push((diff_id, own.map(|own| &own[at])));
            }
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Ok(BTreeMap::new()));
        let work = || {
            while let Some((diff_id, own)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if done.lock().unwrap_or_else(PoisonError::into_inner).is_err() {
                    return;
                }
                let result = self.layer(diff_id, *own);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                match (&mut *done, result) {
                    (Ok(blobs), Ok(blob)) => drop(blobs.insert((*diff_id).clone(), blob)),
                    (Ok(_), Err(error)) => *done = Err(error),
                    (Err(_), _) => return,
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.options.parallel.min(jobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        let blobs = done.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        Ok(diff_ids.iter().filter_map(|diff_id| blobs.get(diff_id).cloned()).collect())
    }

    fn layer(&self, diff_id: &Digest, own: Option<&Descriptor>) -> Result<Descriptor, Error> {
        let here = self.reference.repository();
        let mut known = self.ledger.known(diff_id);
        if let Some(own) = own {
            known.insert(0, KnownBlob { blob: own.clone(), repository: String::new() });
        }
        // What was seen in this very repository is most likely still there.
        known.sort_by_key(|blob| blob.repository != here);
        let mut asked: Vec<&Digest> = Vec::new();
        for KnownBlob { blob, .. } in &known {
            if asked.len() == GUESSES || asked.contains(&&blob.digest) {
                continue;
            }
            asked.push(&blob.digest);
            if self.repository.has_blob(&blob.digest).map_err(Error::Registry)? {
                self.tell(diff_id, Status::LayerAlreadyExists, blob.size);
                return Ok(self.noted(diff_id, blob.clone()));
            }
        }
        for KnownBlob { blob, repository } in &known {
            if let Some(from) = self.neighbour(repository)
                && self.repository.mount(&blob.digest, &from).map_err(Error::Registry)?
            {
                self.tell(diff_id, Status::MountedFrom(&from), blob.size);
                return Ok(self.noted(diff_id, blob.clone()));
            }
        }
        self.send(diff_id)
    }

    /// Returns what `repository` (with its registry) is called at the host that is pushed to, if it lies there too.
    fn neighbour(&self, repository: &str) -> Option<String> {
        let (domain, path) = repository.split_once('/')?;
        let reference =
            Reference { domain: domain.to_owned(), path: path.to_owned(), tag: None, digest: None };
        let endpoint = self.client.config().own(&reference).ok()?;
        let here = self.repository.endpoint();
        (endpoint.host == here.host && endpoint.repository != here.repository)
            .then_some(endpoint.repository)
    }

    fn send(&self, diff_id: &Digest) -> Result<Descriptor, Error> {
        let unreadable = Mutex::new(None);
        let sent = thread::scope(|scope| {
            self.repository.upload(&mut || {
                let content = self.source.open(diff_id).map_err(|error| {
                    *unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    io::Error::other("the layer cannot be opened")
                })?;
                let content = Leaving {
                    inner: content,
                    sent: 0,
                    tell: |n| self.tell(diff_id, Status::Pushing, n),
                };
                compressed(scope, Box::new(content), self.options.compression, self.options.threads)
            })
        });
        if let Some(error) = unreadable.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(Error::layer("read", diff_id, error));
        }
        let sent = sent.map_err(Error::Registry)?;
        self.tell(diff_id, Status::Pushed, sent.size);
        let media_type = self.options.compression.oci_layer();
        Ok(self.noted(diff_id, Descriptor::new(media_type, sent.digest, sent.size)))
    }

    fn noted(&self, diff_id: &Digest, blob: Descriptor) -> Descriptor {
        self.ledger.record(
            diff_id,
            &KnownBlob { blob: blob.clone(), repository: self.reference.repository() },
        );
        blob
    }

    fn config(&self, config: &[u8]) -> Result<(), Error> {
        let send = || -> Result<(), registry::Error> {
            if !self.repository.has_blob(&Digest::of(config))? {
                self.repository.upload_bytes(config)?;
            }
            Ok(())
        };
        send().map_err(Error::Registry)
    }

    fn tell(&self, id: &Digest, status: Status<'_>, current: u64) {
        self.progress.report(&Event::Layer { id, status, current, total: 0 });
    }
}

/// A layer that is read to be sent, while somebody watches.
struct Leaving<R, T> {
    inner: R,
    sent: u64,
    tell: T,
}

impl<R: Read, T: Fn(u64)> Read for Leaving<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sent += n as u64;
        (self.tell)(self.sent);
        Ok(n)
    }
}
