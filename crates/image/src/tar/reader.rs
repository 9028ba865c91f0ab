//! Reading: a pull parser over any buffered source.

use std::io::{self, BufRead};

use super::header::{self, Block, Header};
use super::pax::Records;
use super::sparse::{self, Sparse};
use super::{BLOCK, Entry, Error, Kind, Limits, Segment};

/// Takes note of an archive while it is read, so that it can be made again.
///
/// Every byte of the archive goes either through [`raw`](Self::raw), or is payload that whoever reads it kept
/// somewhere and reports with [`stored`](Self::stored); both in the order of the archive.
pub trait Recorder {
    /// Takes note of bytes that are kept nowhere else.
    ///
    /// # Errors
    /// When they cannot be noted.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Takes note that the next `length` bytes are those of file `path` from `offset`.
    ///
    /// # Errors
    /// When it cannot be noted.
    fn stored(&mut self, path: &[u8], offset: u64, length: u64) -> io::Result<()>;
}

/// Takes note of nothing.
impl Recorder for () {
    fn raw(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn stored(&mut self, _path: &[u8], _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the members of an archive, one after the other.
#[derive(Debug)]
pub struct Reader<R, T = ()> {
    source: R,
    recorder: T,
    limits: Limits,
    global: Records,
    /// Blocks read so far, for messages.
    block: u64,
    /// Payload of the current member that was not read yet.
    remaining: u64,
    /// Bytes that fill the last block of the current member's payload.
    padding: u64,
    payload: u64,
    entries: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the archive in `source`.
    pub fn new(source: R, limits: Limits) -> Self {
        Self::recorded(source, limits, ())
    }
}

impl<R: BufRead, T: Recorder> Reader<R, T> {
    /// Reads the archive in `source`, and tells `recorder` about it.
    pub fn recorded(source: R, limits: Limits, recorder: T) -> Self {
        Self {
            source,
            recorder,
            limits,
            global: Records::default(),
            block: 0,
            remaining: 0,
            padding: 0,
            payload: 0,
            entries: 0,
        }
    }

    /// Returns the recorder.
    pub fn recorder(&mut self) -> &mut T {
        &mut self.recorder
    }

    /// Returns the source and the recorder.
    pub fn into_parts(self) -> (R, T) {
        (self.source, self.recorder)
    }

    /// Returns the next member, or `None` at the archive's end. What was not read of the last one is skipped.
    ///
    /// # Errors
    /// When the archive is malformed, ends early, asks for too much, or cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not lend the payload between two members"
    )]
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.skip(self.remaining + self.padding)?;
        (self.remaining, self.padding) = (0, 0);
        let mut local = Records::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let Some(block) = self.header()? else { return Ok(None) };
            let header = Header(&block);
            match header.flag() {
                b'x' | b'X' => local
                    .parse(&self.extended(header)?)
                    .ok_or_else(|| self.field("extended header"))?,
                b'g' => {
                    let bytes = self.extended(header)?;
                    let mut global = std::mem::take(&mut self.global);
                    global.parse(&bytes).ok_or_else(|| self.field("global header"))?;
                    self.global = global;
                }
                b'L' => long_name = Some(header::text(&self.extended(header)?).to_vec()),
                b'K' => long_link = Some(header::text(&self.extended(header)?).to_vec()),
                _ => {
                    let records = if self.global.is_empty() {
                        local
                    } else {
                        Records::joined(&self.global, local)
                    };
                    return self.entry(header, &records, long_name, long_link).map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        header: Header<'_>,
        records: &Records,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, Error> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::TooMuch { what: "members", limit: self.limits.entries });
        }
        let mut entry = Entry {
            path: long_name.unwrap_or_else(|| header.name()),
            link: long_link.unwrap_or_else(|| header.link()),
            mode: header.mode().ok_or_else(|| self.field("mode"))?,
            uid: header.uid().ok_or_else(|| self.field("owner"))?,
            gid: header.gid().ok_or_else(|| self.field("group"))?,
            mtime: header.mtime().ok_or_else(|| self.field("time"))?,
            ..Entry::default()
        };
        let sparse = records.apply(&mut entry).map_err(|field| self.field(field))?;
        entry.kind = header::kind(header.flag(), &entry.path);
        if let Some(name) = &sparse.name {
            entry.path.clone_from(name);
        }
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            entry.device = header.device().ok_or_else(|| self.field("device"))?;
        }
        let size = match records.size() {
            Ok(Some(size)) => size,
            Ok(None) => header.size().ok_or_else(|| self.field("size"))?,
            Err(()) => return Err(self.field("size")),
        };
        // The other kinds have no payload, whatever their size field says.
        let stored = if matches!(entry.kind, Kind::File | Kind::Other(_)) { size } else { 0 };
        self.payload = self.payload.saturating_add(stored);
        if self.payload > self.limits.payload {
            return Err(Error::TooMuch { what: "bytes of payload", limit: self.limits.payload });
        }
        self.remaining = stored;
        self.padding = stored.wrapping_neg() % BLOCK as u64;
        entry.size = stored;
        if entry.kind == Kind::File {
            self.map(header, sparse, &mut entry)?;
        }
        Ok(entry)
    }

    /// Finds where the payload of a sparse file belongs.
    fn map(&mut self, header: Header<'_>, sparse: Sparse, entry: &mut Entry) -> Result<(), Error> {
        let segments = if header.flag() == b'S' && header.is_gnu() {
            let block = header.0;
            entry.size = header::number(&block[483..495])
                .and_then(|n| u64::try_from(n).ok())
                .ok_or_else(|| self.field("sparse map"))?;
            let mut segments = Vec::new();
            sparse::old_map(&block[386..482], &mut segments)
                .ok_or_else(|| self.field("sparse map"))?;
            let mut more = block[482] != 0;
            while more {
                let block = self.read_block()?.ok_or(Error::Truncated)?;
                sparse::old_map(&block[..504], &mut segments)
                    .ok_or_else(|| self.field("sparse map"))?;
                more = block[504] != 0;
            }
            segments
        } else if sparse.is_sparse() {
            entry.size = sparse.size.unwrap_or(entry.size);
            match sparse.map {
                Some(map) if !sparse.in_payload => map,
                _ => self.payload_map()?,
            }
        } else {
            return Ok(());
        };
        if !sparse::is_consistent(&segments, entry.size, self.remaining) {
            return Err(self.field("sparse map"));
        }
        entry.segments = Some(segments);
        Ok(())
    }

    /// Reads the map in front of a payload (PAX 1.0): decimal numbers in lines, the first one their count.
    fn payload_map(&mut self) -> Result<Vec<Segment>, Error> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut line: Vec<u8> = Vec::new();
        let mut wanted = None;
        loop {
            if self.remaining < BLOCK as u64 {
                return Err(self.field("sparse map"));
            }
            let block = self.read_block()?.ok_or(Error::Truncated)?;
            self.remaining -= BLOCK as u64;
            for byte in block {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let number = super::pax::decimal(&line).map_err(|()| self.field("sparse map"))?;
                line.clear();
                match wanted {
                    None => {
                        wanted =
                            Some(usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(2));
                    }
                    Some(_) => numbers.push(number),
                }
                if wanted == Some(numbers.len()) {
                    return sparse::pairs(&numbers).ok_or_else(|| self.field("sparse map"));
                }
            }
            if line.len() > 32 || numbers.len() > 2 * sparse::MAX_SEGMENTS {
                return Err(self.field("sparse map"));
            }
        }
    }

    /// Returns what comes next of the current member's payload, at most `most` bytes; empty at its end.
    ///
    /// The bytes must then be [`taken`](Self::take), and reported to the recorder as they are kept (or not).
    ///
    /// # Errors
    /// When the archive ends early or cannot be read.
    pub fn payload(&mut self, most: u64) -> Result<&[u8], Error> {
        let most = most.min(self.remaining);
        if most == 0 {
            return Ok(&[]);
        }
        let buffer = fill(&mut self.source)?;
        if buffer.is_empty() {
            return Err(Error::Truncated);
        }
        Ok(&buffer[..buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX))])
    }

    /// Takes `count` bytes of payload that [`payload`](Self::payload) returned.
    pub fn take(&mut self, count: usize) {
        self.source.consume(count);
        self.remaining -= count as u64;
    }

    /// Reads what follows the archive's end mark, to the end of the source.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than the payload limit.
    pub fn finish(&mut self) -> Result<(), Error> {
        let mut count = 0_u64;
        loop {
            let buffer = fill(&mut self.source)?;
            let length = buffer.len();
            if length == 0 {
                return Ok(());
            }
            self.recorder.raw(buffer).map_err(Error::Read)?;
            self.source.consume(length);
            count += length as u64;
            if count > self.limits.payload {
                return Err(Error::TooMuch {
                    what: "bytes after its end",
                    limit: self.limits.payload,
                });
            }
        }
    }

    /// Reads the next header; `None` at the end, which is a block of zeros or the end of the source between two members.
    fn header(&mut self) -> Result<Option<Block>, Error> {
        let Some(block) = self.read_block()? else { return Ok(None) };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if Header(&block).is_sound() {
            Ok(Some(block))
        } else {
            Err(Error::Checksum(self.block - 1))
        }
    }

    /// Reads the payload of an extended header.
    fn extended(&mut self, header: Header<'_>) -> Result<Vec<u8>, Error> {
        let size = header.size().ok_or_else(|| self.field("size"))?;
        if size > self.limits.extended {
            return Err(Error::TooMuch {
                what: "bytes in an extended header",
                limit: self.limits.extended,
            });
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            bytes.extend_from_slice(&self.read_block()?.ok_or(Error::Truncated)?);
        }
        bytes.truncate(usize::try_from(size).unwrap_or(0));
        Ok(bytes)
    }

    /// Reads one block; `None` when the source ends before it.
    fn read_block(&mut self) -> Result<Option<Block>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let buffer = fill(&mut self.source)?;
            if buffer.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(Error::Truncated) };
            }
            let count = buffer.len().min(BLOCK - filled);
            block[filled..filled + count].copy_from_slice(&buffer[..count]);
            self.source.consume(count);
            filled += count;
        }
        self.block += 1;
        self.recorder.raw(&block).map_err(Error::Read)?;
        Ok(Some(block))
    }

    fn skip(&mut self, mut count: u64) -> Result<(), Error> {
        while count > 0 {
            let buffer = fill(&mut self.source)?;
            if buffer.is_empty() {
                return Err(Error::Truncated);
            }
            let part = buffer.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            self.recorder.raw(&buffer[..part]).map_err(Error::Read)?;
            self.source.consume(part);
            count -= part as u64;
        }
        Ok(())
    }

    fn field(&self, field: &'static str) -> Error {
        Error::Field { block: self.block.saturating_sub(1), field }
    }
}

/// Fills the source's buffer; an interrupted call is made again.
fn fill<R: BufRead>(source: &mut R) -> Result<&[u8], Error> {
    loop {
        match source.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read(error)),
        }
    }
    // What was filled is returned again without reading.
    source.fill_buf().map_err(Error::Read)
}
