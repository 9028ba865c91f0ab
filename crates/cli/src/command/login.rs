//! `login` and `logout`.

use std::io::Read;

use hako_image::registry::{Credential, Credentials};
use hako_types::reference::DEFAULT_DOMAIN;

use super::{Command, complain, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::report::Failure;
use crate::session::Session;
use crate::{image, prompt};

const FLAGS: &[Flag] = &[
    value("username", "string", "name").short('u'),
    value("password", "string", "password or token").short('p'),
    switch("password-stdin", "read the password or token from standard input"),
];

pub(super) const LOGIN: Command = Command {
    names: &["login"],
    about: "Authenticate to a registry",
    syntax: Syntax { words: "[SERVER]", count: Words::AtMost(1), program: false, flags: &[FLAGS] },
    run: login,
};

pub(super) const LOGOUT: Command = Command {
    names: &["logout"],
    about: "Forget the credentials of a registry",
    syntax: Syntax { words: "[SERVER]", count: Words::AtMost(1), program: false, flags: &[] },
    run: logout,
};

/// Returns the registry that a word means: without scheme and path.
fn server(word: Option<&String>) -> String {
    let Some(word) = word else { return DEFAULT_DOMAIN.to_owned() };
    let bare = word.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or_default() {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => DEFAULT_DOMAIN.to_owned(),
        host => host.to_owned(),
    }
}

fn login(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let server = server(parsed.words.first());
    let client = image::client(session);
    let credentials =
        Credentials::new(&session.globals.config, client.config().helper_path.clone());
    let credential = given(parsed, &credentials, &server)?;
    client.login(&server, &credential)?;
    credentials.store(&server, &credential)?;
    say("Login Succeeded\n");
    Ok(0)
}

/// Returns the credential of the flags, of the file where no flag was given, or of the person.
fn given(parsed: &Parsed, credentials: &Credentials, server: &str) -> Result<Credential, Failure> {
    let username = parsed.text("username").map(str::to_owned);
    let of = |username: String, password: String| Credential {
        username,
        password,
        ..Credential::default()
    };
    if parsed.on("password-stdin") {
        if parsed.given("password") {
            return Err(Failure::new("--password and --password-stdin are mutually exclusive"));
        }
        let Some(username) = username else {
            return Err(Failure::new("Must provide --username with --password-stdin"));
        };
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| Failure::io("cannot read the password", &error))?;
        return Ok(of(username, text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if let Some(password) = parsed.text("password") {
        complain("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        let username = username.map_or_else(|| prompt::ask("Username: ", false), Ok)?;
        return Ok(of(username, password.to_owned()));
    }
    if username.is_none()
        && let Some(known) = credentials.get(server)?
    {
        complain("Authenticating with existing credentials...\n");
        return Ok(known);
    }
    let username = username.map_or_else(|| prompt::ask("Username: ", false), Ok)?;
    Ok(of(username, prompt::ask("Password: ", true)?))
}

fn logout(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let server = server(parsed.words.first());
    let helpers = image::client(session).config().helper_path.clone();
    let shown = if server == DEFAULT_DOMAIN { "https://index.docker.io/v1/" } else { &server };
    if Credentials::new(&session.globals.config, helpers).erase(&server)? {
        say(&format!("Removing login credentials for {shown}\n"));
    } else {
        say(&format!("Not logged in to {shown}\n"));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn servers_are_named_with_and_without_scheme() {
        let of = |word: &str| super::server(Some(&word.to_owned()));
        assert_eq!(of("https://reg.example.org:5000/v2/"), "reg.example.org:5000");
        assert_eq!(of("index.docker.io"), "docker.io");
        assert_eq!(super::server(None), "docker.io");
    }
}
