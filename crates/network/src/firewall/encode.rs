//! A ruleset as nfnetlink messages (`linux/netfilter/nf_tables.h`).
//!
//! The kernel's rules are little programs over registers. All of ours use the 32-bit registers from the first on: a
//! condition loads a field and compares it, a lookup of several fields loads one after the other, each padded to
//! four bytes, and finds them as one key.

use std::net::IpAddr;

use hako_types::Protocol;

use super::ruleset::{Chain, Element, End, Family, Field, Part, Point, Set, Value, Way};
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
/// The first 32-bit register, `NFT_REG32_00`.
const REGISTER: u32 = 8;

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
                    encode(expressions, part);
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
fn value(batch: &mut Batch, kind: u16, bytes: &[u8]) {
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

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An interface's name as the kernel compares it: 16 bytes, zeros at the end.
fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

fn protocol_number(protocol: Protocol) -> u8 {
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

/// Adds one expression to a rule.
fn expression(list: &mut Batch, name: &str, data: impl FnOnce(&mut Batch)) {
    list.nest(1, |entry| {
        entry.text(1, name).nest(2, data);
    });
}

// Keys of the `meta` expression.
const IN_NAME: u32 = 6;
const OUT_NAME: u32 = 7;
const NETWORK_PROTOCOL: u32 = 15;
const TRANSPORT_PROTOCOL: u32 = 16;

fn meta(list: &mut Batch, key: u32, register: u32) {
    expression(list, "meta", |data| {
        data.number(1, register).number(2, key);
    });
}

fn payload(list: &mut Batch, base: u32, (offset, length): (u32, u32), register: u32) {
    expression(list, "payload", |data| {
        data.number(1, register).number(2, base).number(3, offset).number(4, length);
    });
}

fn compare(list: &mut Batch, holds: bool, bytes: &[u8]) {
    expression(list, "cmp", |data| {
        value(data.number(1, REGISTER).number(2, u32::from(!holds)), 3, bytes);
    });
}

fn mask(list: &mut Batch, mask: &[u8]) {
    expression(list, "bitwise", |data| {
        data.number(1, REGISTER)
            .number(2, REGISTER)
            .number(3, u32::try_from(mask.len()).unwrap_or_default());
        value(data, 4, mask);
        value(data, 5, &vec![0; mask.len()]);
    });
}

fn lookup(list: &mut Batch, set: &str, to_value: bool, holds: bool) {
    const INVERTED: u32 = 1;
    expression(list, "lookup", |data| {
        data.text(1, set).number(2, REGISTER);
        if to_value {
            data.number(3, REGISTER);
        }
        if !holds {
            data.number(5, INVERTED);
        }
    });
}

fn verdict(list: &mut Batch, code: i32, chain: Option<&str>) {
    expression(list, "immediate", |data| {
        data.number(1, 0).nest(2, |nested| {
            nested.nest(2, |verdict| {
                verdict.number(1, code.cast_unsigned());
                if let Some(chain) = chain {
                    verdict.text(2, chain);
                }
            });
        });
    });
}

fn network_protocol(list: &mut Batch, family: Family) {
    meta(list, NETWORK_PROTOCOL, REGISTER);
    compare(list, true, &[protocol_family(family)]);
}

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
fn protocol_family(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn load_address(list: &mut Batch, end: End, family: Family) {
    const NETWORK_HEADER: u32 = 1;
    let place = match (family, end) {
        (Family::V4, End::Source) => (12, 4),
        (Family::V4, End::Destination) => (16, 4),
        (Family::V6, End::Source) => (8, 16),
        (Family::V6, End::Destination) => (24, 16),
    };
    payload(list, NETWORK_HEADER, place, REGISTER);
}

const TRANSPORT_HEADER: u32 = 2;

/// Where a port is in a transport header: offset and length.
fn port_place(end: End) -> (u32, u32) {
    if end == End::Source { (0, 2) } else { (2, 2) }
}

/// Writes a port into the packet, and mends the checksum.
fn set_port(list: &mut Batch, end: End, protocol: Protocol, port: u16) {
    const INTERNET_CHECKSUM: u32 = 1;
    expression(list, "immediate", |data| {
        value(data.number(1, REGISTER), 2, &port.to_be_bytes());
    });
    let (offset, length) = port_place(end);
    let checksum = if protocol == Protocol::Udp { 6 } else { 16 };
    expression(list, "payload", |data| {
        data.number(5, REGISTER).number(2, TRANSPORT_HEADER).number(3, offset).number(4, length);
        data.number(6, INTERNET_CHECKSUM).number(7, checksum);
    });
}

/// Loads `protocol . destination port` from the register on.
fn load_service(list: &mut Batch, register: u32) {
    meta(list, TRANSPORT_PROTOCOL, register);
    payload(list, TRANSPORT_HEADER, port_place(End::Destination), register + 1);
}

/// Checks that what connection tracking knows has one of the bits.
fn has_bits(list: &mut Batch, key: u32, bits: u32) {
    load_ct(list, key);
    mask(list, &bits.to_ne_bytes());
    compare(list, false, &[0; 4]);
}

fn load_ct(list: &mut Batch, key: u32) {
    expression(list, "ct", |data| {
        data.number(2, key).number(1, REGISTER);
    });
}

/// Translates the destination to what the registers hold: an address and, after it, a port.
fn translate(list: &mut Batch, family: Family) {
    const DESTINATION: u32 = 1;
    let port = REGISTER + if family == Family::V4 { 1 } else { 4 };
    expression(list, "nat", |data| {
        data.number(1, DESTINATION).number(2, u32::from(protocol_family(family)));
        data.number(3, REGISTER).number(4, REGISTER).number(5, port).number(6, port);
    });
}

fn inside(list: &mut Batch, end: End, prefix: Prefix) {
    let family = Family::of(prefix.address());
    network_protocol(list, family);
    load_address(list, end, family);
    let ones = Prefix::new(from_number(prefix.address(), u128::MAX), prefix.length());
    let bits = ones.map(|ones| octets(ones.first())).unwrap_or_default();
    if bits.iter().any(|byte| *byte != 255) {
        mask(list, &bits);
    }
    compare(list, true, &octets(prefix.first()));
}

fn encode(list: &mut Batch, part: &Part) {
    let name_of = |way: &Way| if *way == Way::In { IN_NAME } else { OUT_NAME };
    match part {
        Part::Named(way, name, holds) => {
            meta(list, name_of(way), REGISTER);
            compare(list, *holds, &interface(name));
        }
        Part::Among(way, set, holds) => {
            meta(list, name_of(way), REGISTER);
            lookup(list, set, false, *holds);
        }
        Part::Pair(set) => {
            meta(list, IN_NAME, REGISTER);
            meta(list, OUT_NAME, REGISTER + 4);
            lookup(list, set, false, true);
        }
        Part::In(end, family, set) => {
            network_protocol(list, *family);
            load_address(list, *end, *family);
            lookup(list, set, false, true);
        }
        Part::Inside(end, prefix) => inside(list, *end, *prefix),
        Part::Service(end, protocol, port) => {
            meta(list, TRANSPORT_PROTOCOL, REGISTER);
            compare(list, true, &[protocol_number(*protocol)]);
            payload(list, TRANSPORT_HEADER, port_place(*end), REGISTER);
            compare(list, true, &port.to_be_bytes());
        }
        Part::SetService(end, protocol, port) => set_port(list, *end, *protocol, *port),
        // `NF_CT_STATE_BIT` of established and related, and `IPS_DST_NAT`.
        Part::Established => has_bits(list, 0, 6),
        Part::Translated => has_bits(list, 2, 0x20),
        Part::Local => {
            // The type of route that the destination address has; `RTN_LOCAL`.
            expression(list, "fib", |data| {
                data.number(1, REGISTER).number(2, 3).number(3, 2);
            });
            compare(list, true, &2_u32.to_ne_bytes());
        }
        Part::ToPort(family, map) => {
            network_protocol(list, *family);
            load_service(list, REGISTER);
            lookup(list, map, true, true);
            translate(list, *family);
        }
        Part::ToAddress(family, map) => {
            network_protocol(list, *family);
            load_address(list, End::Destination, *family);
            load_service(list, REGISTER + if *family == Family::V4 { 1 } else { 4 });
            lookup(list, map, true, true);
            translate(list, *family);
        }
        Part::Masquerade => expression(list, "masq", |_| {}),
        Part::Jump(chain) => verdict(list, -3, Some(chain)),
        Part::Return => verdict(list, -5, None),
        Part::Accept => verdict(list, 1, None),
        Part::Drop => verdict(list, 0, None),
    }
}
