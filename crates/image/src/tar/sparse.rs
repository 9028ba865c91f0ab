//! Sparse files, in the four forms that GNU tar has written them.
//!
//! Old GNU has the map in the header (type `S`) and in blocks after it; PAX 0.0 has it in repeated records, 0.1 in one
//! record, and 1.0 in front of the payload.

use super::Segment;
use super::header::number;
use super::pax::decimal;

/// How many segments a file may have.
pub(super) const MAX_SEGMENTS: usize = 1 << 20;

/// What PAX records said of a sparse file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sparse {
    /// The member's real name.
    pub(super) name: Option<Vec<u8>>,
    /// The file's size, holes included.
    pub(super) size: Option<u64>,
    /// The map, where it is in the records.
    pub(super) map: Option<Vec<Segment>>,
    /// Whether the map stands in front of the payload (1.0).
    pub(super) in_payload: bool,
}

impl Sparse {
    /// Reads the records that begin with `GNU.sparse.`; `None` when they are malformed.
    pub(super) fn read(records: &[(Vec<u8>, Vec<u8>)]) -> Option<Self> {
        let mut sparse = Self::default();
        let mut numbers: Vec<u64> = Vec::new();
        let (mut has_map, mut major) = (false, 0);
        for (key, value) in records {
            let Some(key) = key.strip_prefix(b"GNU.sparse.") else { continue };
            match key {
                b"name" => {
                    sparse.name =
                        Some(value.clone()).filter(|name| !name.is_empty() && !name.contains(&0));
                }
                b"size" | b"realsize" => sparse.size = Some(decimal(value).ok()?),
                b"major" => major = decimal(value).ok()?,
                b"offset" | b"numbytes" => {
                    // 0.0: offset and length alternate.
                    if (key == b"offset") != numbers.len().is_multiple_of(2) {
                        return None;
                    }
                    numbers.push(decimal(value).ok()?);
                    has_map = true;
                }
                b"map" => {
                    numbers = value
                        .split(|byte| *byte == b',')
                        .map(|n| decimal(n).ok())
                        .collect::<Option<_>>()?;
                    has_map = true;
                }
                _ => {}
            }
        }
        if has_map {
            sparse.map = Some(pairs(&numbers)?);
        }
        sparse.in_payload = major == 1;
        Some(sparse)
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.in_payload || self.map.is_some()
    }
}

/// Joins offsets and lengths into segments.
pub(super) fn pairs(numbers: &[u64]) -> Option<Vec<Segment>> {
    if !numbers.len().is_multiple_of(2) || numbers.len() > 2 * MAX_SEGMENTS {
        return None;
    }
    Some(numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], length: pair[1] }).collect())
}

/// Tells whether the segments lie in order within a file of `size`, and need exactly `stored` bytes of payload.
pub(super) fn is_consistent(segments: &[Segment], size: u64, stored: u64) -> bool {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for segment in segments {
        if segment.offset < end {
            return false;
        }
        let Some(next) = segment.offset.checked_add(segment.length) else { return false };
        end = next;
        sum += segment.length;
    }
    end <= size && sum == stored
}

/// Reads the map entries of an old GNU header (4 at 386) or of an extension block (21 at 0).
pub(super) fn old_map(fields: &[u8], segments: &mut Vec<Segment>) -> Option<()> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 && pair[12] == 0 {
            break;
        }
        let part = |field: &[u8]| number(field).and_then(|n| u64::try_from(n).ok());
        segments.push(Segment { offset: part(&pair[..12])?, length: part(&pair[12..])? });
    }
    (segments.len() <= MAX_SEGMENTS).then_some(())
}
