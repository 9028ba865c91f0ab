//! `--chmod`: octal digits, or symbols as chmod(1) knows them.

/// A change of permission bits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ModeChange {
    /// These bits.
    Bits(u32),
    /// Clauses, one after another.
    Clauses(Vec<Clause>),
}

/// One clause (`u=rwX`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clause {
    who: u32,
    operator: char,
    bits: u32,
    /// `X`: execution where it is a directory or somebody may execute already.
    executes: bool,
}

/// Tells whether `text` is a mode.
#[must_use]
pub fn is_mode(text: &str) -> bool {
    ModeChange::parse(text).is_some()
}

impl ModeChange {
    /// Parses a mode.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|ch: char| ch.is_ascii_digit()) {
            return u32::from_str_radix(text, 8)
                .ok()
                .filter(|bits| *bits <= 0o7777)
                .map(Self::Bits);
        }
        text.split(',')
            .map(clause)
            .collect::<Option<Vec<Vec<Clause>>>>()
            .map(|all| Self::Clauses(all.concat()))
    }

    /// Returns the bits of a file that had `mode`.
    #[must_use]
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let clauses = match self {
            Self::Bits(bits) => return *bits,
            Self::Clauses(clauses) => clauses,
        };
        let mut mode = mode & 0o7777;
        for clause in clauses {
            let mut bits = clause.bits;
            if clause.executes && (is_directory || mode & 0o111 != 0) {
                bits |= 0o111;
            }
            let special = if clause.who & 0o700 != 0 { 0o4000 } else { 0 }
                | if clause.who & 0o070 != 0 { 0o2000 } else { 0 }
                | 0o1000;
            let bits = bits & (clause.who | special);
            match clause.operator {
                '+' => mode |= bits,
                '-' => mode &= !bits,
                _ => mode = (mode & !clause.who) | bits,
            }
        }
        mode
    }
}

/// Parses `ugo+rwx-x`.
fn clause(text: &str) -> Option<Vec<Clause>> {
    let split = text.find(['+', '-', '='])?;
    let mut who = 0;
    for ch in text[..split].chars() {
        who |= match ch {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    if who == 0 {
        who = 0o777;
    }
    let mut clauses: Vec<Clause> = Vec::new();
    for ch in text[split..].chars() {
        if matches!(ch, '+' | '-' | '=') {
            clauses.push(Clause { who, operator: ch, bits: 0, executes: false });
            continue;
        }
        let last = clauses.last_mut()?;
        match ch {
            'r' => last.bits |= 0o444,
            'w' => last.bits |= 0o222,
            'x' => last.bits |= 0o111,
            'X' => last.executes = true,
            's' => last.bits |= 0o6000,
            't' => last.bits |= 0o1000,
            _ => return None,
        }
    }
    Some(clauses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_chmod() {
        for (text, before, is_directory, want) in [
            ("755", 0o644, false, 0o755),
            ("4711", 0o644, false, 0o4711),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("u+s,+t", 0o755, false, 0o5755),
            ("u=rw+x", 0o000, false, 0o700),
        ] {
            assert_eq!(
                ModeChange::parse(text).unwrap().apply(before, is_directory),
                want,
                "{text}"
            );
        }
        for text in ["", "8", "77777", "u", "z+x", "u+q"] {
            assert!(!is_mode(text), "{text}");
        }
    }
}
