//! Credential helpers: programs named `docker-credential-NAME` that keep secrets elsewhere.
//!
//! The protocol is that of Docker's helpers: one word as argument, the rest as text or JSON through stdin and stdout.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Credential, Error};

/// What stands in the place of a user's name when the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// One helper program.
#[derive(Debug)]
pub(super) struct Helper<'p> {
    program: String,
    path: &'p [PathBuf],
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

/// Tells whether `name` can be the end of a helper's file name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl<'p> Helper<'p> {
    pub(super) fn new(name: &str, path: &'p [PathBuf]) -> Self {
        Self { program: format!("docker-credential-{name}"), path }
    }

    /// Returns what the helper has for `server`.
    pub(super) fn get(&self, server: &str) -> Result<Option<Credential>, Error> {
        let out = match self.run("get", server.as_bytes()) {
            Ok(out) => out,
            Err(Error::Helper { source, .. })
                if source.to_string().contains("credentials not found") =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let entry: Entry =
            serde_json::from_slice(&out).map_err(|error| self.failed(error.into()))?;
        Ok(Some(if entry.username == TOKEN_USER {
            Credential { identity_token: Some(entry.secret), ..Credential::default() }
        } else {
            Credential { username: entry.username, password: entry.secret, ..Credential::default() }
        }))
    }

    /// Has the helper keep `credential` for `server`.
    pub(super) fn store(&self, server: &str, credential: &Credential) -> Result<(), Error> {
        let (username, secret) = match &credential.identity_token {
            Some(token) => (TOKEN_USER.to_owned(), token.clone()),
            None => (credential.username.clone(), credential.password.clone()),
        };
        let entry = Entry { server_url: server.to_owned(), username, secret };
        let text = serde_json::to_vec(&entry).map_err(|error| self.failed(error.into()))?;
        self.run("store", &text).map(drop)
    }

    /// Has the helper forget `server`.
    pub(super) fn erase(&self, server: &str) -> Result<(), Error> {
        match self.run("erase", server.as_bytes()) {
            Err(Error::Helper { source, .. })
                if source.to_string().contains("credentials not found") =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Helper { program: self.program.clone(), source }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
        let missing = || {
            self.failed(io::Error::new(
                io::ErrorKind::NotFound,
                "no such program in the search path",
            ))
        };
        let file = self
            .path
            .iter()
            .map(|dir| dir.join(&self.program))
            .find(|file| file.is_file())
            .ok_or_else(missing)?;
        let run = || -> io::Result<Vec<u8>> {
            let mut child = Command::new(&file)
                .arg(verb)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A helper that ends without reading says why on stdout.
                let _unread = stdin.write_all(input);
            }
            let out = child.wait_with_output()?;
            if out.status.success() {
                return Ok(out.stdout);
            }
            let said =
                String::from_utf8_lossy(&out.stdout).trim().chars().take(500).collect::<String>();
            Err(io::Error::other(if said.is_empty() { out.status.to_string() } else { said }))
        };
        run().map_err(|source| self.failed(source))
    }
}
