//! What a registry demands when it says 401 (RFC 9110 §11, and the distribution project's token scheme).

/// A demand from a `WWW-Authenticate` header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Challenge {
    /// A name and a password with every request.
    Basic,
    /// A token from somebody else.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// Which service the token is for.
        service: Option<String>,
        /// What it has to allow.
        scope: Option<String>,
    },
}

/// Returns the challenges of one header's value. Schemes that are not known are left out.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut schemes: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            break;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = parameter(value.trim_start());
            if let Some((_, parameters)) = schemes.last_mut() {
                parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = after;
        } else {
            schemes.push((word.to_ascii_lowercase(), Vec::new()));
            rest = after;
        }
    }
    schemes.into_iter().filter_map(|(scheme, parameters)| challenge(&scheme, &parameters)).collect()
}

fn challenge(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get =
        |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

/// Reads a token or a quoted string; returns it and what follows.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        };
        for (header, want) in [
            (
                r#"Bearer realm="https://a/token",service="s",scope="repository:x:pull,push""#,
                vec![bearer("https://a/token", Some("s"), Some("repository:x:pull,push"))],
            ),
            (
                r#"Basic realm="r, \"x\"", bearer realm=https://b"#,
                vec![Challenge::Basic, bearer("https://b", None, None)],
            ),
            ("Negotiate, Basic", vec![Challenge::Basic]),
            ("Bearer service=x", vec![]),
            (r#"Bearer realm="unclosed"#, vec![bearer("unclosed", None, None)]),
            ("", vec![]),
            ("= =,", vec![]),
        ] {
            assert_eq!(parse(header), want, "{header}");
        }
    }
}
