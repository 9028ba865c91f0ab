//! Pull: an image from a registry.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use hako_types::{Digest, Platform, Reference};

use super::image::{Outline, check};
use super::{
    BlobLedger, Error, Event, KnownBlob, LayerSink, Progress, Status, WrongContent, decode,
};
use crate::registry::{self, Client, Descriptor, Document, Index, Manifest, Repository, media};

/// How deep indexes may lie in indexes.
const NESTING: usize = 3;

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// The platform, where one was asked for. Then an image for another one is refused; otherwise this machine's is
    /// preferred, and an image that there is only for one platform is taken as it is.
    pub platform: Option<Platform>,
    /// How many layers are fetched at the same time.
    pub parallel: usize,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { platform: None, parallel: 3 }
    }
}

/// An image in a registry: what a name stands for.
#[derive(Debug)]
pub struct Resolved<'c> {
    /// The name.
    pub reference: Reference,
    /// The index, if the name stands for one.
    pub index: Option<Document>,
    /// The manifest for the platform.
    pub manifest: Document,
    layers: Vec<Descriptor>,
    config: Descriptor,
    sources: Vec<Repository<'c>>,
}

/// An image whose layers are all here.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The name.
    pub reference: Reference,
    /// The index, if the name stands for one.
    pub index: Option<Document>,
    /// The manifest for the platform.
    pub manifest: Document,
    /// The configuration, verbatim.
    pub config: Vec<u8>,
    /// The layers, the lowest first: their diff IDs and the blobs that they were fetched as.
    pub layers: Vec<(Digest, Descriptor)>,
}

impl Resolved<'_> {
    /// Returns the digest that the name stands for, which is shown to users.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.index.as_ref().unwrap_or(&self.manifest).descriptor.digest
    }

    /// Returns the digest of the configuration, which is the image's id.
    #[must_use]
    pub fn config_digest(&self) -> &Digest {
        &self.config.digest
    }
}

impl Pulled {
    /// Returns the digest that the name stands for, which is shown to users.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.index.as_ref().unwrap_or(&self.manifest).descriptor.digest
    }
}

/// Pulls `reference` into `sink`; a name with neither tag nor digest means `latest`. What is learnt of blobs goes to `ledger`.
///
/// # Errors
/// When there is no such image for the platform, the registry fails, or a layer is corrupt or cannot be kept. Layers
/// that were complete by then stay in `sink`.
pub fn pull<S: LayerSink>(
    client: &Client,
    reference: &Reference,
    options: &PullOptions,
    (sink, ledger): (&S, &dyn BlobLedger),
    progress: &dyn Progress,
) -> Result<Pulled, Error> {
    progress.report(&Event::Resolving { reference });
    let resolved = resolve(client, reference, options)?;
    fetch(resolved, options, (sink, ledger), progress)
}

/// Asks the registry, or its mirrors first, what `reference` stands for.
///
/// # Errors
/// When there is no such image for the platform, or the registry fails.
pub fn resolve<'c>(
    client: &'c Client,
    reference: &Reference,
    options: &PullOptions,
) -> Result<Resolved<'c>, Error> {
    let reference = reference.clone().tagged();
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.as_str(),
        (None, Some(tag)) => tag.as_str(),
        (None, None) => "latest",
    };
    let mut sources = client.sources(&reference).map_err(Error::Registry)?;
    loop {
        let is_last = sources.len() == 1;
        match resolve_at(&sources[0], &reference, name, options) {
            Ok((index, manifest, parsed)) => {
                let (layers, config) = (parsed.layers, parsed.config);
                return Ok(Resolved { reference, index, manifest, layers, config, sources });
            }
            Err(Error::Registry(_)) if !is_last => drop(sources.remove(0)),
            Err(error) => return Err(error),
        }
    }
}

