//! Lengths of time as Compose has them: Go's units and `d` and `w`, written without zero parts.

use std::time::Duration;

const UNITS: [(&str, u128); 8] = [
    ("w", 7 * 86_400_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a length of time.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let value: f64 = rest[..end].parse().ok()?;
        let tail = &rest[end..];
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let unit = match &tail[..unit_end] {
            "µs" | "μs" => "us",
            unit => unit,
        };
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "the largest factor has few significant bits"
        )]
        let factor = *factor as f64;
        nanos += value * factor;
        rest = &tail[unit_end..];
    }
    if !(0.0..9.2e18).contains(&nanos) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just above"
    )]
    Some(Duration::from_nanos(nanos.round() as u64))
}

/// Writes a length of time.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut out = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            out += &format!("{}{unit}", rest / factor);
            rest %= factor;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_without_zero_parts() {
        for (text, want) in [
            ("90s", "1m30s"),
            ("1h", "1h"),
            ("1.5s", "1s500ms"),
            ("0s", "0s"),
            ("2d", "2d"),
            ("300ms", "300ms"),
        ] {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Some(want), "{text}");
        }
        for bad in ["", "5", "s", "-1s", "1x", "1 s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
