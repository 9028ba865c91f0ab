//! How a layer is compressed: told by its first bytes, because media types lie.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use crate::registry::media;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
}

impl Compression {
    /// Returns what content that begins with `start` is compressed with.
    #[must_use]
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A zstd frame, or a skippable one (as those that carry a table of contents).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Returns the OCI media type of a layer that is compressed so.
    #[must_use]
    pub fn oci_layer(self) -> &'static str {
        match self {
            Self::None => media::OCI_LAYER,
            Self::Gzip => media::OCI_LAYER_GZIP,
            Self::Zstd => media::OCI_LAYER_ZSTD,
        }
    }

    /// Returns Docker's media type of a layer that is compressed so.
    #[must_use]
    pub fn docker_layer(self) -> &'static str {
        match self {
            Self::None => media::DOCKER_LAYER,
            Self::Gzip => media::DOCKER_LAYER_GZIP,
            Self::Zstd => media::DOCKER_LAYER_ZSTD,
        }
    }
}

/// A source whose next bytes can be looked at, however few it gives at a time.
pub(super) struct Peek<S> {
    start: Vec<u8>,
    position: usize,
    inner: S,
}

impl<S: BufRead> Peek<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { start: Vec::new(), position: 0, inner }
    }

    /// Returns the next `count` bytes, or fewer at the end, without taking them.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.start.drain(..self.position);
        self.position = 0;
        let missing = count.saturating_sub(self.start.len());
        Read::take(&mut self.inner, missing as u64).read_to_end(&mut self.start)?;
        Ok(&self.start[..self.start.len().min(count)])
    }
}

impl<S: BufRead> BufRead for Peek<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position < self.start.len() {
            Ok(&self.start[self.position..])
        } else {
            self.inner.fill_buf()
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.position < self.start.len() {
            self.position += amount;
        } else {
            self.inner.consume(amount);
        }
    }
}

impl<S: BufRead> Read for Peek<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Returns the uncompressed content of `source`.
pub(super) fn decoder<'s, S: BufRead + 's>(mut source: Peek<S>) -> io::Result<Box<dyn Read + 's>> {
    Ok(match Compression::detect(source.peek(4)?) {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_content_is_compressed_with_is_told_by_its_first_bytes() {
        assert_eq!(
            Compression::detect(&zstd::encode_all(&b"x"[..], 1).unwrap()),
            Compression::Zstd
        );
        assert_eq!(Compression::detect(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(Compression::detect(&[0; 512]), Compression::None);
        assert_eq!(Compression::detect(b""), Compression::None);
    }
}
