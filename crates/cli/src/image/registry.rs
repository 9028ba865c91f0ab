//! How registries are reached: from the environment and the configuration files of Docker and hako.

use std::path::{Path, PathBuf};

use hako_image::registry::{Client, Config, Proxies};
use serde::Deserialize;

use crate::session::Session;

/// The part of `daemon.json` that is about registries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

/// Where the engine's own settings may lie, the strongest first.
const FILES: &[&str] = &["/etc/hako/daemon.json", "/etc/docker/daemon.json"];

/// Returns a client of registries.
pub(crate) fn client(session: &Session) -> Client {
    Client::new(config(session))
}

fn config(session: &Session) -> Config {
    let around = &session.around;
    let variable = |names: [&str; 2]| names.iter().find_map(|name| around.filled(name));
    let mut config = Config {
        docker_config: Some(session.globals.config.clone()),
        proxies: Proxies {
            http: variable(["HTTP_PROXY", "http_proxy"]),
            https: variable(["HTTPS_PROXY", "https_proxy"]),
            none: variable(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        },
        ..Config::default()
    };
    if let Some(path) = around.filled("PATH") {
        config.helper_path =
            std::env::split_paths(&path).filter(|path| path.is_absolute()).collect();
    }
    if let Some(file) = around.filled("SSL_CERT_FILE") {
        config.roots.insert(0, PathBuf::from(file));
    }
    for file in FILES {
        let daemon = read(Path::new(file));
        config.docker_mirrors.extend(daemon.registry_mirrors);
        config.insecure.extend(daemon.insecure_registries);
    }
    config
}

fn read(file: &Path) -> Daemon {
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
