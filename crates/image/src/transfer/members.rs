//! Inflating on all cores what hako compressed: gzip members that say how long they are (see [`gzip`](super::gzip)).
//!
//! Each member is inflated as a whole, which is faster by half than inflating a stream, and by several threads in turn.
//! What a member says of itself is checked, not believed: its length and its content's length are bounded, and
//! its checksum is computed. Whatever else comes is left to the ordinary decoder.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use libdeflater::Decompressor;

use super::block::{Block, Pool};
use super::compression::Peek;
use super::gzip::{HEADER, MEMBER, START, TRAILER};

/// The most threads that inflate one layer: more than the others can take the content from is of no use.
const MOST_THREADS: usize = 4;
/// The longest member: deflate makes nothing longer by more than a few bytes.
const LONGEST: usize = MEMBER + (MEMBER >> 8) + HEADER + TRAILER;

type Inflated = io::Result<Arc<Block>>;

/// Inflates the members at the beginning of `source` that say how long they are, and sends their content to both `outs`, in order.
///
/// Returns when something else comes, or the end, or when nobody listens any more.
pub(super) fn inflate<S: BufRead>(
    source: &mut Peek<S>,
    outs: [&SyncSender<Arc<Block>>; 2],
) -> io::Result<()> {
    if next_length(source)?.is_none() {
        return Ok(());
    }
    let threads =
        thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(1, MOST_THREADS);
    let pool = Pool::new(MEMBER);
    thread::scope(|scope| {
        let (mut to_workers, mut from_workers) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (to_worker, work) = sync_channel::<Vec<u8>>(2);
            let (done, from_worker) = sync_channel::<Inflated>(2);
            let pool = Arc::clone(&pool);
            scope.spawn(move || work_off(&work, &pool, &done));
            to_workers.push(to_worker);
            from_workers.push(from_worker);
        }
        let collecting = scope.spawn(move || collect(&from_workers, outs));
        let dealt = deal(source, &to_workers);
        // The workers end when nothing more can come, and the collector after them.
        drop(to_workers);
        let collected = collecting
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that collects blocks died")));
        dealt.and(collected)
    })?;
    match source.peek(2)? {
        [] | [0x1f, 0x8b] => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "what follows the last gzip member is none",
        )),
    }
}

/// Returns how long the next member is, if it says so.
fn next_length<S: BufRead>(source: &mut Peek<S>) -> io::Result<Option<usize>> {
    let header = source.peek(HEADER)?;
    let Some(length) = header
        .strip_prefix(&START)
        .and_then(|length| length.try_into().ok())
        .map(u32::from_le_bytes)
    else {
        return Ok(None);
    };
    Ok(usize::try_from(length).ok().filter(|length| (HEADER + TRAILER..=LONGEST).contains(length)))
}

fn deal<S: BufRead>(source: &mut Peek<S>, workers: &[SyncSender<Vec<u8>>]) -> io::Result<()> {
    for worker in workers.iter().cycle() {
        let Some(length) = next_length(source)? else { return Ok(()) };
        let mut member = vec![0; length];
        source.read_exact(&mut member)?;
        if worker.send(member).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn work_off(work: &Receiver<Vec<u8>>, pool: &Arc<Pool>, done: &SyncSender<Inflated>) {
    let mut decompressor = Decompressor::new();
    for member in work {
        let mut block = pool.take();
        let inflated = block
            .fill_with(|out| content(&mut decompressor, &member, out))
            .map(|()| Arc::new(block));
        let is_wrong = inflated.is_err();
        if done.send(inflated).is_err() || is_wrong {
            return;
        }
    }
}

/// Inflates one member into `out`; returns how long its content is.
fn content(decompressor: &mut Decompressor, member: &[u8], out: &mut [u8]) -> io::Result<usize> {
    let wrong =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("a gzip member {what}"));
    let (body, trailer) = member[HEADER..].split_at(member.len() - HEADER - TRAILER);
    let (checksum, size) = trailer.split_at(4);
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or_default();
    let size = usize::try_from(number(size)).unwrap_or(usize::MAX);
    let out = out.get_mut(..size).ok_or_else(|| wrong("is longer than hako makes them"))?;
    let got = decompressor.deflate_decompress(body, out).map_err(|_| wrong("is corrupt"))?;
    if got != size || libdeflater::crc32(out) != number(checksum) {
        return Err(wrong("does not have the checksum that it names"));
    }
    Ok(size)
}

/// Sends on what the workers made, in turn, until one of them has nothing more.
fn collect(workers: &[Receiver<Inflated>], outs: [&SyncSender<Arc<Block>>; 2]) -> io::Result<()> {
    for worker in workers.iter().cycle() {
        let Ok(block) = worker.recv() else { return Ok(()) };
        let block = block?;
        if outs.iter().any(|out| out.send(Arc::clone(&block)).is_err()) {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::transfer::{Compression, compressed, decode};

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        thread::scope(|scope| {
            compressed(scope, Box::new(content), Compression::Gzip, 2)
                .unwrap()
                .read_to_end(&mut out)
                .unwrap()
        });
        out
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let (out, passed) = decode(packed, None, None, |reader| {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).map(|_| out)
        });
        passed.and(out)
    }

    #[test]
    fn members_come_out_in_order_and_ordinary_ones_may_follow() {
        let content: Vec<u8> =
            (0..5 * MEMBER + 17).map(|i: usize| (i % 251 + i / 65_521).to_le_bytes()[0]).collect();
        let mut bytes = packed(&content);
        assert_eq!(unpacked(&bytes).unwrap(), content);
        let mut ordinary = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        ordinary.write_all(b"and more").unwrap();
        bytes.extend(ordinary.finish().unwrap());
        assert!(unpacked(&bytes).unwrap().ends_with(b"and more"));
        bytes.extend(b"trash");
        assert!(unpacked(&bytes).is_err());
    }

    #[test]
    fn members_that_lie_are_refused() {
        let good = packed(&vec![7; 2 * MEMBER]);
        let length = usize::try_from(u32::from_le_bytes(good[16..20].try_into().unwrap())).unwrap();
        for (at, what) in [
            (length - 1, "size"),
            (length - 8, "checksum"),
            (16, "length"),
            (30, "content"),
            (length + 3, "flags"),
        ] {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(unpacked(&bad).is_err(), "{what}");
        }
        assert!(unpacked(&good[..good.len() - 5]).is_err());
        assert!(unpacked(&packed(b"")).unwrap().is_empty());
    }
}
