//! DNS messages: the little that a forwarder must understand of a question, and the answers it gives by itself
//! (RFC 1035, RFC 6891).
//!
//! Everything that is not answered here passes as the bytes that it came as, so record types that nobody has thought of yet
//! pass too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The length of a message's header.
const HEADER: usize = 12;
/// What a UDP answer may be long when the question does not say (RFC 1035, 4.2.1).
const PLAIN: u16 = 512;

/// Record types that are answered here.
const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const ANY: u16 = 255;
/// `IN`, the only class in use.
const INTERNET: u16 = 1;

/// How an answer went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Good = 0,
    ServerFailure = 2,
    NoSuchName = 3,
}

/// The one question of a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Question {
    /// The query's number, which the answer repeats.
    pub(super) id: u16,
    /// The name in lower case, without a dot at its end.
    pub(super) name: String,
    /// What is asked about it.
    pub(super) asked: Asked,
    /// Where the question section ends.
    end: usize,
    /// How long an answer by UDP may be.
    pub(super) room: usize,
    /// The query has an EDNS record, so the answer has one.
    extended: bool,
}

/// What a question wants to know, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// Addresses of these families: IPv4, IPv6.
    Addresses { v4: bool, v6: bool },
    /// The name of an address.
    NameOf(IpAddr),
    /// Something else.
    Other,
}

/// Reads a query; none when it is malformed, or no plain query with one question.
pub(super) fn read(query: &[u8]) -> Option<Question> {
    const RESPONSE_AND_OPCODE: u8 = 0xf8;
    let header = query.get(..HEADER)?;
    let is_query = header[2] & RESPONSE_AND_OPCODE == 0 && word(query, 4)? == 1;
    if !is_query {
        return None;
    }
    let (name, at) = read_name(query, HEADER)?;
    let (kind, class) = (word(query, at)?, word(query, at + 2)?);
    let extension = find_extension(query, at + 4);
    let asked = match (class, kind) {
        (INTERNET, A) => Asked::Addresses { v4: true, v6: false },
        (INTERNET, AAAA) => Asked::Addresses { v4: false, v6: true },
        (INTERNET, ANY) => Asked::Addresses { v4: true, v6: true },
        (INTERNET, PTR) => reversed(&name).map_or(Asked::Other, Asked::NameOf),
        _ => Asked::Other,
    };
    let room = usize::from(extension.unwrap_or(PLAIN).max(PLAIN));
    Some(Question {
        id: word(query, 0)?,
        name,
        asked,
        end: at + 4,
        room,
        extended: extension.is_some(),
    })
}

/// Reads a name at a place without following compression, which no question has; returns it and the place after it.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // Lengths of 64 and above are compression or reserved; a name has at most 255 bytes.
        if length > 63 || name.len() + length > 254 {
            return None;
        }
        let label = message.get(at..at + length)?;
        if !name.is_empty() {
            name.push('.');
        }
        // Names that we know are ASCII without dots in a label: any other byte makes it a name that we do not know.
        let shown = |b: u8| {
            if b.is_ascii_graphic() && b != b'.' {
                char::from(b.to_ascii_lowercase())
            } else {
                '\u{fffd}'
            }
        };
        name.extend(label.iter().copied().map(shown));
        at += length;
    }
}

/// Looks for the EDNS record among the additional ones, and returns the answer length that it allows.
fn find_extension(query: &[u8], mut at: usize) -> Option<u16> {
    if word(query, 6)? != 0 || word(query, 8)? != 0 {
        return None;
    }
    for _ in 0..word(query, 10)?.min(8) {
        let (_, after) = read_name(query, at)?;
        if word(query, after)? == OPT {
            return word(query, after + 2);
        }
        at = after + 10 + usize::from(word(query, after + 8)?);
    }
    None
}

/// Returns the address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(rest) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = rest.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then_some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let mut number = 0_u128;
    let mut labels = name.strip_suffix(".ip6.arpa")?.split('.');
    for place in 0..32 {
        let digit = labels.next().filter(|label| label.len() == 1)?;
        number |= u128::from_str_radix(digit, 16).ok()? << (4 * place);
    }
    labels.next().is_none().then_some(IpAddr::V6(Ipv6Addr::from(number)))
}

