//! One forwarded connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// How long the endpoint may take to accept.
const CONNECT: Duration = Duration::from_secs(10);
/// Room for the buffer, which lies on the stack, and some calls.
const STACK: usize = 128 * 1024;
const BUFFER: usize = 64 * 1024;

/// Connects to the target and carries bytes both ways until both have ended. Returns at once; threads do it. When the
/// target cannot be reached, the client's connection is closed.
pub(super) fn carry(client: TcpStream, target: SocketAddr) {
    let work = move || {
        let Ok(server) = TcpStream::connect_timeout(&target, CONNECT) else { return };
        for socket in [&client, &server] {
            // Small answers must not wait for more; a socket that refuses is only slower.
            let _slower = socket.set_nodelay(true);
        }
        let (client, server) = (Arc::new(client), Arc::new(server));
        let (from, to) = (Arc::clone(&client), Arc::clone(&server));
        let Ok(upward) = Builder::new().stack_size(STACK).spawn(move || pump(&from, &to)) else {
            return;
        };
        pump(&server, &client);
        // The thread owns nothing that a panic could leave broken.
        let _ended = upward.join();
    };
    // Without a thread the client is dropped, which closes its connection.
    let _closed = Builder::new().stack_size(STACK).spawn(work);
}

/// Copies one direction. Its end is passed on as the end of that direction only; an error ends both.
fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = [0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                let _gone = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(length) if to.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => {
                let _gone = from.shutdown(Shutdown::Both);
                let _gone = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
