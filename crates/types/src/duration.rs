//! Lengths of time in Go's notation (`1m30s`, `500ms`), as flags, Dockerfiles and Compose files have them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A length of time that reads and writes as Go's `time.Duration` does.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct GoDuration(pub Duration);

/// Text that is not a length of time.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a duration: want a number and a unit, as in 1m30s or 500ms")]
pub struct InvalidDuration(pub String);

impl GoDuration {
    /// Returns the length in nanoseconds, as Docker's API has it.
    #[must_use]
    pub fn nanos(self) -> i64 {
        i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let bad = || InvalidDuration(text.to_owned());
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut nanos = 0_f64;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
            let value: f64 = rest[..end].parse().map_err(|_| bad())?;
            rest = &rest[end..];
            let units = [
                ("ns", 1.0),
                ("us", 1e3),
                ("µs", 1e3),
                ("μs", 1e3),
                ("ms", 1e6),
                ("s", 1e9),
                ("m", 60e9),
                ("h", 3600e9),
            ];
            let (unit, factor) =
                units.into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(bad)?;
            rest = &rest[unit.len()..];
            nanos += value * factor;
        }
        if nanos > 9.2e18 {
            return Err(bad());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above; never negative"
        )]
        Ok(Self(Duration::from_nanos(nanos.round() as u64)))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000_000_000 {
            let (unit, factor) = match nanos {
                0..1_000 => ("ns", 1),
                1_000..1_000_000 => ("µs", 1_000),
                _ => ("ms", 1_000_000),
            };
            return write!(f, "{}{unit}", decimal(nanos, factor));
        }
        let seconds = self.0.as_secs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", decimal(nanos % 60_000_000_000, 1_000_000_000))
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{part:0digits$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_as_go_does() {
        for (text, want) in [
            ("30s", "30s"),
            ("1m30s", "1m30s"),
            ("90s", "1m30s"),
            ("1.5h", "1h30m0s"),
            ("500ms", "500ms"),
            ("1500ms", "1.5s"),
            ("2us", "2µs"),
            ("0", "0s"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), want, "{text}");
        }
        for bad in ["", "30", "s", "1x", "-1s", "1m 30s"] {
            assert!(bad.parse::<GoDuration>().is_err(), "{bad}");
        }
    }
}
