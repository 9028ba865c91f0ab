//! A client that asks by TCP: it has a thread while it is there.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope};
use std::time::Duration;

use std::os::fd::AsFd;

use super::message::{self, Outcome};
use super::{Answering, Decision, upstream};

/// How many clients may be there at once; another is sent away.
const CLIENTS: usize = 32;
/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
const STACK: usize = 256 * 1024;

/// Answers the client's questions on a thread of its own.
pub(super) fn answer<'scope>(
    scope: &'scope Scope<'scope, '_>,
    answering: Answering<'scope>,
    client: TcpStream,
    count: &'scope AtomicUsize,
) {
    if count.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
        count.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let work = move || {
        serve(answering, client);
        count.fetch_sub(1, Ordering::Relaxed);
    };
    if Builder::new().stack_size(STACK).spawn_scoped(scope, work).is_err() {
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(answering: Answering<'_>, mut client: TcpStream) {
    let set = client
        .set_nonblocking(false)
        .and_then(|()| client.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| client.set_write_timeout(Some(PATIENCE)));
    if set.is_err() {
        return;
    }
    while let Ok(query) = upstream::receive(&mut client) {
        let answer = match answering.decide(&query) {
            Decision::Answer(answer) => answer,
            Decision::Forward(question) => {
                let namespace = answering.server.namespace.as_fd();
                upstream::ask_by_stream(&query, &question, answering.upstreams, namespace)
                    .unwrap_or_else(|| message::outcome(&query, &question, Outcome::ServerFailure))
            }
            Decision::Ignore => return,
        };
        if upstream::send(&mut client, &answer).is_err() {
            return;
        }
    }
}
