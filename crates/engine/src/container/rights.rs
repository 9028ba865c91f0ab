//! What a container may do, as an OCI configuration: capabilities, the filter of system calls, security options.

use hako_runtime::plan::capability::NAMES as CAPABILITIES;
use hako_runtime::spec::{Capabilities, Seccomp};
use hako_runtime::{defaults, seccomp};

use crate::Error;
use crate::model::HostConfig;

/// Returns the five sets; a user that is not root has none in force, which the runtime sees to.
pub(crate) fn capabilities(host: &HostConfig) -> Result<Capabilities, Error> {
    let names = capability_names(host)?;
    Ok(Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        inheritable: Vec::new(),
        ambient: Vec::new(),
    })
}

fn capability_names(host: &HostConfig) -> Result<Vec<String>, Error> {
    let is_all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let known = |name: &String| {
        capability(name).ok_or_else(|| Error::Invalid(format!("invalid capability: \"{name}\"")))
    };
    let mut names: Vec<String> = if host.privileged || is_all(&host.cap_add) {
        all_capabilities()
    } else if is_all(&host.cap_drop) {
        Vec::new()
    } else {
        defaults::default_capabilities().iter().map(|&name| name.to_owned()).collect()
    };
    if host.privileged {
        return Ok(names);
    }
    for name in host.cap_drop.iter().filter(|name| !name.eq_ignore_ascii_case("all")) {
        let name = known(name)?;
        names.retain(|have| *have != name);
    }
    for name in host.cap_add.iter().filter(|name| !name.eq_ignore_ascii_case("all")) {
        let name = known(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns all capabilities that this process may hand on.
pub(crate) fn all_capabilities() -> Vec<String> {
    let held = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    });
    let held = held.unwrap_or(u64::MAX);
    let names = CAPABILITIES.iter().enumerate().filter(|(number, _)| held >> number & 1 == 1);
    names.map(|(_, name)| (*name).to_owned()).collect()
}

/// Returns a capability's full name (`CAP_CHOWN`) from any spelling; `ALL` stands for itself.
pub(crate) fn capability(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if upper == "ALL" {
        return Some(upper);
    }
    let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    CAPABILITIES.contains(&name.as_str()).then_some(name)
}

/// Reads a filter of system calls in Docker's form.
fn own_profile(text: &str, capabilities: &[String]) -> Result<Option<Seccomp>, Error> {
    let names: Vec<&str> = capabilities.iter().map(String::as_str).collect();
    let host = defaults::ProfileHost {
        capabilities: &names,
        arch: seccomp::Arch::native(),
        kernel: kernel_version(),
    };
    defaults::read_profile(text.as_bytes(), host)
        .map_err(Error::below("cannot use the seccomp profile"))
}

fn kernel_version() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Which filter of system calls a container has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Profile {
    /// The usual one.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// This one, in Docker's JSON.
    Own(String),
}

/// One `--security-opt`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecurityOption {
    /// Set-user-ID programs are without effect.
    NoNewPrivileges(bool),
    /// The filter of system calls.
    Seccomp(Profile),
    /// The `AppArmor` profile.
    AppArmor(String),
    /// An `SELinux` label.
    Label,
    /// Nothing of `/proc` and `/sys` is hidden or read-only.
    SystemPathsUnconfined,
}

impl SecurityOption {
    /// Reads one option.
    ///
    /// # Errors
    /// When there is none such.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let bad = || Error::Invalid(format!("invalid --security-opt: \"{text}\""));
        let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        Ok(match (name, value) {
            ("no-new-privileges", "" | "true") => Self::NoNewPrivileges(true),
            ("no-new-privileges", "false") => Self::NoNewPrivileges(false),
            ("seccomp", "unconfined") => Self::Seccomp(Profile::Unconfined),
            ("seccomp", "builtin" | "default") => Self::Seccomp(Profile::Default),
            ("seccomp", json) if json.trim_start().starts_with('{') => {
                own_profile(json, &[])?;
                Self::Seccomp(Profile::Own(json.to_owned()))
            }
            ("apparmor", profile) if !profile.is_empty() => Self::AppArmor(profile.to_owned()),
            ("label", value) if !value.is_empty() => Self::Label,
            ("systempaths", "unconfined") => Self::SystemPathsUnconfined,
            _ => return Err(bad()),
        })
    }
}

/// All of a container's security options together; the last of a sort wins.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// Set-user-ID programs are without effect.
    pub(super) no_new_privileges: bool,
    /// The filter of system calls that was asked for.
    seccomp: Profile,
    /// The `AppArmor` profile.
    pub(super) apparmor: Option<String>,
    /// Nothing of `/proc` and `/sys` is hidden or read-only.
    pub(super) open_system_paths: bool,
}

impl Security {
    /// Reads the options of a container.
    pub(super) fn read(host: &HostConfig) -> Result<Self, Error> {
        let mut security = Self::default();
        for option in &host.security_opt {
            match SecurityOption::read(option)? {
                SecurityOption::NoNewPrivileges(on) => security.no_new_privileges = on,
                SecurityOption::Seccomp(profile) => security.seccomp = profile,
                SecurityOption::AppArmor(profile) => {
                    security.apparmor = Some(profile).filter(|profile| profile != "unconfined");
                }
                SecurityOption::Label => {}
                SecurityOption::SystemPathsUnconfined => security.open_system_paths = true,
            }
        }
        Ok(security)
    }

    /// Returns the filter of system calls; a privileged container has none unless it asked for one.
    pub(super) fn filter(&self, host: &HostConfig) -> Result<Option<Seccomp>, Error> {
        match &self.seccomp {
            Profile::Unconfined => Ok(None),
            Profile::Default if host.privileged => Ok(None),
            Profile::Default => Ok(Some(defaults::default_seccomp(
                &capability_names(host)?,
                seccomp::Arch::native(),
            ))),
            Profile::Own(text) => own_profile(text, &capability_names(host)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_added_and_dropped_in_any_spelling() {
        let host = |add: &[&str], drop: &[&str]| HostConfig {
            cap_add: add.iter().map(|&name| name.to_owned()).collect(),
            cap_drop: drop.iter().map(|&name| name.to_owned()).collect(),
            ..HostConfig::default()
        };
        assert_eq!(capability_names(&host(&[], &[])).unwrap().len(), 14);
        assert_eq!(
            capability_names(&host(&["chown", "CAP_KILL"], &["all"])).unwrap(),
            ["CAP_CHOWN", "CAP_KILL"]
        );
        assert!(
            !capability_names(&host(&["ALL"], &["NET_RAW"]))
                .unwrap()
                .contains(&"CAP_NET_RAW".to_owned())
        );
        assert!(capability_names(&host(&["NONSENSE"], &[])).is_err());
    }
}
