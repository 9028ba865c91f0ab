//! Values as text: as Go's `%v` and as JSON.

use std::fmt::Write;
use std::sync::Arc;

use gotmpl::Value;

use super::value::{FIELDS, NO_LIST, NO_MAP, field_names, is_nil};

/// Returns a value as an action prints it: nothing at all is `<no value>`.
pub(super) fn action(value: &Value) -> String {
    if matches!(value, Value::Nil) { "<no value>".into() } else { go(value) }
}

/// Returns a value as Go's `%v` prints it.
pub(super) fn go(value: &Value) -> String {
    let mut out = String::new();
    write_go(&mut out, value);
    out
}

fn write_go(out: &mut String, value: &Value) {
    if is_nil(value) {
        out.push_str("<nil>");
        return;
    }
    match value {
        Value::List(all) => {
            out.push('[');
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_go(out, one);
            }
            out.push(']');
        }
        Value::Map(map) => match field_names(value) {
            Some(names) => {
                out.push('{');
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    if let Some(one) = map.get(*name) {
                        write_go(out, one);
                    }
                }
                out.push('}');
            }
            None => {
                out.push_str("map[");
                for (index, (key, one)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    write!(out, "{key}:").ok();
                    write_go(out, one);
                }
                out.push(']');
            }
        },
        Value::Float(number) => out.push_str(&float(*number)),
        other => {
            write!(out, "{other}").ok();
        }
    }
}

/// Writes a number with a fraction as Go's `%v` does: an exponent below 1e-4 and from 1e21 on.
fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) && size.is_finite() {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) =
            exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

/// Returns a value as JSON on one line, a struct's fields in their order.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::List(list) if is_nil(value) || Arc::ptr_eq(list, &NO_LIST) => out.push_str("null"),
        Value::Map(map) if Arc::ptr_eq(map, &NO_MAP) => out.push_str("null"),
        Value::List(all) => {
            out.push('[');
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(out, one);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let names =
                field_names(value).unwrap_or_else(|| map.keys().map(|key| &**key).collect());
            let fields = names.iter().filter_map(|name| map.get(*name).map(|one| (*name, one)));
            let shown = fields.filter(|(name, one)| *name != FIELDS && !one.is_function());
            out.push('{');
            for (index, (name, one)) in shown.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write_json(out, one);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        _ => out.push_str("null"),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