/// Writes an answer with the addresses of the asked families.
pub(super) fn addresses(
    query: &[u8],
    question: &Question,
    addresses: &[IpAddr],
    ttl: u32,
) -> Vec<u8> {
    let Asked::Addresses { v4, v6 } = question.asked else {
        return outcome(query, question, Outcome::Good);
    };
    let wanted: Vec<(u16, Vec<u8>)> = addresses
        .iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) => v4.then(|| (A, address.octets().to_vec())),
            IpAddr::V6(address) => v6.then(|| (AAAA, address.octets().to_vec())),
        })
        .collect();
    write(query, question, Outcome::Good, &wanted, ttl)
}

/// Tells whether one of the addresses is of an asked family.
pub(super) fn has_any(question: &Question, addresses: &[IpAddr]) -> bool {
    let Asked::Addresses { v4, v6 } = question.asked else { return false };
    addresses.iter().any(|address| if address.is_ipv4() { v4 } else { v6 })
}

/// Writes an answer with a name.
pub(super) fn name(query: &[u8], question: &Question, name: &str, ttl: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    write(query, question, Outcome::Good, &[(PTR, bytes)], ttl)
}

/// Writes an answer without records.
pub(super) fn outcome(query: &[u8], question: &Question, outcome: Outcome) -> Vec<u8> {
    write(query, question, outcome, &[], 0)
}

/// Shortens an answer for UDP when it is longer than the client allows: the client asks again by TCP.
pub(super) fn fit(mut answer: Vec<u8>, question: &Question) -> Vec<u8> {
    const TRUNCATED: u8 = 2;
    if answer.len() > question.room && answer.len() >= question.end {
        answer.truncate(question.end);
        answer[2] |= TRUNCATED;
        answer[6..HEADER].fill(0);
    }
    answer
}

/// Tells whether the bytes answer the query: the same number and the same question, whatever the case of its letters.
pub(super) fn answers(answer: &[u8], query: &[u8], question: &Question) -> bool {
    let is_response = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let same = |from, to| match (answer.get(from..to), query.get(from..to)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    };
    // A server that cannot read the question may leave it out.
    let bare = answer.len() >= HEADER && word(answer, 4) == Some(0) && code(answer) != 0;
    is_response && same(0, 2) && (bare || same(HEADER, question.end))
}

/// Returns the code that says how it went.
pub(super) fn code(answer: &[u8]) -> u8 {
    answer.get(3).map_or(2, |flags| flags & 0x0f)
}

