//! PAX extended headers: records of `length key=value`.

use super::sparse::Sparse;
use super::{Entry, Time};

/// What extended headers said; later records outweigh earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    /// Adds the records in `bytes`.
    ///
    /// Returns `None` when they are malformed.
    pub(super) fn parse(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() && bytes[0] != 0 {
            let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
            let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
            let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            if key.is_empty() {
                return None;
            }
            self.0.push((key.to_vec(), value.to_vec()));
            bytes = &bytes[length..];
        }
        Some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the records of `global` and then those of `local`.
    pub(super) fn joined(global: &Self, local: Self) -> Self {
        Self(global.0.iter().cloned().chain(local.0).collect())
    }

    /// Returns the size of the member's payload, when the records say it.
    ///
    /// `Err` stands for a malformed number.
    pub(super) fn size(&self) -> Result<Option<u64>, ()> {
        self.last(b"size").map(decimal).transpose()
    }

    fn last(&self, key: &[u8]) -> Option<&[u8]> {
        let value = self.0.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_slice());
        value.filter(|value| !value.is_empty())
    }

    /// Puts what the records say into `entry`; returns the name of the field that is malformed.
    pub(super) fn apply(&self, entry: &mut Entry) -> Result<Sparse, &'static str> {
        let id = |key: &[u8]| {
            let number = |text| decimal(text).ok().and_then(|id| u32::try_from(id).ok()).ok_or(());
            self.last(key).map(number).transpose()
        };
        if let Some(path) = self.last(b"path") {
            entry.path = no_nul(path).ok_or("name")?;
        }
        if let Some(link) = self.last(b"linkpath") {
            entry.link = no_nul(link).ok_or("link")?;
        }
        entry.uid = id(b"uid").map_err(|()| "owner")?.unwrap_or(entry.uid);
        entry.gid = id(b"gid").map_err(|()| "group")?.unwrap_or(entry.gid);
        if let Some(text) = self.last(b"mtime") {
            entry.mtime = time(text).ok_or("time")?;
        }
        self.xattrs(entry)?;
        Sparse::read(&self.0).ok_or("sparse map")
    }

    fn xattrs(&self, entry: &mut Entry) -> Result<(), &'static str> {
        for (key, value) in &self.0 {
            let (name, value) = if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                (name.to_vec(), value.clone())
            } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                use base64::Engine as _;
                let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
                let text: Vec<u8> = value.iter().copied().filter(|byte| *byte != b'=').collect();
                (unescaped(name), engine.decode(text).map_err(|_| "attribute")?)
            } else {
                continue;
            };
            if name.is_empty() || name.contains(&0) {
                return Err("attribute");
            }
            entry.xattrs.retain(|(old, _)| *old != name);
            entry.xattrs.push((name, value));
        }
        Ok(())
    }
}

/// Takes `%XX` away from an attribute's name.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn no_nul(text: &[u8]) -> Option<Vec<u8>> {
    (!text.contains(&0)).then(|| text.to_vec())
}

/// Reads a decimal number.
pub(super) fn decimal(text: &[u8]) -> Result<u64, ()> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    std::str::from_utf8(text).map_err(|_| ())?.parse().map_err(|_| ())
}

/// Reads seconds with a fraction, of which nine digits count.
fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{:0<9.9}", fraction).parse().ok()?;
    Some(match (whole.starts_with('-'), nanos) {
        (true, 1..) => Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
        _ => Time { seconds, nanos },
    })
}

/// Appends the record `key=value` with its length, which counts its own digits.
pub(super) fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_are_written_and_malformed_ones_refused() {
        let mut bytes = Vec::new();
        push(&mut bytes, b"path", b"a=b\nc");
        push(&mut bytes, b"SCHILY.xattr.user.x", &[b'y'; 90]);
        push(&mut bytes, b"mtime", b"-1.25");
        let mut records = Records::default();
        records.parse(&bytes).unwrap();
        let mut entry = Entry::default();
        records.apply(&mut entry).unwrap();
        assert_eq!(entry.path, b"a=b\nc");
        assert_eq!(entry.xattrs, vec![(b"user.x".to_vec(), vec![b'y'; 90])]);
        assert_eq!(entry.mtime, Time { seconds: -2, nanos: 750_000_000 });
        for bad in [
            b"8 path=a\n".as_slice(),
            b"11 path=a\n",
            b"x",
            b"7 =abc\n",
            b"99999999999999999999 a=b\n",
            b"0 a=b\n",
        ] {
            assert_eq!(Records::default().parse(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
