//! Compressing a layer on all cores.
//!
//! The content is cut into blocks of one MiB, and each becomes a gzip member of its own (RFC 1952 §2.2 allows any number of
//! them in a file), so the result depends on the content alone: not on the number of threads, nor on how reads happen to fall. It costs
//! less than one percent of size. The extra field `HK` of each member holds the member's length, so that a reader who
//! knows it finds the next one without inflating (see [`members`](super::members)).

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use libdeflater::{CompressionLvl, Compressor};

use super::Compression;

/// How much content a member has.
pub(super) const MEMBER: usize = 1 << 20;
/// Deflate's level, where zlib's default lies too.
const LEVEL: i32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// How long a member's header and trailer are.
pub(super) const HEADER: usize = 20;
pub(super) const TRAILER: usize = 8;
/// A header up to the member's length: deflate, an extra field, no time, no hints, system unknown; eight bytes of extra: `HK`,
/// four bytes long.
pub(super) const START: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, b'H', b'K', 4, 0];

type Part = io::Result<Vec<u8>>;

/// Returns `content` compressed by `compression`, made while it is read, by threads in `scope` that end when it was read or dropped.
///
/// # Errors
/// When the compressor cannot be set up. Errors of `content` come when it is read.
pub fn compressed<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    content: Box<dyn Read + Send + 'env>,
    compression: Compression,
    threads: usize,
) -> io::Result<Box<dyn Read + Send + 'env>>
where
    'env: 'scope,
{
    Ok(match compression {
        Compression::None => content,
        Compression::Gzip => Box::new(parallel(scope, content, threads.max(1))),
        Compression::Zstd => Box::new(zstd::stream::read::Encoder::new(content, ZSTD_LEVEL)?),
    })
}

fn parallel<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    content: Box<dyn Read + Send + 'env>,
    threads: usize,
) -> Members
where
    'env: 'scope,
{
    let (mut to_workers, mut from_workers) = (Vec::new(), Vec::new());
    for _ in 0..threads {
        let (to_worker, work) = sync_channel::<Part>(2);
        let (done, from_worker) = sync_channel::<Part>(2);
        scope.spawn(move || compress(&work, &done));
        to_workers.push(to_worker);
        from_workers.push(from_worker);
    }
    scope.spawn(move || cut(content, &to_workers));
    Members { from_workers, next: 0, current: Vec::new(), position: 0 }
}

/// Cuts `content` into blocks and deals them out in turn.
fn cut(mut content: impl Read, workers: &[SyncSender<Part>]) {
    let mut first = true;
    for worker in workers.iter().cycle() {
        let mut block = Vec::with_capacity(MEMBER);
        let part = content.by_ref().take(MEMBER as u64).read_to_end(&mut block).map(|_| block);
        let is_last = part.as_ref().map_or(true, |block| block.len() < MEMBER);
        // Nothing at all is still one member: an empty file is not gzip.
        let is_empty = part.as_ref().is_ok_and(Vec::is_empty);
        if (is_empty && !first) || worker.send(part).is_err() || is_last {
            return;
        }
        first = false;
    }
}

fn compress(work: &Receiver<Part>, done: &SyncSender<Part>) {
    let Ok(level) = CompressionLvl::new(LEVEL) else { return };
    let mut compressor = Compressor::new(level);
    for part in work {
        let part = part.and_then(|block| member(&mut compressor, &block));
        if done.send(part).is_err() {
            return;
        }
    }
}

/// Returns `block` as a gzip member.
fn member(compressor: &mut Compressor, block: &[u8]) -> Part {
    let bound = compressor.deflate_compress_bound(block.len());
    let mut out = vec![0; HEADER + bound + TRAILER];
    let deflated = compressor
        .deflate_compress(block, &mut out[HEADER..])
        .map_err(|error| io::Error::other(error.to_string()))?;
    out.truncate(HEADER + deflated);
    let too_long = |_| io::Error::other("a compressed block is longer than four GiB");
    let total = u32::try_from(HEADER + deflated + TRAILER).map_err(too_long)?;
    out[..16].copy_from_slice(&START);
    out[16..HEADER].copy_from_slice(&total.to_le_bytes());
    out.extend(libdeflater::crc32(block).to_le_bytes());
    out.extend(u32::try_from(block.len()).map_err(too_long)?.to_le_bytes());
    Ok(out)
}

/// The members in the order of their content.
struct Members {
    from_workers: Vec<Receiver<Part>>,
    next: usize,
    current: Vec<u8>,
    position: usize,
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.current.len() {
            // A worker that ends without a part has seen the end of the content.
            let Ok(part) = self.from_workers[self.next].recv() else { return Ok(0) };
            self.current = part?;
            self.position = 0;
            self.next = (self.next + 1) % self.from_workers.len();
        }
        let rest = &self.current[self.position..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8], threads: usize) -> Vec<u8> {
        std::thread::scope(|scope| {
            let mut out = Vec::new();
            let mut reader =
                compressed(scope, Box::new(content), Compression::Gzip, threads).unwrap();
            reader.read_to_end(&mut out).unwrap();
            out
        })
    }

    #[test]
    fn the_result_is_gzip_and_does_not_depend_on_threads() {
        for len in [0, 1, MEMBER, 3 * MEMBER + 5] {
            let content: Vec<u8> =
                (0..len).map(|i: usize| (i % 251 + i / 65_521).to_le_bytes()[0]).collect();
            let one = packed(&content, 1);
            assert_eq!(one, packed(&content, 3));
            let mut out = Vec::new();
            flate2::read::MultiGzDecoder::new(&one[..]).read_to_end(&mut out).unwrap();
            assert_eq!(out, content);
        }
    }

    #[test]
    fn an_error_of_the_content_arrives_and_a_dropped_reader_ends_the_threads() {
        struct Bad;
        impl Read for Bad {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad"))
            }
        }
        std::thread::scope(|scope| {
            let content: Box<dyn Read + Send> = Box::new(io::repeat(7).take(3 << 20).chain(Bad));
            let mut reader = compressed(scope, content, Compression::Gzip, 2).unwrap();
            assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap_err().to_string(), "bad");
            drop(compressed(scope, Box::new(io::repeat(1)), Compression::Gzip, 2).unwrap());
        });
    }
}
