//! The keys that detach a terminal from a program and let the program run on.

/// A sequence of keys, and how much of it has been typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Keys {
    sequence: Vec<u8>,
    typed: usize,
}

impl Default for Keys {
    /// Ctrl-P, Ctrl-Q.
    fn default() -> Self {
        Self { sequence: vec![16, 17], typed: 0 }
    }
}

impl Keys {
    /// Reads a sequence such as `ctrl-p,ctrl-q` or `a,b`; an empty one never detaches.
    ///
    /// # Errors
    /// When a part is neither one letter nor `ctrl-` and one of `a`-`z`, `@[\]^_`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("invalid detach keys ({text}): Unknown character");
        let one = |part: &str| match part.strip_prefix("ctrl-").map(str::as_bytes) {
            Some(&[letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
            Some(b"@") => Ok(0),
            Some(&[letter @ b'['..=b'_']) => Ok(letter - b'[' + 27),
            None if part.len() == 1 => Ok(part.as_bytes()[0]),
            _ => Err(bad()),
        };
        if text.is_empty() {
            return Ok(Self { sequence: Vec::new(), typed: 0 });
        }
        Ok(Self { sequence: text.split(',').map(one).collect::<Result<_, _>>()?, typed: 0 })
    }

    /// Takes in what was typed and returns what goes on to the program, and whether the sequence is complete. What may
    /// still become the sequence is held back.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        if self.sequence.is_empty() {
            return (bytes.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.sequence[self.typed] != byte {
                passed.extend_from_slice(&self.sequence[..self.typed]);
                self.typed = 0;
            }
            if self.sequence[self.typed] == byte {
                self.typed += 1;
                if self.typed == self.sequence.len() {
                    return (passed, true);
                }
            } else {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_detaches_and_everything_else_passes() {
        let mut keys = Keys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys, Keys::default());
        assert_eq!(keys.pass(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.pass(b"\x10c"), (b"\x10\x10c".to_vec(), false));
        assert_eq!(keys.pass(b"d\x10\x11e"), (b"d".to_vec(), true));
        assert_eq!(Keys::parse("").unwrap().pass(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
        assert_eq!(Keys::parse("ctrl-@,ctrl-[,x").unwrap().sequence, [0, 27, b'x']);
        assert!(Keys::parse("ctrl-1").is_err() && Keys::parse("ab").is_err());
    }
}
