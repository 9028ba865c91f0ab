//! `--mount`: comma-separated fields, quoted as in CSV.

use hako_engine::model::{
    BindOptions, ImageOptions, Mount, MountKind, TmpfsOptions, VolumeOptions,
};
use hako_types::Bytes;

use crate::environment::Surroundings;

/// Splits one line of CSV: fields in double quotes may hold commas, and doubled quotes stand for one.
///
/// # Errors
/// When a quote is not closed or stands within a bare field.
pub(super) fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = all.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                all[last].push('"');
                letters.next();
            }
            '"' if quoted => quoted = false,
            '"' if all[last].is_empty() => quoted = true,
            '"' => return Err("bare \" in non-quoted field".into()),
            ',' if !quoted => all.push(String::new()),
            other => all[last].push(other),
        }
    }
    if quoted { Err("extraneous or missing \" in quoted field".into()) } else { Ok(all) }
}

/// Reads one `--mount`.
///
/// # Errors
/// When a field is unknown, malformed or belongs to another type of mount, or the target is missing.
pub(crate) fn read(around: &Surroundings, text: &str) -> Result<Mount, String> {
    let mut mount = Mount::default();
    for field in fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("readonly" | "ro", value) => mount.read_only = flag(&key, value)?,
            ("volume-nocopy", value) => volume(&mut mount).no_copy = flag(&key, value)?,
            ("bind-nonrecursive", value) => bind(&mut mount).non_recursive = flag(&key, value)?,
            ("bind-create-src", value) => bind(&mut mount).create_mountpoint = flag(&key, value)?,
            (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
            (key, Some(value)) => set(&mut mount, key, value)?,
        }
    }
    check(&mut mount, around, text)?;
    Ok(mount)
}

fn set(mount: &mut Mount, key: &str, value: &str) -> Result<(), String> {
    match key {
        "type" => mount.kind = kind(value)?,
        "source" | "src" => mount.source = value.to_owned(),
        "target" | "dst" | "destination" => mount.target = value.to_owned(),
        "consistency" => {}
        "bind-propagation" => bind(mount).propagation = propagation(value)?,
        "bind-recursive" => recursive(mount, value)?,
        "volume-subpath" => volume(mount).subpath = value.to_owned(),
        "volume-driver" => volume(mount).driver = value.to_owned(),
        "volume-label" => insert(&mut volume(mount).labels, value),
        "volume-opt" => insert(&mut volume(mount).driver_options, value),
        "image-subpath" => {
            mount.image_options.get_or_insert_with(ImageOptions::default).subpath =
                value.to_owned();
        }
        "tmpfs-size" => {
            let size =
                value.parse::<Bytes>().map_err(|_| format!("invalid value for {key}: {value}"))?;
            tmpfs(mount).size_bytes = i64::try_from(size.0).unwrap_or(i64::MAX);
        }
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(value, 8)
                .map_err(|_| format!("invalid value for {key}: {value}"))?;
            tmpfs(mount).mode = Some(mode);
        }
        _ => return Err(format!("unexpected key '{key}' in '{key}={value}'")),
    }
    Ok(())
}

fn check(mount: &mut Mount, around: &Surroundings, text: &str) -> Result<(), String> {
    if mount.target.is_empty() {
        return Err("target is required".into());
    }
    let word = match mount.kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Image => "image",
    };
    let given = [
        ("bind", mount.bind_options.is_some()),
        ("volume", mount.volume_options.is_some()),
        ("image", mount.image_options.is_some()),
        ("tmpfs", mount.tmpfs_options.is_some()),
    ];
    if let Some((other, _)) = given.iter().find(|(other, given)| *given && *other != word) {
        return Err(format!("cannot mix '{other}-*' options with mount type '{word}'"));
    }
    if matches!(mount.kind, MountKind::Bind | MountKind::Image) && mount.source.is_empty() {
        return Err(format!(
            "invalid mount config for type \"{word}\": field Source must not be empty: {text}"
        ));
    }
    if mount.kind == MountKind::Tmpfs && !mount.source.is_empty() {
        return Err(
            "invalid mount config for type \"tmpfs\": field Source must not be specified".into()
        );
    }
    if mount.kind == MountKind::Bind && !mount.source.starts_with('/') {
        mount.source = around.absolute(&mount.source).to_string_lossy().into_owned();
    }
    if !mount.target.starts_with('/') {
        return Err(format!(
            "invalid mount target, must be an absolute path in the container: '{}'",
            mount.target
        ));
    }
    if mount.target.split('/').all(|part| matches!(part, "" | "." | "..")) {
        return Err("invalid specification: destination can't be '/'".into());
    }
    Ok(())
}

