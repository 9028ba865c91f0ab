//! Archives as people have them: plain, or compressed in one of four ways.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// How much memory an xz file may ask for, in KiB: eight times what `xz -9` does.
const XZ_MEMORY: u32 = 512 << 10;
const BUFFER: usize = 1 << 17;

/// Returns the uncompressed content of `source`: gzip, zstd, xz and bzip2 are known by their first bytes.
///
/// Files of several concatenated streams are read whole.
///
/// # Errors
/// When `source` cannot be read.
pub fn plain<'s>(source: impl Read + 's) -> io::Result<Box<dyn BufRead + 's>> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let mut start = Vec::with_capacity(6);
    Read::take(&mut source, 6).read_to_end(&mut start)?;
    let magic = start.clone();
    let whole = Cursor::new(start).chain(source);
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, 8, ..] => buffered(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            buffered(zstd::stream::read::Decoder::with_buffer(whole)?)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            buffered(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => buffered(bzip2::bufread::MultiBzDecoder::new(whole)),
        _ => Box::new(whole),
    })
}

fn buffered<'s>(reader: impl Read + 's) -> Box<dyn BufRead + 's> {
    Box::new(BufReader::with_capacity(BUFFER, reader))
}
