//! Moments: the time of day in UTC with nanoseconds, as Docker writes it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::GoDuration;

/// A moment, with nanoseconds. Go's zero time (`0001-01-01T00:00:00Z`) stands for "never".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(i128);

/// Text that is not a moment.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a time: want RFC 3339, seconds since 1970, or an age such as 10m")]
pub struct InvalidMoment(pub String);

/// Nanoseconds from 1970 back to the year 1, where Go's zero time is.
const GO_ZERO: i128 = -62_135_596_800_000_000_000;

impl Moment {
    /// Go's zero time: what never happened.
    pub const NEVER: Self = Self(GO_ZERO);

    /// Returns the present moment.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Returns the moment that lies `nanos` after 1970 began.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        Self(i128::from(nanos))
    }

    /// Returns the moment that lies `seconds` after 1970 began.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(i128::from(seconds) * 1_000_000_000)
    }

    /// Returns nanoseconds since 1970; those out of range are cut to it.
    #[must_use]
    pub fn nanos(self) -> i64 {
        i64::try_from(self.0).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(1_000_000_000)).unwrap_or(0)
    }

    /// Tells whether this is [`NEVER`](Self::NEVER).
    #[must_use]
    pub fn is_never(self) -> bool {
        self == Self::NEVER
    }

    /// Returns how long `self` lies after `earlier`; nothing when it does not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Returns the moment that lies `length` earlier.
    #[must_use]
    pub fn before(self, length: Duration) -> Self {
        Self(self.0 - i128::try_from(length.as_nanos()).unwrap_or(0))
    }

    /// Returns RFC 3339 with exactly nine digits behind the second, as `logs -t` prints it.
    #[must_use]
    pub fn fixed(self) -> String {
        format!("{:.9}", self.timestamp())
    }

    /// Returns how long ago this was, in words (`2 minutes`), as `ps` prints it (Go's `HumanDuration`).
    #[must_use]
    pub fn age(self, now: Self) -> String {
        human_duration(now.since(self))
    }

    /// Reads what `--since` and `--until` take: RFC 3339 (zone and time of day may be missing: UTC, midnight),
    /// seconds since 1970 with a fraction, or an age (`10m`) before `now`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse_flag(text: &str, now: Self) -> Result<Self, InvalidMoment> {
        if let Ok(moment) = text.parse() {
            return Ok(moment);
        }
        if let Ok(age) = text.parse::<GoDuration>() {
            return Ok(now.before(age.0));
        }
        Err(InvalidMoment(text.to_owned()))
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(i128::try_from(after.as_nanos()).unwrap_or(0)),
            Err(before) => Self(-i128::try_from(before.duration().as_nanos()).unwrap_or(0)),
        }
    }
}

impl fmt::Display for Moment {
    /// Writes RFC 3339 in UTC with as many digits as the nanoseconds need (Go's `RFC3339Nano`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let bad = || InvalidMoment(text.to_owned());
        if let Some(moment) = from_unix(text) {
            return Ok(moment);
        }
        if let Ok(stamp) = text.parse::<Timestamp>() {
            return Ok(Self(stamp.as_nanosecond()));
        }
        let with_zone = if text.contains(['T', ' ']) {
            format!("{text}Z")
        } else {
            format!("{text}T00:00:00Z")
        };
        with_zone.parse::<Timestamp>().map(|stamp| Self(stamp.as_nanosecond())).map_err(|_| bad())
    }
}

fn from_unix(text: &str) -> Option<Moment> {
    let (seconds, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 9 || !part.bytes().all(|b| b.is_ascii_digit()) || seconds.contains('+') {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanos: i128 = format!("{part:0<9}").parse().ok()?;
    Some(Moment(i128::from(seconds) * 1_000_000_000 + nanos))
}

/// Returns a length of time in words, as Go's `units.HumanDuration` does.
#[must_use]
pub fn human_duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours) = (seconds / 60, (length.as_secs_f64() / 3600.0).round());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below 2^64"
    )]
    let hours = hours as u64;
    match (seconds, minutes) {
        (0, _) => "Less than a second".into(),
        (1, _) => "1 second".into(),
        (2..60, _) => format!("{seconds} seconds"),
        (_, 1) => "About a minute".into(),
        (_, 2..60) => format!("{minutes} minutes"),
        _ => match hours {
            1 => "About an hour".into(),
            0..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", hours / 24 / 365),
        },
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_and_write() {
        let text = "2026-11-24T08:00:01.5Z";
        assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        assert_eq!(text.parse::<Moment>().unwrap().fixed(), "2026-11-24T08:00:01.500000000Z");
        assert_eq!(Moment::NEVER.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!("1.25".parse::<Moment>().unwrap().nanos(), 1_250_000_000);
        assert_eq!("2026-11-24".parse::<Moment>().unwrap().to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(
            "2026-11-24T09:00:00+09:00".parse::<Moment>().unwrap().to_string(),
            "2026-11-24T00:00:00Z"
        );
        let now = Moment::from_seconds(1000);
        assert_eq!(Moment::parse_flag("10m", now).unwrap(), Moment::from_seconds(400));
        assert!(Moment::parse_flag("soon", now).is_err());
    }

    #[test]
    fn ages_are_said_in_dockers_words() {
        for (seconds, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (600, "10 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3 * 86400, "3 days"),
            (20 * 86400, "2 weeks"),
        ] {
            assert_eq!(human_duration(Duration::from_secs(seconds)), want);
        }
    }
}
