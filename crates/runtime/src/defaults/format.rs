//! Docker's own format of seccomp profiles: the specification's, with conditions.
//!
//! Beside what [`Seccomp`] has, `archMap` names the architectures beside each native one, and a rule may
//! be for (`includes`) or not for (`excludes`) some capabilities, architectures and kernels.

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use hako_types::{Fault, Kind};

use crate::seccomp::{self, Arch, Program};
use crate::spec::{Seccomp, SeccompArg, SeccompSyscall, nullable};

/// Why a profile cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not JSON, or not of this shape.
    #[error("the seccomp profile cannot be read")]
    Json(#[source] serde_json::Error),
    /// Two ways to say one thing are mixed.
    #[error("`{0}` and `{1}` are both in the seccomp profile")]
    Both(&'static str, &'static str),
    /// A kernel version is not two numbers.
    #[error("`{0}` in the seccomp profile is not a kernel version")]
    Kernel(String),
    /// It does not mean anything.
    #[error("the seccomp profile is not valid")]
    Meaning(#[source] seccomp::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Meaning(error) => error.hint(),
            Self::Both(one, _) => Some(format!("use only `{one}`")),
            Self::Json(_) | Self::Kernel(_) => None,
        }
    }
}

/// What the conditions of a profile are about.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The container's bounding set (`CAP_…`).
    pub capabilities: &'a [&'a str],
    /// The machine's architecture.
    pub arch: Arch,
    /// The first two numbers of the kernel's version.
    pub kernel: (u32, u32),
}

/// Reads a profile in Docker's format and keeps what holds for `host`.
///
/// Returns nothing for a profile without default action and rules: it stands for no filter at all.
/// Unknown fields are ignored; names of actions, comparisons, architectures and flags are checked.
pub fn read_profile(text: &[u8], host: Host<'_>) -> Result<Option<Seccomp>, Error> {
    let profile: Profile = serde_json::from_slice(text).map_err(Error::Json)?;
    if profile.default_action.is_empty() && profile.syscalls.is_empty() {
        return Ok(None);
    }
    if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
        return Err(Error::Both("archMap", "architectures"));
    }
    let mut architectures = profile.architectures;
    if let Some(entry) =
        profile.arch_map.into_iter().find(|entry| entry.architecture == host.arch.name())
    {
        architectures.push(entry.architecture);
        architectures.extend(entry.sub_architectures);
    }
    let mut syscalls = Vec::with_capacity(profile.syscalls.len());
    for call in profile.syscalls {
        syscalls.extend(call.resolve(host)?);
    }
    let seccomp = Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags,
        listener_path: profile.listener_path,
        listener_metadata: profile.listener_metadata,
        syscalls,
    };
    Program::compile_for(host.arch, &seccomp).map_err(Error::Meaning)?;
    Ok(Some(seccomp))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(default)]
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    architectures: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    arch_map: Vec<ArchMap>,
    #[serde(default, deserialize_with = "nullable")]
    flags: Vec<String>,
    listener_path: Option<std::path::PathBuf>,
    listener_metadata: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    syscalls: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default, deserialize_with = "nullable")]
    sub_architectures: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    args: Vec<SeccompArg>,
    #[serde(default, deserialize_with = "nullable")]
    includes: Filter,
    #[serde(default, deserialize_with = "nullable")]
    excludes: Filter,
}

impl Call {
    /// Returns the rule, if it holds for `host`.
    fn resolve(self, host: Host<'_>) -> Result<Option<SeccompSyscall>, Error> {
        if !self.name.is_empty() && !self.names.is_empty() {
            return Err(Error::Both("names", "name"));
        }
        let (include, exclude) = (&self.includes, &self.excludes);
        let has = |name: &String| host.capabilities.contains(&name.as_str());
        let is_here = |name: &String| name == host.arch.docker_name();
        let is_reached = |kernel: &KernelVersion| host.kernel >= kernel.0;
        let excluded = exclude.caps.iter().any(has)
            || exclude.arches.iter().any(is_here)
            || exclude.version()?.as_ref().is_some_and(is_reached);
        let included = include.caps.iter().all(has)
            && (include.arches.is_empty() || include.arches.iter().any(is_here))
            && include.version()?.as_ref().is_none_or(is_reached);
        let names = if self.name.is_empty() { self.names } else { vec![self.name] };
        Ok((included && !excluded).then_some(SeccompSyscall {
            names,
            action: self.action,
            errno_ret: self.errno_ret,
            args: self.args,
        }))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default, deserialize_with = "nullable")]
    caps: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    arches: Vec<String>,
    #[serde(default, deserialize_with = "empty_is_none")]
    min_kernel: Option<String>,
}

struct KernelVersion((u32, u32));

impl Filter {
    fn version(&self) -> Result<Option<KernelVersion>, Error> {
        let Some(text) = &self.min_kernel else { return Ok(None) };
        let numbers = text
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        numbers.map(|pair| Some(KernelVersion(pair))).ok_or_else(|| Error::Kernel(text.clone()))
    }
}

fn empty_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::{Arch, Error, Host, read_profile};

    const HOST: Host<'_> =
        Host { capabilities: &["CAP_KILL", "CAP_SYS_BOOT"], arch: Arch::X86_64, kernel: (6, 1) };

    fn read(text: &str) -> Result<Option<crate::spec::Seccomp>, Error> {
        read_profile(text.as_bytes(), HOST)
    }

    #[test]
    fn conditions_choose_rules() {
        let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}], "syscalls": [
            {"name": "read", "action": "SCMP_ACT_ALLOW", "args": null, "comment": "yes"},
            {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}, "excludes": {}},
            {"names": ["write"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"], "minKernel": "6.1"}},
            {"names": ["no1"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_KILL", "CAP_BPF"]}},
            {"names": ["no2"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF", "CAP_KILL"]}},
            {"names": ["no3"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "5.19"}},
            {"names": ["no4"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64", "x32"]}}]}"#;
        let profile = read(text).unwrap().unwrap();
        let names: Vec<_> = profile.syscalls.iter().flat_map(|rule| &rule.names).collect();
        assert_eq!(names, ["read", "reboot", "write"]);
        assert_eq!(profile.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    }

    #[test]
    fn contradictions_and_unknown_words_are_refused() {
        assert!(matches!(read("{}"), Ok(None)));
        assert!(matches!(read("[]"), Err(Error::Json(_))));
        assert!(matches!(
            read(r#"{"defaultAction": "SCMP_ACT_NONSENSE"}"#),
            Err(Error::Meaning(_))
        ));
        let rules = |rule: &str| {
            read(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#))
        };
        assert!(matches!(
            rules(r#"{"names": ["a"], "action": "SCMP_ACT_NO"}"#),
            Err(Error::Meaning(_))
        ));
        assert!(matches!(
            rules(r#"{"name": "a", "names": ["a"], "action": "SCMP_ACT_LOG"}"#),
            Err(Error::Both(..))
        ));
        let kernel = rules(
            r#"{"names": ["a"], "action": "SCMP_ACT_LOG", "includes": {"minKernel": "new"}}"#,
        );
        assert!(matches!(kernel, Err(Error::Kernel(_))));
        let both = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": null}]}"#;
        assert!(matches!(read(both), Err(Error::Both(..))));
    }
}
