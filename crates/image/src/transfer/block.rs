//! Blocks of bytes that travel between the threads of a pipeline, and are used again.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes a block usually holds: small enough to stay in the cache from one thread to the next, large enough that
/// handing it over costs nothing.
pub(super) const BLOCK: usize = 256 << 10;

/// Blocks that wait to be filled again. Fresh memory costs a page fault for each 4 KiB, which is a tenth of
/// what unpacking costs.
#[derive(Debug)]
pub(super) struct Pool {
    size: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl Pool {
    /// Returns a pool of blocks of `size` bytes.
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { size, free: Mutex::default() })
    }

    /// Returns a block whose content is left over from before.
    pub(super) fn take(self: &Arc<Self>) -> Block {
        let bytes = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Block { bytes: bytes.unwrap_or_else(|| vec![0; self.size]), len: 0, pool: Arc::clone(self) }
    }
}

/// A block; its memory goes back to its pool when it is dropped.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    len: usize,
    pool: Arc<Pool>,
}

impl Block {
    /// Fills the block from `source` as far as that goes, and returns how many bytes it now has; none at the end.
    pub(super) fn fill(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        self.len = 0;
        while self.len < self.bytes.len() {
            match source.read(&mut self.bytes[self.len..]) {
                Ok(0) => break,
                Ok(n) => self.len += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.len)
    }

    /// Fills the block with one read from `source`, and returns how many bytes it now has; none at the end.
    pub(super) fn fill_once(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        loop {
            match source.read(&mut self.bytes) {
                Ok(n) => {
                    self.len = n;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has `write` fill the beginning of the block; it returns how far.
    pub(super) fn fill_with(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.len = 0;
        self.len = write(&mut self.bytes)?.min(self.bytes.len());
        Ok(())
    }

    /// Returns the bytes that were filled in.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// Reads the blocks that arrive in a channel. The channel's end is the end of the content.
#[derive(Debug)]
pub(super) struct Blocks {
    arriving: Receiver<Arc<Block>>,
    current: Option<Arc<Block>>,
    position: usize,
}

impl Blocks {
    pub(super) fn new(arriving: Receiver<Arc<Block>>) -> Self {
        Self { arriving, current: None, position: 0 }
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|block| self.position >= block.len) {
            self.current = None;
            self.position = 0;
            self.current = self.arriving.recv().ok();
        }
        Ok(self.current.as_ref().map_or(&[], |block| &block.bytes()[self.position..]))
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}
