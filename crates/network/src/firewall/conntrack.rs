//! Connections that the kernel remembers, and should forget when a published port leads elsewhere.
//!
//! A TCP client notices that its peer is gone. A UDP client that keeps its source port does not: its datagrams follow
//! the remembered translation for minutes after the endpoint has moved.

use hako_types::Protocol;

use super::Published;
use crate::netlink::{Attributes, Batch, DUMP, Received, Socket};

/// `NFNL_SUBSYS_CTNETLINK` in the upper byte of a message's kind.
const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

/// `CTA_TUPLE_ORIG`, and inside of it `CTA_TUPLE_PROTO` with `CTA_PROTO_NUM` and `CTA_PROTO_DST_PORT`.
const ORIGINAL: u16 = 1;
const TRANSPORT: u16 = 2;
const NUMBER: u16 = 1;
const DESTINATION_PORT: u16 = 3;
const UDP: u8 = 17;

/// Makes the kernel forget UDP connections to the published ports. It is a courtesy, so a failure is no error.
pub(super) fn forget_published(socket: &Socket, ports: &[Published]) {
    let published: Vec<u16> =
        ports.iter().filter(|port| port.protocol == Protocol::Udp).map(|port| port.port).collect();
    if published.is_empty() {
        return;
    }
    for family in [2_u8, 10] {
        let mut question = Batch::default();
        question.message(GET, DUMP, &[family, 0, 0, 0]);
        let mut deletions = Batch::default();
        let each = |message: &Received<'_>| {
            let Some(tuple) =
                message.body.get(4..).and_then(|body| Attributes(body).find(ORIGINAL))
            else {
                return;
            };
            if is_to(tuple, &published) {
                deletions.message(DELETE, 0, &[family, 0, 0, 0]).bytes(ORIGINAL | 0x8000, tuple);
            }
        };
        if socket.ask(&question, each).is_ok() {
            let _courtesy = socket.run(&mut deletions);
        }
    }
}

fn is_to(tuple: &[u8], published: &[u16]) -> bool {
    let Some(transport) = Attributes(tuple).find(TRANSPORT).map(Attributes) else { return false };
    let port = transport
        .find(DESTINATION_PORT)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_be_bytes);
    transport.find(NUMBER) == Some(&[UDP]) && port.is_some_and(|port| published.contains(&port))
}
