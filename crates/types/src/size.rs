//! Amounts of bytes, read and written as Docker does (package `go-units`).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An amount of bytes. `16m`, `1.5GiB` and `64` read; units are powers of 1024.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bytes(pub u64);

/// Text that is not an amount of bytes.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a size: want a number and b, k, m, g or t")]
pub struct InvalidSize(pub String);

impl Bytes {
    /// Returns the amount in decimal units with four digits (`13.3kB`), as `images` and `ps -s` show it.
    #[must_use]
    pub fn human(self) -> String {
        scaled(self.0, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 4)
    }

    /// Returns the amount in decimal units with three digits (`13.3kB`), as `history` and progress show it.
    #[must_use]
    pub fn human3(self) -> String {
        scaled(self.0, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
    }

    /// Returns the amount in binary units (`64MiB`), as `stats` shows it.
    #[must_use]
    pub fn binary(self) -> String {
        scaled(self.0, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with at most four digits")]
fn scaled(amount: u64, base: f64, units: &[&str], digits: usize) -> String {
    let mut value = amount as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// Writes `value` with at most `digits` significant digits and no trailing zeros (Go's `%.Ng`).
fn significant(value: f64, digits: usize) -> String {
    let whole = if value < 1.0 { 1 } else { format!("{}", value.trunc()).len() };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

impl FromStr for Bytes {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let bad = || InvalidSize(text.to_owned());
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(bad()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(1 << shift).map(Self).ok_or_else(bad);
        }
        let value: f64 = number.parse().map_err(|_| bad())?;
        let bytes =
            value * f64::from(1_u32 << (shift / 2)) * f64::from(1_u32 << (shift - shift / 2));
        if !bytes.is_finite() || bytes >= 9.2e18 {
            return Err(bad());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above; never negative"
        )]
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.human())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_docker_reads_them() {
        for (text, want) in [
            ("64", 64),
            ("1k", 1024),
            ("16m", 16 << 20),
            ("1.5g", 3 << 29),
            ("2GiB", 2 << 30),
            ("10 kb", 10240),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, want, "{text}");
        }
        for bad in ["", "m", "-1", "1x", "nonsense", "1.2.3", "99999999999p"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_written_as_docker_writes_them() {
        assert_eq!(Bytes(0).human(), "0B");
        assert_eq!(Bytes(13_256_000).human(), "13.26MB");
        assert_eq!(Bytes(13_256_000).human3(), "13.3MB");
        assert_eq!(Bytes(7_800_000).human3(), "7.8MB");
        assert_eq!(Bytes(64 << 20).binary(), "64MiB");
        assert_eq!(Bytes(999_999).human3(), "1000kB");
    }
}
