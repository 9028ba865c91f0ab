//! What a plain scalar means: the rules that Compose's users know, which are YAML 1.2's with the octal
//! numbers of 1.1 (`0440`) and without its `yes`, `no`, `on`, `off` and `12:30`.

use crate::yaml::Value;

/// Returns the value that plain text stands for.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::Text(text.to_owned());
    }
    if let Some(value) = integer(&text.replace('_', "")) {
        return Value::Int(value);
    }
    match float(text) {
        Some(value) => Value::Float(value),
        None => Value::Text(text.to_owned()),
    }
}

/// Reads a whole number in Go's notation: decimal, `0x`, `0o`, `0b`, or octal with a leading zero.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    if (whole.is_empty() && part.is_empty()) || !digits(whole) || !digits(part) || !exponent_fits {
        return None;
    }
    text.parse().ok()
}

/// Writes a float as Go's `%v` does: shortest digits, exponent form only far from one.
pub(crate) fn float_text(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return match value {
            v if v.is_nan() => "NaN".into(),
            v if v == f64::INFINITY => "+Inf".into(),
            v if v == f64::NEG_INFINITY => "-Inf".into(),
            _ => "0".into(),
        };
    }
    if (1e-4..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_compose_takes_them_for() {
        for (text, want) in [
            ("yes", Value::Text("yes".into())),
            ("12:30", Value::Text("12:30".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("0440", Value::Int(0o440)),
            ("0x1F", Value::Int(31)),
            ("-5", Value::Int(-5)),
            ("1_000", Value::Int(1000)),
            ("08", Value::Float(8.0)),
            ("1.50", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("-", Value::Text("-".into())),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
        assert_eq!(float_text(1.5), "1.5");
        assert_eq!(float_text(1e21), "1e+21");
        assert_eq!(float_text(100000.0), "100000");
    }
}
