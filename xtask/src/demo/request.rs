//! One HTTP request to the application.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::Outcome;

/// Returns what `http://localhost:8080` answers for `path`; any status but 200 is an error.
pub(super) fn get(path: &str) -> Outcome<String> {
    let failed =
        |error: std::io::Error| format!("cannot ask `http://localhost:8080{path}`: {error}");
    let mut stream = TcpStream::connect("localhost:8080").map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost:8080\r\n\r\n").map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    body(&answer)
        .map(str::to_owned)
        .ok_or_else(|| format!("`{path}` was not answered with 200: {answer}"))
}

fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nok\n"), Some("ok\n"));
        assert_eq!(body("HTTP/1.0 404 Not Found\r\n\r\n"), None);
    }
}
