//! One header block: its fields, and the numbers in them.

use super::{BLOCK, Kind, Time};

/// A header block.
pub(super) type Block = [u8; BLOCK];

/// Where the fields lie (POSIX `ustar`, and GNU where it differs).
mod at {
    use std::ops::Range;
    pub(super) const NAME: Range<usize> = 0..100;
    pub(super) const MODE: Range<usize> = 100..108;
    pub(super) const UID: Range<usize> = 108..116;
    pub(super) const GID: Range<usize> = 116..124;
    pub(super) const SIZE: Range<usize> = 124..136;
    pub(super) const MTIME: Range<usize> = 136..148;
    pub(super) const CHECKSUM: Range<usize> = 148..156;
    pub(super) const TYPE: usize = 156;
    pub(super) const LINK: Range<usize> = 157..257;
    pub(super) const MAGIC: Range<usize> = 257..265;
    pub(super) const MAJOR: Range<usize> = 329..337;
    pub(super) const MINOR: Range<usize> = 337..345;
    pub(super) const PREFIX: Range<usize> = 345..500;
}

/// Reads the fields of a header block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a>(pub(super) &'a Block);

impl Header<'_> {
    /// Tells whether the checksum is right; old tars summed signed bytes.
    pub(super) fn is_sound(self) -> bool {
        let Some(wanted) = number(&self.0[at::CHECKSUM]) else { return false };
        let blanked = |i: usize, byte: u8| if at::CHECKSUM.contains(&i) { b' ' } else { byte };
        let unsigned: i64 =
            self.0.iter().enumerate().map(|(i, byte)| i64::from(blanked(i, *byte))).sum();
        let signed: i64 = self
            .0
            .iter()
            .enumerate()
            .map(|(i, byte)| i64::from(i8::from_ne_bytes([blanked(i, *byte)])))
            .sum();
        wanted == unsigned || wanted == signed
    }

    pub(super) fn flag(self) -> u8 {
        self.0[at::TYPE]
    }

    pub(super) fn is_gnu(self) -> bool {
        &self.0[at::MAGIC] == b"ustar  \0"
    }

    pub(super) fn name(self) -> Vec<u8> {
        let name = text(&self.0[at::NAME]);
        let prefix = text(&self.0[at::PREFIX]);
        // GNU keeps other things where POSIX has the prefix.
        let posix = self.0[at::MAGIC].starts_with(b"ustar\0");
        if posix && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
    }

    pub(super) fn link(self) -> Vec<u8> {
        text(&self.0[at::LINK]).to_vec()
    }

    pub(super) fn mode(self) -> Option<u32> {
        number(&self.0[at::MODE]).and_then(|mode| u32::try_from(mode & 0o7777).ok())
    }

    pub(super) fn uid(self) -> Option<u32> {
        number(&self.0[at::UID]).and_then(|id| u32::try_from(id).ok())
    }

    pub(super) fn gid(self) -> Option<u32> {
        number(&self.0[at::GID]).and_then(|id| u32::try_from(id).ok())
    }

    pub(super) fn size(self) -> Option<u64> {
        number(&self.0[at::SIZE]).and_then(|size| u64::try_from(size).ok())
    }

    pub(super) fn mtime(self) -> Option<Time> {
        number(&self.0[at::MTIME]).map(|seconds| Time { seconds, nanos: 0 })
    }

    pub(super) fn device(self) -> Option<(u32, u32)> {
        let part = |field: &[u8]| number(field).and_then(|n| u32::try_from(n).ok());
        Some((part(&self.0[at::MAJOR])?, part(&self.0[at::MINOR])?))
    }
}

/// Returns the kind of member that a type flag stands for; the old format marks a directory by the slash at its end.
pub(super) fn kind(flag: u8, path: &[u8]) -> Kind {
    match flag {
        b'0' | 0 if path.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => Kind::Other(other),
    }
}

/// Returns the bytes before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Reads a number: octal digits between blanks or NULs, or base 256 with the high bit set. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        return base256(field);
    }
    let is_pad = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let mut value = 0_i64;
    for (i, byte) in field[start..].iter().enumerate() {
        match byte {
            b'0'..=b'7' => value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?,
            byte if is_pad(byte) => {
                return field[start + i..]
                    .iter()
                    .all(|b| is_pad(b) || b.is_ascii_digit())
                    .then_some(value);
            }
            _ => return None,
        }
    }
    Some(value)
}

/// Reads a big-endian two's complement number whose top bit only says that it is one.
fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let fill: u8 = if negative { 0xff } else { 0 };
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let bytes: Vec<u8> = std::iter::once(first).chain(field[1..].iter().copied()).collect();
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
    if high.iter().any(|byte| *byte != fill) {
        return None;
    }
    let mut wide = [fill; 8];
    wide[8 - low.len()..].copy_from_slice(low);
    let value = i64::from_be_bytes(wide);
    (value < 0).eq(&negative).then_some(value)
}

/// The fields of a header to be written; what does not fit must have gone into PAX records before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) name: &'a [u8],
    pub(super) prefix: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: u64,
    pub(super) flag: u8,
    pub(super) link: &'a [u8],
    pub(super) device: (u32, u32),
}

impl Fields<'_> {
    /// Returns the header block.
    pub(super) fn encode(&self) -> Block {
        let mut block = [0; BLOCK];
        put(&mut block[at::NAME], self.name);
        octal(&mut block[at::MODE], u64::from(self.mode));
        octal(&mut block[at::UID], self.uid);
        octal(&mut block[at::GID], self.gid);
        octal(&mut block[at::SIZE], self.size);
        octal(&mut block[at::MTIME], self.mtime);
        block[at::TYPE] = self.flag;
        put(&mut block[at::LINK], self.link);
        block[at::MAGIC].copy_from_slice(b"ustar\x0000");
        octal(&mut block[at::MAJOR], u64::from(self.device.0));
        octal(&mut block[at::MINOR], u64::from(self.device.1));
        put(&mut block[at::PREFIX], self.prefix);
        block[at::CHECKSUM].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block[at::CHECKSUM.start..at::CHECKSUM.end - 1], sum);
        block
    }
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// Writes `value` as octal digits that fill the field but for a NUL at its end; zero when it does not fit.
fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let mut rest = if value < 1 << (3 * digits) { value } else { 0 };
    for byte in field[..digits].iter_mut().rev() {
        *byte = b'0' + u8::try_from(rest & 7).unwrap_or(0);
        rest >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (b"0000644\0".as_slice(), Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"00000008", None),
            (b"x", None),
            (b"\x80\0\0\0\0\0\0\x01\x02\x03", Some(0x01_0203)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\x01\0\0\0\0\0\0\0\0\0\0", None),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