fn kind(text: &str) -> Result<MountKind, String> {
    Ok(match text.to_lowercase().as_str() {
        "bind" => MountKind::Bind,
        "volume" => MountKind::Volume,
        "tmpfs" => MountKind::Tmpfs,
        "image" => MountKind::Image,
        _ => {
            return Err(format!(
                "mount type \"{text}\" unknown: want bind, volume, tmpfs or image"
            ));
        }
    })
}

fn propagation(text: &str) -> Result<String, String> {
    match text {
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => Ok(text.to_owned()),
        _ => Err(format!("invalid propagation value: '{text}'")),
    }
}

fn recursive(mount: &mut Mount, text: &str) -> Result<(), String> {
    let options = bind(mount);
    match text {
        "enabled" => {}
        "disabled" => options.non_recursive = true,
        "writable" => options.read_only_non_recursive = true,
        "readonly" => options.read_only_force_recursive = true,
        _ => {
            return Err(format!(
                "invalid value for bind-recursive: {text} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ));
        }
    }
    Ok(())
}

fn flag(key: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(format!("invalid value for {key}: {other}")),
    }
}

fn insert(map: &mut hako_engine::model::Map, text: &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    map.insert(name.to_owned(), value.to_owned());
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_with(BindOptions::default)
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    mount.volume_options.get_or_insert_with(VolumeOptions::default)
}

fn tmpfs(mount: &mut Mount) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_with(TmpfsOptions::default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_here(text: &str) -> Result<Mount, String> {
        read(&Surroundings::for_tests(std::path::Path::new("/here"), &[]), text)
    }

    #[test]
    fn fields_are_read() {
        let mount =
            read_here("type=bind,\"src=/a/c,d\",dst=/e,readonly,bind-propagation=rslave").unwrap();
        assert_eq!(
            (mount.kind, mount.source.as_str(), mount.target.as_str()),
            (MountKind::Bind, "/a/c,d", "/e")
        );
        assert!(mount.read_only);
        assert_eq!(mount.bind_options.unwrap().propagation, "rslave");
        let mount =
            read_here("src=v,target=/d,volume-subpath=a/b,volume-label=k=v,volume-nocopy").unwrap();
        let options = mount.volume_options.unwrap();
        assert_eq!(
            (mount.kind, options.subpath.as_str(), options.no_copy),
            (MountKind::Volume, "a/b", true)
        );
        assert_eq!(options.labels["k"], "v");
        let mount = read_here("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(
            mount.tmpfs_options.unwrap(),
            TmpfsOptions { size_bytes: 1 << 20, mode: Some(0o1770), options: vec![] }
        );
        assert_eq!(read_here("type=bind,src=./x,dst=/d").unwrap().source, "/here/x");
    }

    #[test]
    fn mistakes_are_told() {
        for (bad, part) in [
            ("type=bind,src=/a", "target is required"),
            ("type=x,dst=/a", "mount type \"x\" unknown"),
            ("dst=/a,foo=1", "unexpected key 'foo' in 'foo=1'"),
            ("dst=/a,foo", "invalid field 'foo' must be a key=value pair"),
            (
                "type=bind,src=/a,dst=/b,volume-nocopy",
                "cannot mix 'volume-*' options with mount type 'bind'",
            ),
            ("type=tmpfs,dst=/a,readonly=maybe", "invalid value for readonly: maybe"),
            ("type=bind,dst=/a", "Source must not be empty"),
            ("type=volume,src=v,dst=rel", "must be an absolute path"),
            ("type=bind,\"src=/a", "missing \""),
        ] {
            let told = read_here(bad).unwrap_err();
            assert!(told.contains(part), "{bad}: {told}");
        }
    }
}
