//! Docker's `config.json`: names, passwords and tokens for registries, in the file or with a helper program.
//!
//! The file belongs to many tools, so what is not understood is kept as it is.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hako_types::reference::DEFAULT_DOMAIN;
use serde_json::{Map, Value, json};

use super::Error;
use super::credential_program::{Helper, is_name};

/// The name that Docker keeps its own registry's credentials under.
pub const DOCKER_SERVER: &str = "https://index.docker.io/v1/";

/// What a registry knows somebody by.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Credential {
    /// The user's name.
    pub username: String,
    /// The password, where there is no token.
    pub password: String,
    /// A token to ask for others with, instead of the password (`identitytoken`).
    pub identity_token: Option<String>,
    /// A token that is sent as it is (`registrytoken`).
    pub registry_token: Option<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The credentials in one directory.
#[derive(Clone, Debug)]
pub struct Credentials {
    file: PathBuf,
    helper_path: Vec<PathBuf>,
}

/// Returns the name that the credentials for `domain` are kept under.
#[must_use]
pub fn server_key(domain: &str) -> &str {
    match domain {
        DEFAULT_DOMAIN | "index.docker.io" | "registry-1.docker.io" => DOCKER_SERVER,
        other => other,
    }
}

impl Credentials {
    /// Returns the credentials of `directory/config.json`, which need not exist; helpers are looked for in `helper_path`.
    #[must_use]
    pub fn new(directory: &Path, helper_path: Vec<PathBuf>) -> Self {
        Self { file: directory.join("config.json"), helper_path }
    }

    /// Returns the credential for `domain`, if there is one.
    ///
    /// # Errors
    /// When the file is there but cannot be read, or the helper fails.
    pub fn get(&self, domain: &str) -> Result<Option<Credential>, Error> {
        let config = self.read()?;
        let key = server_key(domain);
        if let Some(helper) = self.helper(&config, key) {
            return helper.get(key);
        }
        let Some(auths) = config.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let entry = auths.get(key).or_else(|| {
            let same = |name: &str| hostname(name) == hostname(key);
            auths.iter().find(|(name, _)| same(name)).map(|(_, entry)| entry)
        });
        Ok(entry.and_then(from_entry))
    }

    /// Keeps `credential` for `domain`, in the helper where one is configured.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the helper fails.
    pub fn store(&self, domain: &str, credential: &Credential) -> Result<(), Error> {
        let mut config = self.read()?;
        let key = server_key(domain);
        let entry = if let Some(helper) = self.helper(&config, key) {
            helper.store(key, credential)?;
            json!({})
        } else {
            to_entry(credential)
        };
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(key.to_owned(), entry);
        }
        self.write(&config)
    }

    /// Forgets the credential for `domain`; returns whether there was one.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the helper fails.
    pub fn erase(&self, domain: &str) -> Result<bool, Error> {
        let mut config = self.read()?;
        let key = server_key(domain);
        if let Some(helper) = self.helper(&config, key) {
            helper.erase(key)?;
        }
        let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) else {
            return Ok(false);
        };
        let names: Vec<String> =
            auths.keys().filter(|name| hostname(name) == hostname(key)).cloned().collect();
        for name in &names {
            auths.shift_remove(name);
        }
        if !names.is_empty() {
            self.write(&config)?;
        }
        Ok(!names.is_empty())
    }

    fn helper(&self, config: &Map<String, Value>, key: &str) -> Option<Helper<'_>> {
        let by_host = config
            .get("credHelpers")
            .and_then(|helpers| helpers.get(key).or_else(|| helpers.get(hostname(key))));
        let name = by_host.or_else(|| config.get("credsStore")).and_then(Value::as_str)?;
        is_name(name).then(|| Helper::new(name, &self.helper_path))
    }

    fn read(&self) -> Result<Map<String, Value>, Error> {
        let fail = |source| Error::Credentials { path: self.file.clone(), source };
        match fs::read(&self.file) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Map::new()),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Replaces the file by one that only its owner reads. A link stays a link.
    fn write(&self, config: &Map<String, Value>) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let target = fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
            let directory = target.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(directory)?;
            let mut file =
                tempfile::Builder::new().prefix(".config.json").tempfile_in(directory)?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
            let mut text = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            serde::Serialize::serialize(
                config,
                &mut serde_json::Serializer::with_formatter(&mut text, formatter),
            )?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(&target)?;
            Ok(())
        };
        write().map_err(|source| Error::Credentials { path: self.file.clone(), source })
    }
}

