//! `--security-opt`: a seccomp profile is read here, so that the engine gets what it holds and not where it lay.

use hako_engine::model::HostConfig;

use crate::environment::Surroundings;

/// Sets the security options.
///
/// # Errors
/// When one is malformed, or a profile cannot be read or is no JSON.
pub(crate) fn apply(
    around: &Surroundings,
    options: &[String],
    host: &mut HostConfig,
) -> Result<(), String> {
    for option in options {
        if option == "systempaths=unconfined" {
            host.masked_paths = Some(Vec::new());
            host.readonly_paths = Some(Vec::new());
            continue;
        }
        host.security_opt.push(read(around, option)?);
    }
    Ok(())
}

fn read(around: &Surroundings, option: &str) -> Result<String, String> {
    let (name, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
        Some(pair) => pair,
        None if option == "no-new-privileges" => return Ok(option.to_owned()),
        None => return Err(format!("invalid --security-opt: \"{option}\"")),
    };
    match name {
        "seccomp" if !matches!(value, "unconfined" | "builtin" | "default") => {
            let failed =
                |reason: String| format!("opening seccomp profile ({value}) failed: {reason}");
            let text = std::fs::read(around.absolute(value)).map_err(|error| {
                failed(format!("open {value}: {}", crate::report::reason(&error)))
            })?;
            let profile: serde_json::Value = serde_json::from_slice(&text).map_err(|error| {
                format!("compacting json for seccomp profile ({value}) failed: {error}")
            })?;
            Ok(format!("seccomp={profile}"))
        }
        "seccomp" | "apparmor" | "label" | "writable-cgroups" => Ok(format!("{name}={value}")),
        "no-new-privileges" if matches!(value, "true" | "false") => {
            Ok(option.replacen(':', "=", 1))
        }
        _ => Err(format!("invalid --security-opt: \"{option}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_embedded_and_unknown_options_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p.json"), "{ \"a\" : 1 }\n").unwrap();
        let around = Surroundings::for_tests(dir.path(), &[]);
        let mut host = HostConfig::default();
        let options =
            ["seccomp=p.json", "no-new-privileges", "label:disable", "systempaths=unconfined"];
        apply(&around, &options.map(str::to_owned), &mut host).unwrap();
        assert_eq!(host.security_opt, ["seccomp={\"a\":1}", "no-new-privileges", "label=disable"]);
        assert_eq!(host.masked_paths, Some(vec![]));
        for (bad, part) in [
            ("seccomp=none.json", "open none.json: no such file"),
            ("x=y", "x=y"),
            ("nonsense", "nonsense"),
        ] {
            assert!(apply(&around, &[bad.to_owned()], &mut host).unwrap_err().contains(part));
        }
    }
}
