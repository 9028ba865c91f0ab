//! What `image inspect` tells, in the shape of Docker's API.

use hako_image::Image;
use serde_json::{Map, Value, json};

/// Returns what is told of an image.
pub(crate) fn inspect(image: &Image) -> Value {
    let config = &image.config;
    let names =
        |all: &[hako_types::Reference]| all.iter().map(|one| one.familiar()).collect::<Vec<_>>();
    let comment = config.history.last().map_or("", |step| step.comment.as_str());
    let mut all = Map::new();
    all.insert("Id".into(), json!(image.id));
    all.insert("RepoTags".into(), json!(names(&image.names)));
    all.insert("RepoDigests".into(), json!(names(&image.repo_digests)));
    all.insert(
        "Parent".into(),
        json!(image.parent.as_ref().map(ToString::to_string).unwrap_or_default()),
    );
    all.insert("Comment".into(), json!(comment));
    all.insert("Created".into(), json!(config.created));
    all.insert(
        "DockerVersion".into(),
        config.rest.get("docker_version").cloned().unwrap_or_else(|| json!("")),
    );
    all.insert("Author".into(), json!(config.author.clone().unwrap_or_default()));
    all.insert("Config".into(), settings(image));
    all.insert("Architecture".into(), json!(config.architecture));
    if let Some(variant) = &config.variant {
        all.insert("Variant".into(), json!(variant));
    }
    all.insert("Os".into(), json!(config.os));
    all.insert("Size".into(), json!(image.size));
    all.insert("GraphDriver".into(), json!({"Data": null, "Name": "overlayfs"}));
    all.insert("RootFS".into(), json!({"Type": "layers", "Layers": image.diff_ids()}));
    all.insert("Metadata".into(), json!({"LastTagTime": image.used}));
    Value::Object(all)
}

/// Returns the settings with the fields that are always there in Docker's.
fn settings(image: &Image) -> Value {
    let mut all = Map::new();
    for (name, value) in [
        ("Hostname", json!("")),
        ("Domainname", json!("")),
        ("User", json!("")),
        ("AttachStdin", json!(false)),
        ("AttachStdout", json!(false)),
        ("AttachStderr", json!(false)),
        ("Tty", json!(false)),
        ("OpenStdin", json!(false)),
        ("StdinOnce", json!(false)),
        ("Env", Value::Null),
        ("Cmd", Value::Null),
        ("Image", json!("")),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
        ("Entrypoint", Value::Null),
        ("OnBuild", Value::Null),
        ("Labels", Value::Null),
    ] {
        all.insert(name.into(), value);
    }
    if let Ok(Value::Object(own)) = serde_json::to_value(&image.config.config) {
        all.extend(own);
    }
    Value::Object(all)
}
