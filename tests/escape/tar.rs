//! Archives that no well-meaning program writes.

/// An archive in the making.
#[derive(Debug, Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    /// A file.
    #[must_use]
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.member(b'0', path, "", content.as_bytes(), 0o755)
    }

    /// A file with a mode.
    #[must_use]
    pub(crate) fn moded(self, path: &str, content: &[u8], mode: u32) -> Self {
        self.member(b'0', path, "", content, mode)
    }

    /// A directory.
    #[must_use]
    pub(crate) fn directory(self, path: &str) -> Self {
        self.member(b'5', path, "", b"", 0o755)
    }

    /// A symbolic link.
    #[must_use]
    pub(crate) fn link(self, path: &str, to: &str) -> Self {
        self.member(b'2', path, to, b"", 0o777)
    }

    /// A hard link.
    #[must_use]
    pub(crate) fn hard(self, path: &str, to: &str) -> Self {
        self.member(b'1', path, to, b"", 0o644)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a header")]
    fn member(mut self, kind: u8, path: &str, link: &str, content: &[u8], mode: u32) -> Self {
        let mut head = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| head[at..at + text.len()].copy_from_slice(text);
        assert!(path.len() <= 100 && link.len() <= 100, "too long for a plain header: {path}");
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", content.len()).as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&head);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The finished archive.
    #[must_use]
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}
