//! `-v` in its forms: `target`, `source:target`, `source:target:options`.

use crate::environment::Surroundings;

/// What one `-v` asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Volume {
    /// An anonymous volume at this path.
    Anonymous(String),
    /// `source:target[:options]`, the source absolute or a volume's name.
    Bound(String),
}

/// Options that a bind in short form may have.
const OPTIONS: &[&str] = &[
    "rw",
    "ro",
    "z",
    "Z",
    "nocopy",
    "copy",
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
    "consistent",
    "cached",
    "delegated",
    "volume-nocopy",
    "U",
    "rro",
];

/// Reads one `-v`.
///
/// # Errors
/// When a part is empty, there are too many, the target is not absolute or is the root, an option is unknown, or the
/// source is neither a path nor a volume's name.
pub(crate) fn read(around: &Surroundings, text: &str) -> Result<Volume, String> {
    let bad = |reason: String| format!("invalid volume specification: '{text}': {reason}");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(if text.is_empty() {
            "invalid empty volume spec".into()
        } else {
            bad("empty section between colons".into())
        });
    }
    let (source, target, options) = match parts[..] {
        [target] => (None, target, None),
        [source, target] => (Some(source), target, None),
        [source, target, options] => (Some(source), target, Some(options)),
        _ => return Err(bad("too many colons".into())),
    };
    if !target.starts_with('/') {
        return Err(bad(format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if target.split('/').all(|part| matches!(part, "" | "." | "..")) {
        return Err(bad("invalid specification: destination can't be '/'".into()));
    }
    let options = options.map(str::to_owned);
    if let Some(unknown) =
        options.iter().flat_map(|all| all.split(',')).find(|option| !OPTIONS.contains(option))
    {
        return Err(bad(format!("invalid mode: {unknown}")));
    }
    let Some(source) = source else { return Ok(Volume::Anonymous(target.to_owned())) };
    let source = source_of(around, source).map_err(bad)?;
    let options = options.map(|options| format!(":{options}")).unwrap_or_default();
    Ok(Volume::Bound(format!("{source}:{target}{options}")))
}

fn source_of(around: &Surroundings, source: &str) -> Result<String, String> {
    if source.starts_with('/') {
        return Ok(source.to_owned());
    }
    if source.starts_with('.') {
        return Ok(around.absolute(source).to_string_lossy().into_owned());
    }
    if let Some(rest) =
        source.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        let home = around.filled("HOME").unwrap_or_else(|| "/root".into());
        return Ok(format!("{home}{rest}"));
    }
    source.parse::<hako_types::ObjectName>().map(hako_types::ObjectName::into_string).map_err(|_| {
        format!(
            "\"{source}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute path"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        let around =
            Surroundings::for_tests(std::path::Path::new("/work/dir"), &[("HOME", "/home/joe")]);
        let read = |text: &str| read(&around, text);
        let bound = |text: &str| Ok(Volume::Bound(text.to_owned()));
        assert_eq!(read("/data"), Ok(Volume::Anonymous("/data".into())));
        assert_eq!(read("vol:/data"), bound("vol:/data"));
        assert_eq!(read("./sub:/d:ro,z"), bound("/work/dir/sub:/d:ro,z"));
        assert_eq!(read(".:/d"), bound("/work/dir:/d"));
        assert_eq!(read("../x y:/d"), bound("/work/x y:/d"));
        assert_eq!(read("~/x:/d"), bound("/home/joe/x:/d"));
        assert_eq!(read("/a/../b:/d:rslave"), bound("/a/../b:/d:rslave"));
        for (bad, part) in [
            ("", "empty"),
            (":/d", "empty section"),
            ("a::/d", "empty section"),
            ("v:/d:ro:x", "too many colons"),
            ("/tmp:relative", "'relative' mount path must be absolute"),
            ("relative", "must be absolute"),
            ("/tmp:/", "can't be '/'"),
            ("/tmp:/.", "can't be '/'"),
            ("v:/d:xx", "invalid mode: xx"),
            ("no/such:/d", "\"no/such\" includes invalid characters"),
        ] {
            assert!(read(bad).unwrap_err().contains(part), "{bad}: {:?}", read(bad));
        }
    }
}
