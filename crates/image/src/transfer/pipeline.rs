//! From compressed bytes that arrive to an uncompressed archive that is read: download, inflation, the digest and
//! the reader each on a thread of their own.
//!
//! ```text
//!   source ──▶ [fetch] ──blocks──▶ [inflate] ──blocks──▶ [reader: the caller]
//!                                       └─────blocks──▶ [diff ID]
//! ```
//!
//! Inflating is the slowest of them (some 460 MB/s), hashing half as slow, so on two cores all of it takes about
//! as long as inflating alone. (Inflating the whole layer at once is faster by half, but then nothing else can happen meanwhile.) Layers
//! that hako compressed are inflated by several threads, see [`members`](super::members). Small content is not worth a thread and is done in place.
//!
//! The reader's end is a promise: it comes only after the source has ended without an error (sources check their own
//! digests) and after the uncompressed content was found to have the digest that was wanted.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hako_types::{Digest, Hasher};
use thiserror::Error;

use super::block::{BLOCK, Block, Blocks, Pool};
use super::compression::{Peek, decoder};
use super::members;

/// Below this many compressed bytes everything is done on one thread.
const SMALL: u64 = 128 << 10;
/// How many blocks may wait between two threads.
const WAITING: usize = 16;

/// What passed through a pipeline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// The digest of the uncompressed content.
    pub diff_id: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// The uncompressed content is not what was promised.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("the uncompressed layer has digest `{got}`, but its image says `{wanted}`")]
pub struct WrongContent {
    /// What the image's configuration says.
    pub wanted: Digest,
    /// What it is.
    pub got: Digest,
}

/// Uncompresses `source` (gzip, zstd or plain, told by its first bytes) and lets `consume` read it; returns what
/// `consume` returns, and what passed through or why that failed.
///
/// `wanted` is the digest that the uncompressed content must have; a reader who sees the end knows that it has. `size` is how
/// many compressed bytes are expected, where that is known. When the second value is an error, it is the
/// cause of whatever the first one says; it is only meaningful when `consume` read to the end.
pub fn decode<S, T, F>(
    source: S,
    size: Option<u64>,
    wanted: Option<&Digest>,
    consume: F,
) -> (T, io::Result<Content>)
where
    S: Read + Send,
    F: FnOnce(&mut dyn BufRead) -> T,
{
    if size.is_some_and(|size| size <= SMALL) {
        in_place(source, wanted, consume)
    } else {
        threaded(source, wanted, consume)
    }
}

/// The first error of a pipeline. Readers down the line are told of it in words, its owner gets it whole.
#[derive(Debug, Default)]
struct Failure(Mutex<Option<io::Error>>);

impl Failure {
    /// Keeps `error` if it is the first, and returns one that says the same.
    fn keep(&self, error: io::Error) -> io::Error {
        let copy = io::Error::new(error.kind(), error.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        copy
    }

    fn seen(&self) -> Option<io::Error> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map(|error| io::Error::new(error.kind(), error.to_string()))
    }

    fn into_result(self, content: Option<Content>) -> io::Result<Content> {
        match (self.0.into_inner().unwrap_or_else(PoisonError::into_inner), content) {
            (Some(error), _) => Err(error),
            (None, Some(content)) => Ok(content),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the content was not read to its end",
            )),
        }
    }
}

fn check(wanted: Option<&Digest>, got: &Digest) -> io::Result<()> {
    match wanted {
        Some(wanted) if wanted != got => {
            let wrong = WrongContent { wanted: wanted.clone(), got: got.clone() };
            Err(io::Error::new(io::ErrorKind::InvalidData, wrong))
        }
        _ => Ok(()),
    }
}

/// Does everything on the caller's thread.
fn in_place<S, T, F>(source: S, wanted: Option<&Digest>, consume: F) -> (T, io::Result<Content>)
where
    S: Read + Send,
    F: FnOnce(&mut dyn BufRead) -> T,
{
    let failure = Failure::default();
    let mut inner = match decoder(Peek::new(BufReader::with_capacity(64 << 10, source))) {
        Ok(inner) => inner,
        Err(error) => {
            let copy = failure.keep(error);
            Box::new(Broken(copy)) as Box<dyn Read + '_>
        }
    };
    let mut reader = Hashing {
        inner: &mut inner,
        hasher: Some(Hasher::new()),
        content: None,
        size: 0,
        wanted,
        failure: &failure,
    };
    let mut buffered = BufReader::with_capacity(64 << 10, &mut reader);
    let out = consume(&mut buffered);
    drop(buffered);
    let content = reader.content.take();
    drop(inner);
    (out, failure.into_result(content))
}

/// A reader that only has an error.
struct Broken(io::Error);

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}

/// Hashes what is read through it and checks the digest at the end.
struct Hashing<'r> {
    inner: &'r mut (dyn Read + 'r),
    hasher: Option<Hasher>,
    content: Option<Content>,
    size: u64,
    wanted: Option<&'r Digest>,
    failure: &'r Failure,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failure.seen() {
            return Err(error);
        }
        let n = match self.inner.read(buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.failure.keep(error)),
        };
        if n > 0 || buffer.is_empty() {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..n]);
            }
            self.size += n as u64;
        } else if let Some(hasher) = self.hasher.take() {
            let diff_id = hasher.finish();
            check(self.wanted, &diff_id).map_err(|error| self.failure.keep(error))?;
            self.content = Some(Content { diff_id, size: self.size });
        }
        Ok(n)
    }
}

