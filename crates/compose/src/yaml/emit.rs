//! Tree → text, in the manner of `docker compose config`: block style, two spaces, text quoted only where it
//! would be read as something else.

use std::fmt::Write;

use serde_json::Value;

use crate::yaml::scalar;

/// Writes a value as a YAML document, with a line end at its end.
#[must_use]
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(&mut out, items, 0),
        other => {
            write_scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn write_map(out: &mut String, map: &serde_json::Map<String, Value>, indent: usize) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        out.push_str(&if key.contains('\n') { double(key) } else { quoted(key, indent) });
        out.push(':');
        write_value(out, value, indent);
    }
}

fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        match item {
            Value::Object(map) if !map.is_empty() => {
                out.push_str("- ");
                write_map(out, map, indent + 2);
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push_str("- ");
                write_list(out, inner, indent + 2);
            }
            other => {
                out.push_str("- ");
                write_scalar(out, other, indent);
                out.push('\n');
            }
        }
    }
}

fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_map(out, map, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_list(out, items, indent + 2);
        }
        other => {
            out.push(' ');
            write_scalar(out, other, indent);
            out.push('\n');
        }
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => out.push_str(&quoted(text, indent)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn quoted(text: &str, indent: usize) -> String {
    let printable = !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if text.contains('\n')
        && printable
        && !text.starts_with([' ', '\n', '\t'])
        && !text.contains("\t\n")
    {
        return block(text, indent);
    }
    if !printable || text.contains(['\n', '\t']) {
        return double(text);
    }
    if !matches!(scalar::plain(text), crate::yaml::Value::Text(_)) || looks_typed(text) {
        return double(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Text that other YAML readers would take for something else.
fn looks_typed(text: &str) -> bool {
    let old = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    let sexagesimal = text.contains(':')
        && text
            .split(':')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    old.contains(&text) || sexagesimal
}

fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    let indicator = first.is_some_and(|c| "!&*?|>@`%{}[],#'\"".contains(c));
    let dash = text == "-"
        || text.starts_with("- ")
        || text.starts_with("---")
        || text.starts_with(": ")
        || text == ":";
    !(indicator
        || dash
        || text.starts_with("? ")
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.ends_with(':')
        || text == "="
        || text == "<<"
        || text.contains(": ")
        || text.contains(" #"))
}

fn block(text: &str, indent: usize) -> String {
    let mark = match text.strip_suffix('\n') {
        None => "|-",
        Some(rest) if rest.ends_with('\n') => "|+",
        Some(_) => "|",
    };
    let mut out = mark.to_owned();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(&mut out, indent + 2);
            out.push_str(line);
        }
    }
    out
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let value = json!({
            "a": ["x: y", "- z", "", "5", "yes", "12:30", " pad ", "it's", "#c", "a #b", "multi\nline\n", "two\n\n", "x\n y",
                "tab\there", "\u{1}", "null", "~", "{a}", "*b", "%c", "@d", "é漢", "trailing:", "a:b", "\nlead", "1.5", "0x1f", "=", "<<"],
            "m": {"n": null, "e": {}, "l": [], "list": [[1, 2], {"k": [true]}], "f": 1.5},
            "key: odd": {"5": 1},
        });
        let text = emit(&value);
        let back = crate::yaml::parse(&Arc::from("t"), &text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(back[0].to_json(), value, "{text}");
    }
}