fn resolve_at(
    source: &Repository<'_>,
    reference: &Reference,
    name: &str,
    options: &PullOptions,
) -> Result<(Option<Document>, Document, Manifest), Error> {
    let text = reference.familiar();
    let malformed =
        |source| registry::Error::Malformed { what: "the manifest", subject: text.clone(), source };
    let mut document =
        source.manifest(name).map_err(|error| Error::Registry(named(error, reference)))?;
    let mut index = None;
    for _ in 0..NESTING {
        if !media::is_index(&document.descriptor.media_type) {
            break;
        }
        let parsed: Index =
            serde_json::from_slice(&document.bytes).map_err(malformed).map_err(Error::Registry)?;
        let wanted = options.platform.clone().unwrap_or_else(Platform::host);
        let Some(chosen) = parsed.select(&wanted) else {
            let offered = parsed.platforms().into_iter().cloned().collect();
            return Err(Error::Platform { reference: text, wanted, offered });
        };
        let next = source.manifest(chosen.digest.as_str()).map_err(Error::Registry)?;
        index.get_or_insert(std::mem::replace(&mut document, next));
    }
    if !media::is_manifest(&document.descriptor.media_type) {
        return Err(Error::Unusable { reference: text, problem: "its indexes have no end".into() });
    }
    let manifest: Manifest =
        serde_json::from_slice(&document.bytes).map_err(malformed).map_err(Error::Registry)?;
    check(&manifest, &text)?;
    Ok((index, document, manifest))
}

/// Returns `error` with the name that the user knows, when the manifest itself is what is missing.
fn named(error: registry::Error, reference: &Reference) -> registry::Error {
    match error {
        registry::Error::NotFound { reason, .. } => {
            registry::Error::NotFound { subject: reference.familiar(), reason }
        }
        other => other,
    }
}

/// Fetches the layers of `resolved` that are not here yet, several at once, each unpacked while it arrives.
///
/// # Errors
/// As [`pull`].
pub fn fetch<S: LayerSink>(
    resolved: Resolved<'_>,
    options: &PullOptions,
    (sink, ledger): (&S, &dyn BlobLedger),
    progress: &dyn Progress,
) -> Result<Pulled, Error> {
    let text = resolved.reference.familiar();
    let config = from_any(&resolved.sources, |source| source.small_blob(&resolved.config))
        .map_err(Error::Registry)?;
    let outline = Outline::parse(&config, &text)?;
    if let (Some(wanted), Some(offered)) = (&options.platform, outline.platform())
        && resolved.index.is_none()
        && !offered.matches(wanted)
    {
        return Err(Error::Platform {
            reference: text,
            wanted: wanted.clone(),
            offered: vec![offered],
        });
    }
    let diff_ids = outline.into_diff_ids();
    if diff_ids.len() != resolved.layers.len() {
        let problem = format!(
            "its manifest has {} layers, its configuration {}",
            resolved.layers.len(),
            diff_ids.len()
        );
        return Err(Error::Unusable { reference: text, problem });
    }
    progress.report(&Event::Resolved {
        reference: &resolved.reference,
        digest: resolved.digest(),
        layers: diff_ids.len(),
    });
    let layers: Vec<(Digest, Descriptor)> = diff_ids.into_iter().zip(resolved.layers).collect();
    let missing = missing(&layers, sink, progress)?;
    for (_, blob) in missing.iter().skip(options.parallel) {
        progress.report(&Event::Layer {
            id: &blob.digest,
            status: Status::Waiting,
            current: 0,
            total: blob.size,
        });
    }
    let fetcher =
        Fetcher { sources: &resolved.sources, sink, progress, stop: AtomicBool::new(false) };
    fetcher.all(&missing, options.parallel)?;
    let repository = resolved.reference.repository();
    for (diff_id, blob) in &layers {
        ledger.record(diff_id, &KnownBlob { blob: blob.clone(), repository: repository.clone() });
    }
    let Resolved { reference, index, manifest, .. } = resolved;
    Ok(Pulled { reference, index, manifest, config, layers })
}

/// Returns the layers that are not here, each once, and reports about all of them.
fn missing<'l, S: LayerSink>(
    layers: &'l [(Digest, Descriptor)],
    sink: &S,
    progress: &dyn Progress,
) -> Result<Vec<&'l (Digest, Descriptor)>, Error> {
    let mut missing: Vec<&(Digest, Descriptor)> = Vec::new();
    for layer in layers {
        let is_here =
            sink.has(&layer.0).map_err(|error| Error::layer("look for", &layer.0, error))?;
        let status = if is_here { Status::AlreadyExists } else { Status::PullingFsLayer };
        progress.report(&Event::Layer {
            id: &layer.1.digest,
            status,
            current: 0,
            total: layer.1.size,
        });
        if !is_here && !missing.iter().any(|(diff_id, _)| *diff_id == layer.0) {
            missing.push(layer);
        }
    }
    Ok(missing)
}