/// Does everything on threads of its own.
fn threaded<S, T, F>(source: S, wanted: Option<&Digest>, consume: F) -> (T, io::Result<Content>)
where
    S: Read + Send,
    F: FnOnce(&mut dyn BufRead) -> T,
{
    let failure = Failure::default();
    let pool = Pool::new(BLOCK);
    let (to_inflate, fetched) = sync_channel(WAITING);
    let (to_hash, hashing) = sync_channel(WAITING);
    let (to_reader, inflated) = sync_channel(WAITING);
    let (out, content) = thread::scope(|scope| {
        let failure = &failure;
        let (fetch_pool, inflate_pool) = (Arc::clone(&pool), pool);
        scope.spawn(move || fetch(source, &fetch_pool, &to_inflate, failure));
        scope.spawn(move || inflate(fetched, &inflate_pool, [&to_hash, &to_reader], failure));
        let (tell, digest) = sync_channel(1);
        scope.spawn(move || {
            // Nobody listens when the reader gave up.
            let _gone = tell.send(hash(&hashing));
        });
        let mut reader =
            Checked { blocks: Blocks::new(inflated), digest, wanted, content: None, failure };
        let out = consume(&mut reader);
        // Dropping the reader ends the threads that still fill it.
        (out, reader.content.take())
    });
    (out, failure.into_result(content))
}

fn fetch(mut source: impl Read, pool: &Arc<Pool>, out: &SyncSender<Arc<Block>>, failure: &Failure) {
    loop {
        let mut block = pool.take();
        match block.fill_once(&mut source) {
            Ok(0) => return,
            Ok(_) if out.send(Arc::new(block)).is_err() => return,
            Ok(_) => {}
            Err(error) => {
                failure.keep(error);
                return;
            }
        }
    }
}

fn inflate(
    fetched: Receiver<Arc<Block>>,
    pool: &Arc<Pool>,
    outs: [&SyncSender<Arc<Block>>; 2],
    failure: &Failure,
) {
    let run = || -> io::Result<()> {
        let mut source = Peek::new(Blocks::new(fetched));
        members::inflate(&mut source, outs)?;
        let mut source = decoder(source)?;
        loop {
            let mut block = pool.take();
            if block.fill(&mut source)? == 0 {
                return Ok(());
            }
            let block = Arc::new(block);
            if outs.iter().any(|out| out.send(Arc::clone(&block)).is_err()) {
                return Ok(());
            }
        }
    };
    if let Err(error) = run() {
        failure.keep(error);
    }
}

fn hash(blocks: &Receiver<Arc<Block>>) -> Content {
    let mut hasher = Hasher::new();
    let mut size = 0;
    for block in blocks {
        hasher.update(block.bytes());
        size += block.bytes().len() as u64;
    }
    Content { diff_id: hasher.finish(), size }
}

/// The caller's end: turns the end of the blocks into the end of the content only when all is well.
struct Checked<'r> {
    blocks: Blocks,
    digest: Receiver<Content>,
    wanted: Option<&'r Digest>,
    content: Option<Content>,
    failure: &'r Failure,
}

impl Checked<'_> {
    fn verify(&mut self) -> io::Result<()> {
        if self.content.is_some() {
            return Ok(());
        }
        // The hasher ends after the inflater, which ends after the fetcher: by now every failure is known.
        let content = self.digest.recv().ok();
        if let Some(error) = self.failure.seen() {
            return Err(error);
        }
        let content =
            content.ok_or_else(|| io::Error::other("the thread that computes the digest died"))?;
        check(self.wanted, &content.diff_id).map_err(|error| self.failure.keep(error))?;
        self.content = Some(content);
        Ok(())
    }
}

impl BufRead for Checked<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.blocks.fill_buf()?.is_empty() {
            self.verify()?;
        }
        self.blocks.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.blocks.consume(amount);
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(reader: &mut dyn BufRead) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map(|_| out)
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7] & 0x3f
        })
        .take(len)
        .collect()
    }

    #[test]
    fn every_compression_comes_out_as_it_went_in() {
        let content = noise(3_000_000);
        let digest = Digest::of(&content);
        let mut twice = gzip(&content[..1_000_000]);
        twice.extend(gzip(&content[1_000_000..]));
        for packed in
            [content.clone(), gzip(&content), twice, zstd::encode_all(&content[..], 1).unwrap()]
        {
            for size in [None, Some(1)] {
                let (out, passed) = decode(&packed[..], size, Some(&digest), read_all);
                assert_eq!(out.unwrap(), content);
                assert_eq!(passed.unwrap(), Content { diff_id: digest.clone(), size: 3_000_000 });
            }
        }
    }

    #[test]
    fn wrong_content_has_no_end() {
        let wanted = Digest::of(b"other");
        for size in [None, Some(1)] {
            let (out, passed) = decode(&gzip(b"something")[..], size, Some(&wanted), read_all);
            assert!(out.is_err());
            let error = passed.unwrap_err();
            let wrong = error.get_ref().and_then(|e| e.downcast_ref::<WrongContent>()).unwrap();
            assert_eq!((&wrong.wanted, &wrong.got), (&wanted, &Digest::of(b"something")));
        }
    }

    #[test]
    fn content_that_breaks_off_or_is_corrupt_has_no_end() {
        let mut packed = gzip(&noise(2_000_000));
        packed.truncate(packed.len() / 2);
        for size in [None, Some(1)] {
            let (out, passed) = decode(&packed[..], size, None, read_all);
            assert!(out.is_err() && passed.is_err());
        }
    }

    #[test]
    fn a_reader_that_gives_up_ends_the_threads() {
        let content = noise(50_000_000);
        let ((), passed) = decode(&content[..], None, None, |_| ());
        assert_eq!(passed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
