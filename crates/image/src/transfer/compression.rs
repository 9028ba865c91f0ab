//! How a layer is compressed: told by its first bytes, because media types lie.

use std::io::{self, BufRead, Cursor, Read};

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

/// Returns the uncompressed content of `source`.
pub(super) fn decoder<'s, S: BufRead + 's>(mut source: S) -> io::Result<Box<dyn Read + 's>> {
    let mut start = Vec::with_capacity(4);
    Read::take(&mut source, 4).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    let whole = Cursor::new(start).chain(source);
    Ok(match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_content_is_compressed_with_is_told_by_its_first_bytes() {
        assert_eq!(Compression::detect(&zstd::encode_all(&b"x"[..], 1).unwrap()), Compression::Zstd);
        assert_eq!(Compression::detect(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(Compression::detect(&[0; 512]), Compression::None);
        assert_eq!(Compression::detect(b""), Compression::None);
    }
}