/// Returns the host in a name that credentials are kept under, which may be a URL.
fn hostname(name: &str) -> &str {
    let name =
        name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

fn from_entry(entry: &Value) -> Option<Credential> {
    let text = |name: &str| {
        entry.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
    };
    let mut credential = Credential {
        username: text("username").unwrap_or_default(),
        password: text("password").unwrap_or_default(),
        identity_token: text("identitytoken"),
        registry_token: text("registrytoken"),
    };
    if let Some(auth) = text("auth") {
        let decoded =
            STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((username, password)) = decoded.as_deref().and_then(|text| text.split_once(':'))
        {
            username.clone_into(&mut credential.username);
            password.trim_end_matches('\0').clone_into(&mut credential.password);
        }
    }
    let is_empty = credential.username.is_empty()
        && credential.identity_token.is_none()
        && credential.registry_token.is_none();
    (!is_empty).then_some(credential)
}

fn to_entry(credential: &Credential) -> Value {
    let password = if credential.identity_token.is_some() { "" } else { &credential.password };
    let mut entry = Map::new();
    entry.insert(
        "auth".into(),
        STANDARD.encode(format!("{}:{password}", credential.username)).into(),
    );
    if let Some(token) = &credential.identity_token {
        entry.insert("identitytoken".into(), token.clone().into());
    }
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> Credential {
        Credential { username: name.into(), password: password.into(), ..Credential::default() }
    }

    #[test]
    fn what_is_stored_is_found_and_the_rest_of_the_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        fs::write(&file, r#"{"zeta":{"b":1,"a":[2]},"auths":{"old:5":{"auth":"am9lOnBhOnNz"}},"credHelpers":{}}"#).unwrap();
        let credentials = Credentials::new(dir.path(), Vec::new());
        assert_eq!(credentials.get("old:5").unwrap(), Some(user("joe", "pa:ss")));
        assert_eq!(credentials.get("old").unwrap(), None);
        credentials.store("docker.io", &user("me", "word")).unwrap();
        assert_eq!(credentials.get("docker.io").unwrap(), Some(user("me", "word")));
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("{\n\t\"zeta\": {\n\t\t\"b\": 1,") && text.contains(DOCKER_SERVER),
            "{text}"
        );
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(credentials.erase("old:5").unwrap());
        assert!(!credentials.erase("old:5").unwrap());
        assert_eq!(credentials.get("old:5").unwrap(), None);
    }

    #[test]
    fn older_forms_of_names_are_understood() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"auths":{"https://reg.io/v1/":{"username":"u","password":"p"},"t.io":{"auth":"dTo=","identitytoken":"tok"}}}"#;
        fs::write(dir.path().join("config.json"), text).unwrap();
        let credentials = Credentials::new(dir.path(), Vec::new());
        assert_eq!(credentials.get("reg.io").unwrap(), Some(user("u", "p")));
        assert_eq!(
            credentials.get("t.io").unwrap().unwrap().identity_token.as_deref(),
            Some("tok")
        );
    }

    #[test]
    fn a_helper_is_asked_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("docker-credential-test");
        let kept = dir.path().join("kept");
        let script = format!(
            "#!/bin/sh\ncase $1 in store) cat >'{0}';; erase) rm -f '{0}';; get) if [ -e '{0}' ]; then cat '{0}'; \
             else echo 'credentials not found in native keychain'; exit 1; fi;; esac\n",
            kept.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("config.json"), r#"{"credHelpers":{"reg.io":"test"}}"#).unwrap();
        let credentials = Credentials::new(dir.path(), vec![dir.path().to_owned()]);
        assert_eq!(credentials.get("reg.io").unwrap(), None);
        credentials.store("reg.io", &user("u", "p")).unwrap();
        assert_eq!(credentials.get("reg.io").unwrap(), Some(user("u", "p")));
        assert!(!fs::read_to_string(dir.path().join("config.json")).unwrap().contains("\"auth\""));
        credentials.erase("reg.io").unwrap();
        assert_eq!(credentials.get("reg.io").unwrap(), None);
    }
}
