//! Which variables have which values: arguments of the build, of the file, of a stage, and its environment.

use std::collections::BTreeMap;

use hako_dockerfile::Variables;
use hako_types::Platform;

use crate::request::Request;

/// Arguments that reach `RUN` steps undeclared, and count neither for the cache nor in the history.
pub(crate) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Variables in order; a later value replaces an earlier one in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope(Vec<(String, String)>);

impl Scope {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(old, _)| old == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn set_pairs(&mut self, pairs: &[String]) {
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.set(name, value.to_owned());
        }
    }

    pub(crate) fn pairs(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl Variables for Scope {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

/// Returns the arguments that every file has: what is built for, and on what.
pub(crate) fn platform_arguments(
    request: &Request,
    target_stage: &str,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut add = |prefix: &str, platform: &Platform| {
        all.insert(format!("{prefix}PLATFORM"), platform.to_string());
        all.insert(format!("{prefix}OS"), platform.os.clone());
        all.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        all.insert(format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default());
        all.insert(format!("{prefix}OSVERSION"), String::new());
    };
    add("TARGET", &request.platform);
    add("BUILD", &Platform::host());
    all.insert("TARGETSTAGE".into(), target_stage.to_owned());
    all
}