fn write(
    query: &[u8],
    question: &Question,
    outcome: Outcome,
    records: &[(u16, Vec<u8>)],
    ttl: u32,
) -> Vec<u8> {
    const RESPONSE: u8 = 0x80;
    const RECURSION_DESIRED: u8 = 1;
    const RECURSION_AVAILABLE: u8 = 0x80;
    // The question's name, as every answer's name.
    const POINTER: u16 = 0xc000 | 12;
    let mut answer = question.id.to_be_bytes().to_vec();
    answer.push(RESPONSE | query.get(2).map_or(0, |flags| flags & RECURSION_DESIRED));
    answer.push(RECURSION_AVAILABLE | outcome as u8);
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    for number in [1, count, 0, u16::from(question.extended)] {
        answer.extend_from_slice(&number.to_be_bytes());
    }
    answer.extend_from_slice(query.get(HEADER..question.end).unwrap_or_default());
    for (kind, bytes) in records.iter().take(usize::from(u16::MAX)) {
        for number in [POINTER, *kind, INTERNET] {
            answer.extend_from_slice(&number.to_be_bytes());
        }
        answer.extend_from_slice(&ttl.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes());
        answer.extend_from_slice(bytes);
    }
    if question.extended {
        // The root's name, the type, 1232 bytes of room, no flags, no options.
        answer.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    answer
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, TYPE, rdata::RData};

    use super::*;

    fn query(name: &str, kind: TYPE, edns: Option<u16>) -> Vec<u8> {
        let mut packet = Packet::new_query(77);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new_unchecked(name);
        packet.questions.push(simple_dns::Question::new(
            name,
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        if let Some(size) = edns {
            *packet.opt_mut() = Some(simple_dns::rdata::OPT {
                opt_codes: Vec::new(),
                udp_packet_size: size,
                version: 0,
            });
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn a_question_reads_in_lower_case() {
        let question = read(&query("My_Alias.C", TYPE::AAAA, None)).unwrap();
        assert_eq!(question.name, "my_alias.c");
        assert_eq!(question.asked, Asked::Addresses { v4: false, v6: true });
        assert_eq!((question.id, question.room, question.extended), (77, 512, false));
        assert_eq!(read(&query("a", TYPE::A, Some(1400))).unwrap().room, 1400);
        assert_eq!(read(&query("a", TYPE::MX, None)).unwrap().asked, Asked::Other);
    }

    #[test]
    fn reversed_names_are_addresses() {
        let asked = |name: &str| read(&query(name, TYPE::PTR, None)).unwrap().asked;
        assert_eq!(asked("2.0.18.172.in-addr.arpa"), Asked::NameOf("172.18.0.2".parse().unwrap()));
        let digits = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(asked(digits), Asked::NameOf("fd00::1".parse().unwrap()));
        assert_eq!(asked("0.18.172.in-addr.arpa"), Asked::Other);
        assert_eq!(asked("host"), Asked::Other);
    }

    #[test]
    fn answers_are_what_another_reader_understands() {
        let bytes = query("Web", TYPE::A, Some(1232));
        let question = read(&bytes).unwrap();
        let list: Vec<IpAddr> =
            ["10.0.0.2", "fd00::2", "10.0.0.3"].iter().map(|text| text.parse().unwrap()).collect();
        let answer = addresses(&bytes, &question, &list, 5);
        let packet = Packet::parse(&answer).unwrap();
        assert!(packet.has_flags(
            PacketFlag::RESPONSE | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE
        ));
        assert_eq!((packet.id(), packet.rcode(), packet.answers.len()), (77, RCODE::NoError, 2));
        assert_eq!(
            (packet.answers[0].name.to_string(), packet.answers[0].ttl),
            ("Web".to_owned(), 5)
        );
        assert!(matches!(&packet.answers[1].rdata, RData::A(a) if a.address == 0x0a00_0003));
        assert!(packet.opt().is_some());
        assert!(answers(&answer, &bytes, &question));
        let none = outcome(&bytes, &question, Outcome::NoSuchName);
        assert_eq!(Packet::parse(&none).unwrap().rcode(), RCODE::NameError);
        let bytes = query("2.0.0.10.in-addr.arpa", TYPE::PTR, None);
        let answer = name(&bytes, &read(&bytes).unwrap(), "a_b.c.net", 5);
        assert!(
            matches!(&Packet::parse(&answer).unwrap().answers[0].rdata, RData::PTR(name) if name.to_string() == "a_b.c.net")
        );
    }

    #[test]
    fn an_answer_that_is_too_long_asks_for_tcp() {
        let bytes = query("pool", TYPE::A, None);
        let question = read(&bytes).unwrap();
        let many: Vec<IpAddr> = (0..60).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        let cut = fit(addresses(&bytes, &question, &many, 5), &question);
        let packet = Packet::parse(&cut).unwrap();
        assert!(packet.has_flags(PacketFlag::TRUNCATION) && packet.answers.is_empty());
    }

    #[test]
    fn garbage_is_no_question() {
        let good = query("some.name", TYPE::A, Some(1232));
        for end in 0..good.len() - 11 {
            assert!(read(&good[..end]).is_none(), "{end}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = 0xff;
            let _must_not_panic = read(&bad);
        }
        let mut response = good.clone();
        response[2] |= 0x80;
        assert!(read(&response).is_none());
        assert!(read(&[0xc0; 600]).is_none());
    }
}