/// Tries `ask` with each source in turn, and returns the first success or the last error.
fn from_any<'s, 'c, T>(
    sources: &'s [Repository<'c>],
    ask: impl Fn(&'s Repository<'c>) -> Result<T, registry::Error>,
) -> Result<T, registry::Error> {
    let [first @ .., last] = sources else {
        return Err(registry::Error::Blocked("a registry without a place".into()));
    };
    first.iter().find_map(|source| ask(source).ok()).map_or_else(|| ask(last), Ok)
}

struct Fetcher<'f, 'c, S> {
    sources: &'f [Repository<'c>],
    sink: &'f S,
    progress: &'f dyn Progress,
    /// Set at the first failure: the other layers need not go on.
    stop: AtomicBool,
}

impl<S: LayerSink> Fetcher<'_, '_, S> {
    fn all(&self, layers: &[&(Digest, Descriptor)], parallel: usize) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let work = || {
            while let Some((diff_id, blob)) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.layer(diff_id, blob) {
                    self.stop.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..parallel.min(layers.len()) {
                scope.spawn(work);
            }
            work();
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Fetches one layer from the first source that gives it whole.
    fn layer(&self, diff_id: &Digest, blob: &Descriptor) -> Result<(), Error> {
        let mut sources = self.sources.iter().peekable();
        while let Some(source) = sources.next() {
            match self.layer_from(source, diff_id, blob) {
                Err(Error::Registry(_))
                    if sources.peek().is_some() && !self.stop.load(Ordering::Relaxed) => {}
                result => return result,
            }
        }
        Ok(())
    }

    fn layer_from(
        &self,
        source: &Repository<'_>,
        diff_id: &Digest,
        blob: &Descriptor,
    ) -> Result<(), Error> {
        let tell = |status, current| {
            self.progress.report(&Event::Layer {
                id: &blob.digest,
                status,
                current,
                total: blob.size,
            });
        };
        tell(Status::Downloading, 0);
        let arriving = Arriving {
            inner: source.blob(blob).map_err(Error::Registry)?,
            stop: &self.stop,
            received: 0,
            tell: &tell,
        };
        let (kept, passed) =
            decode(arriving, Some(blob.size), Some(diff_id), |tar| self.sink.unpack(diff_id, tar));
        match (kept, passed) {
            (Ok(_), Ok(_)) => {
                tell(Status::PullComplete, blob.size);
                Ok(())
            }
            // The reader gave up, so that what it says is the cause.
            (Err(error), Ok(_)) => Err(Error::layer("unpack", &blob.digest, error)),
            (Err(error), Err(broken)) if broken.kind() == io::ErrorKind::BrokenPipe => {
                Err(Error::layer("unpack", &blob.digest, error))
            }
            (_, Err(broken)) => Err(broken_by(broken, &blob.digest)),
        }
    }
}

/// Returns what went wrong upstream of the reader.
fn broken_by(error: io::Error, layer: &Digest) -> Error {
    let error = match error.downcast::<registry::Error>() {
        Ok(error) => return Error::Registry(error),
        Err(error) => error,
    };
    match error.downcast::<WrongContent>() {
        Ok(source) => Error::Corrupt { layer: layer.clone(), source },
        Err(source) => Error::Uncompress { layer: layer.clone(), source },
    }
}

/// A blob that arrives, while somebody watches and may stop it.
struct Arriving<'a, R, T> {
    inner: R,
    stop: &'a AtomicBool,
    received: u64,
    tell: &'a T,
}

impl<R: Read, T: Fn(Status<'static>, u64)> Read for Arriving<'_, R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("another layer failed"));
        }
        let n = self.inner.read(buffer)?;
        self.received += n as u64;
        (self.tell)(if n == 0 { Status::Extracting } else { Status::Downloading }, self.received);
        Ok(n)
    }
}
