//! A ruleset as nfnetlink messages (`linux/netfilter/nf_tables.h`).

use std::net::IpAddr;

use hako_types::Protocol;

use super::expression;
use super::ruleset::{Chain, Element, Family, Field, Point, Set, Value};
use crate::netlink::{APPEND, Attributes, Batch, CREATE, DUMP, text_of};
use crate::prefix::{Prefix, from_number, number};

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
const NEWTABLE: u16 = SUBSYSTEM;
const GETTABLE: u16 = SUBSYSTEM | 1;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
const GETSETELEM: u16 = SUBSYSTEM | 13;
const DELSETELEM: u16 = SUBSYSTEM | 14;

/// `struct nfgenmsg` for the family `inet`.
const INET: [u8; 4] = [1, 0, 0, 0];
/// How many elements one message takes: an attribute's length is 16 bits.
const ELEMENTS: usize = 400;

/// Begins a transaction.
pub(super) fn begin(batch: &mut Batch) {
    batch.message(0x10, 0, &[0, 0, 0, 10]);
}

/// Ends a transaction.
pub(super) fn end(batch: &mut Batch) {
    batch.message(0x11, 0, &[0, 0, 0, 10]);
}

pub(super) fn new_table(batch: &mut Batch, table: &str, flags: u16) {
    batch.message(NEWTABLE, CREATE | flags, &INET).text(1, table).number(2, 0);
}

pub(super) fn delete_table(batch: &mut Batch, table: &str) {
    batch.message(DELTABLE, 0, &INET).text(1, table);
}

pub(super) fn get_table(batch: &mut Batch, table: &str) {
    batch.message(GETTABLE, 0, &INET).text(1, table);
}

/// Asks for all chains of all tables and families.
pub(super) fn get_chains(batch: &mut Batch) {
    const GETCHAIN: u16 = SUBSYSTEM | 4;
    batch.message(GETCHAIN, DUMP, &[0; 4]);
}

/// Reads one such chain: its table and name, if it drops what is on its way through unless a rule accepts it.
pub(super) fn closed_chain(body: &[u8]) -> Option<(String, String)> {
    const DROP: [u8; 4] = [0; 4];
    let attributes = Attributes(body.get(4..)?);
    let hook = Attributes(attributes.find(4)?).find(1)?;
    let is_closed = hook == (Point::Forward as u32).to_be_bytes() && attributes.find(5)? == DROP;
    is_closed.then(|| Some((text_of(attributes.find(1)?), text_of(attributes.find(3)?))))?
}

pub(super) fn new_chain(batch: &mut Batch, table: &str, chain: &Chain) {
    batch.message(NEWCHAIN, CREATE, &INET).text(1, table).text(3, chain.name);
    if let Some(hook) = chain.hook {
        batch.nest(4, |nested| {
            nested.number(1, hook.point as u32).number(2, hook.priority.cast_unsigned());
        });
        const ACCEPT: u32 = 1;
        batch.number(5, ACCEPT).text(7, hook.kind);
    }
}

pub(super) fn new_rules(batch: &mut Batch, table: &str, chain: &Chain) {
    for rule in &chain.rules {
        batch.message(NEWRULE, CREATE | APPEND, &INET).text(1, table).text(2, chain.name).nest(
            4,
            |expressions| {
                for part in rule {
                    expression::encode(expressions, part);
                }
            },
        );
    }
}

pub(super) fn new_set(batch: &mut Batch, table: &str, set: &Set, id: u32) {
    const INTERVAL: u32 = 4;
    const MAP: u32 = 8;
    let flags =
        if set.is_interval() { INTERVAL } else { 0 } | if set.value.is_empty() { 0 } else { MAP };
    batch.message(NEWSET, CREATE, &INET).text(1, table).text(2, set.name).number(3, flags);
    batch.number(4, kind_of(set.key)).number(5, length_of(set.key));
    if !set.value.is_empty() {
        batch.number(6, kind_of(set.value)).number(7, length_of(set.value));
    }
    batch.number(10, id);
    if set.key == [Field::Interface] {
        // For `nft list`, which otherwise shows names backwards: the key's byte order is the machine's.
        let mut note = vec![0, 4];
        note.extend_from_slice(&1_u32.to_ne_bytes());
        batch.bytes(13, &note);
    }
}

/// Adds or deletes elements.
pub(super) fn elements(batch: &mut Batch, table: &str, set: &str, elements: &[Element], add: bool) {
    let (kind, flags) = if add { (NEWSETELEM, CREATE) } else { (DELSETELEM, 0) };
    for some in elements.chunks(ELEMENTS) {
        batch.message(kind, flags, &INET).text(1, table).text(2, set).nest(3, |list| {
            for one in some {
                element(list, one, add);
            }
        });
    }
}

/// Asks for one element.
pub(super) fn get_element(batch: &mut Batch, table: &str, set: &str, one: &Element) {
    batch
        .message(GETSETELEM, 0, &INET)
        .text(1, table)
        .text(2, set)
        .nest(3, |list| element(list, one, false));
}

fn element(list: &mut Batch, element: &Element, with_value: bool) {
    const KEY: u16 = 1;
    const DATA: u16 = 2;
    const FLAGS: u16 = 3;
    const INTERVAL_END: u32 = 1;
    list.nest(1, |entry| {
        value(entry, KEY, &bytes_of(&element.key));
        if with_value && !element.value.is_empty() {
            value(entry, DATA, &bytes_of(&element.value));
        }
    });
    // An interval is two elements: where it starts, and the first address after it.
    if let [Value::Prefix(prefix)] = element.key.as_slice()
        && let Some(after) = after(*prefix)
    {
        list.nest(1, |entry| {
            value(entry, KEY, &bytes_of(&[Value::Address(after)]));
            entry.number(FLAGS, INTERVAL_END);
        });
    }
}

/// Returns the first address after the prefix; none when it is the last of all.
fn after(prefix: Prefix) -> Option<IpAddr> {
    let next = number(prefix.last()).checked_add(1)?;
    let address = from_number(prefix.address(), next);
    (number(address) == next).then_some(address)
}

/// Writes `NFTA_DATA_VALUE` in an attribute.
pub(super) fn value(batch: &mut Batch, kind: u16, bytes: &[u8]) {
    batch.nest(kind, |data| {
        data.bytes(1, bytes);
    });
}

fn bytes_of(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        match value {
            Value::Interface(name) => bytes.extend_from_slice(&interface(name)),
            Value::Protocol(protocol) => bytes.push(protocol_number(*protocol)),
            Value::Port(port) => bytes.extend_from_slice(&port.to_be_bytes()),
            Value::Address(address) => bytes.extend(octets(*address)),
            Value::Prefix(prefix) => bytes.extend(octets(prefix.first())),
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An interface's name as the kernel compares it: 16 bytes, zeros at the end.
pub(super) fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

pub(super) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The number of nft's own data type, six bits for each field, so that `nft list` shows keys readably. To the kernel it
/// means nothing.
fn kind_of(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |kind, field| {
        kind << 6
            | match field {
                Field::Interface => 41,
                Field::Protocol => 12,
                Field::Port => 13,
                Field::Address(Family::V4) => 7,
                Field::Address(Family::V6) => 8,
            }
    })
}

fn length_of(fields: &[Field]) -> u32 {
    let length = |field: &Field| match field {
        Field::Interface | Field::Address(Family::V6) => 16,
        Field::Protocol | Field::Port | Field::Address(Family::V4) => 4,
    };
    fields.iter().map(length).sum()
}
