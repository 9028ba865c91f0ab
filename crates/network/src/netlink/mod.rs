//! Netlink messages, written into one buffer and read back (netlink(7), rtnetlink(7)).
//!
//! A batch is several messages in one buffer, sent with one system call. Only the last one asks for an answer:
//! the kernel reports the failure of any other on its own.

mod socket;

pub(crate) use socket::Socket;

/// `NLM_F_REQUEST`: this asks the kernel for something.
const REQUEST: u16 = 1;
/// `NLM_F_ACK`: answer, even when all is well.
const ACK: u16 = 4;
/// `NLM_F_DUMP`: all objects.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`: change what is there.
pub(crate) const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: fail when it is there.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: make it.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: add at the end.
pub(crate) const APPEND: u16 = 0x800;
/// `NLA_F_NESTED`: the attribute holds attributes.
const NESTED: u16 = 0x8000;

/// The length of a message's header, `struct nlmsghdr`.
const HEADER: usize = 16;

/// Messages that travel together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where the message that is being written starts.
    start: usize,
    /// How many messages there are; the n-th has the sequence number n, counted from 1.
    count: u32,
}

impl Batch {
    /// Begins a message of this kind with these flags, and its fixed part.
    pub(crate) fn message(&mut self, kind: u16, flags: u16, fixed: &[u8]) -> &mut Self {
        self.start = self.bytes.len();
        self.count += 1;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.raw(fixed)
    }

    /// Adds bytes that are no attribute, padded to four.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Adds an attribute.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value)
    }

    /// Adds a text attribute, with its final zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Adds a number of the machine's byte order, as rtnetlink wants it.
    pub(crate) fn native(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number of the network's byte order, as nfnetlink wants it.
    pub(crate) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds an attribute of the attributes that `inner` adds.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let at = self.bytes.len();
        self.bytes(kind | NESTED, &[]);
        inner(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Asks for an answer to the last message.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(flags) = self.bytes.get_mut(self.start + 6) {
            *flags |= u8::try_from(ACK).unwrap_or_default();
        }
    }

    /// Returns the sequence number of the last message.
    pub(crate) fn last(&self) -> u32 {
        self.count
    }

    /// Tells whether there is no message.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// One message that the kernel sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// Returns the messages in a received datagram; what is cut off or malformed ends the list.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<Received<'_>> {
    let mut all = Vec::new();
    while let (Some(length), Some(kind), Some(sequence)) =
        (u32_at(bytes, 0), u16_at(bytes, 4), u32_at(bytes, 8))
    {
        let length = length as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        all.push(Received { kind, sequence, body });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

/// Iterates over attributes: kind (without its flags) and value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'a> Attributes<'a> {
    /// Returns the value of the first attribute of this kind.
    pub(crate) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.by_ref().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }
}

/// Reads a 16-bit number of the machine's byte order.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads a 32-bit number of the machine's byte order.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Reads a 64-bit number of the machine's byte order.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads text up to its first zero.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut batch = Batch::default();
        batch.message(16, CREATE, &[7; 6]).text(3, "eth0").nest(18, |nested| {
            nested.native(1, 5).bytes(2, &[9]);
        });
        batch.message(20, 0, &[1; 4]);
        let read = messages(&batch.bytes);
        assert_eq!((read.len(), read[0].kind, read[1].sequence), (2, 16, 2));
        let attributes = Attributes(&read[0].body[8..]);
        assert_eq!(text_of(attributes.find(3).unwrap()), "eth0");
        let inner = Attributes(attributes.find(18).unwrap());
        assert_eq!(inner.find(1), Some(5_u32.to_ne_bytes().as_slice()));
        assert_eq!(inner.find(2), Some([9].as_slice()));
    }

    #[test]
    fn hostile_lengths_end_the_reading() {
        assert!(messages(&[255; 40]).is_empty());
        assert!(messages(&[0; 40]).is_empty());
        assert_eq!(Attributes(&[0, 0, 1, 0]).count(), 0);
        assert_eq!(Attributes(&[200, 0, 1, 0, 9]).count(), 0);
    }
}
