//! The parts of a rule as the kernel's expressions.
//!
//! The kernel's rules are little programs over registers. All of ours use the 32-bit registers from the first on: a
//! condition loads a field and compares it, a lookup of several fields loads one after the other, each padded to
//! four bytes, and finds them as one key.

use hako_types::Protocol;

use super::encode::{interface, octets, protocol_number, value};
use super::ruleset::{End, Family, Part, Way};
use crate::netlink::Batch;
use crate::prefix::{Prefix, from_number};

/// The first 32-bit register, `NFT_REG32_00`.
const REGISTER: u32 = 8;

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

/// Adds the expressions of one part to a rule.
pub(super) fn encode(list: &mut Batch, part: &Part) {
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
