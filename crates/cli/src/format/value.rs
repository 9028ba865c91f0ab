//! JSON as the values of a template, with what JSON forgets put back: which objects are structs and which are maps, and
//! what kind of nothing a `null` is.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gotmpl::Value;
use serde_json::Value as Json;

/// The key in a struct that holds the names of its fields in order. No JSON key of ours begins with a zero byte.
pub(super) const FIELDS: &str = "\0fields";

/// A pointer to nothing: prints `<nil>`, is false, has no fields.
pub(super) static NIL: LazyLock<Arc<[Value]>> = LazyLock::new(|| Arc::from([]));
/// A list that is not there: prints `[]`, and `null` as JSON.
pub(super) static NO_LIST: LazyLock<Arc<[Value]>> = LazyLock::new(|| Arc::from([]));
/// A map that is not there: prints `map[]`, and `null` as JSON.
pub(super) static NO_MAP: LazyLock<Arc<BTreeMap<Arc<str>, Value>>> =
    LazyLock::new(|| Arc::new(BTreeMap::new()));

/// Keys whose objects are maps, not structs.
const MAPS: &[&str] = &[
    "Annotations",
    "Attributes",
    "AuxiliaryAddresses",
    "Containers",
    "Data",
    "DriverOptions",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "LogOpts",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// Keys whose `null` is a pointer to nothing.
const POINTERS: &[&str] = &[
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRootFs",
    "SizeRw",
    "StopTimeout",
    "BindOptions",
    "VolumeOptions",
    "TmpfsOptions",
    "ImageOptions",
    "UsageData",
];

/// Keys of lists that are left out of JSON when they are empty.
const LISTS: &[&str] = &["MaskedPaths", "Mounts", "OnBuild", "ReadonlyPaths", "Shell", "Test"];

/// Keys of texts that are left out of JSON when they are empty.
const TEXTS: &[&str] = &[
    "Author",
    "Comment",
    "Driver",
    "Gateway",
    "HealthOnFailure",
    "IPRange",
    "Name",
    "Propagation",
    "StopSignal",
    "Subpath",
    "Variant",
    "OsVersion",
];

/// Keys of numbers that are left out of JSON when they are 0.
const NUMBERS: &[&str] =
    &["Interval", "Retries", "StartInterval", "StartPeriod", "Timeout", "SizeBytes"];

/// Returns a struct's value.
pub(crate) fn of_struct(json: &Json) -> Value {
    convert("", json, false)
}

fn convert(key: &str, json: &Json, map: bool) -> Value {
    match json {
        Json::Null => nothing(key),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Uint(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::from(text.as_str())),
        Json::Array(all) => Value::List(all.iter().map(|one| convert("", one, false)).collect()),
        Json::Object(object) => {
            let child = |name: &String, value: &Json| {
                let is_map = !map
                    && (MAPS.contains(&name.as_str()) || (key == "LogConfig" && name == "Config"));
                convert(if map { "" } else { name }, value, is_map)
            };
            let mut all: BTreeMap<Arc<str>, Value> = object
                .iter()
                .map(|(name, value)| (Arc::from(name.as_str()), child(name, value)))
                .collect();
            if !map {
                all.insert(
                    Arc::from(FIELDS),
                    object.keys().map(|name| text(name)).collect::<Vec<_>>().into_list(),
                );
            }
            Value::Map(Arc::new(all))
        }
    }
}

trait IntoList {
    fn into_list(self) -> Value;
}

impl IntoList for Vec<Value> {
    fn into_list(self) -> Value {
        Value::List(Arc::from(self))
    }
}

/// Returns a text.
pub(super) fn text(text: &str) -> Value {
    Value::String(Arc::from(text))
}

/// Returns what a `null` at `key` is.
fn nothing(key: &str) -> Value {
    if POINTERS.contains(&key) {
        Value::List(Arc::clone(&NIL))
    } else if MAPS.contains(&key) {
        Value::Map(Arc::clone(&NO_MAP))
    } else {
        Value::List(Arc::clone(&NO_LIST))
    }
}

/// Returns what a field that was left out is, where it is one that may be.
fn left_out(name: &str) -> Option<Value> {
    if TEXTS.contains(&name) {
        Some(text(""))
    } else if NUMBERS.contains(&name) {
        Some(Value::Int(0))
    } else if POINTERS.contains(&name) || MAPS.contains(&name) || LISTS.contains(&name) {
        Some(nothing(name))
    } else {
        None
    }
}

/// Tells whether `value` is a pointer to nothing.
pub(super) fn is_nil(value: &Value) -> bool {
    matches!(value, Value::List(list) if Arc::ptr_eq(list, &NIL))
}

/// Returns the names of a struct's fields in order; nothing for what is no struct.
pub(super) fn field_names(value: &Value) -> Option<Vec<&str>> {
    match value.field(FIELDS)? {
        Value::List(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// Returns the field or the map's entry called `name`.
///
/// # Errors
/// When `value` is a struct without such a field, a pointer to nothing, or neither struct nor map.
pub(super) fn field(value: &Value, name: &str) -> Result<Value, String> {
    let Value::Map(map) = value else {
        return Err(if is_nil(value) || matches!(value, Value::Nil) {
            format!("nil pointer evaluating field {name}")
        } else {
            format!("can't evaluate field {name} in type {}", value.type_name())
        });
    };
    if let Some(found) = map.get(name) {
        return Ok(found.clone());
    }
    if !map.contains_key(FIELDS) {
        return Ok(Value::Nil);
    }
    // Go's field names and JSON's keys differ in case only (`ID` and `Id`), and Docker takes both.
    let other =
        map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    other
        .or_else(|| left_out(name))
        .ok_or_else(|| format!("can't evaluate field {name}: there is no such field"))
}
