//! Rules for access to devices: lines for the v1 controller, a program for v2.
//!
//! A rule says for which devices (kind, major, minor; each may be any) which accesses are allowed or
//! denied; of several that speak of an access, the last counts; what none speaks of is denied.

use std::io;
use std::os::fd::BorrowedFd;

use hako_sys::bpf;

use super::Error;
use crate::spec::DeviceCgroup;

/// What a rule is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    All,
    Block,
    Char,
}

/// A rule, understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    allow: bool,
    kind: Kind,
    major: Option<u32>,
    minor: Option<u32>,
    /// Bits of [`MKNOD`], [`READ`] and [`WRITE`].
    access: i32,
}

/// `BPF_DEVCG_ACC_MKNOD`.
const MKNOD: i32 = 1;
/// `BPF_DEVCG_ACC_READ`.
const READ: i32 = 2;
/// `BPF_DEVCG_ACC_WRITE`.
const WRITE: i32 = 4;
const EVERYTHING: i32 = MKNOD | READ | WRITE;

/// Understands the rules of a specification.
pub(super) fn rules(rules: &[DeviceCgroup]) -> Result<Vec<Rule>, Error> {
    rules.iter().map(rule).collect()
}

fn rule(rule: &DeviceCgroup) -> Result<Rule, Error> {
    let kind = match rule.kind.as_deref() {
        None | Some("a" | "") => Kind::All,
        Some("b") => Kind::Block,
        Some("c" | "u") => Kind::Char,
        Some(other) => {
            return Err(Error::invalid("kind of a device rule", other, "it is one of a, b and c"));
        }
    };
    let number = |what, number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Error::invalid(what, number, "it is a number, or -1 for any")),
    };
    let letters = match rule.access.as_deref() {
        None | Some("") => "rwm",
        Some(letters) => letters,
    };
    let mut access = 0;
    for letter in letters.chars() {
        access |= match letter {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            // Some write it for "all", which is no access of its own.
            'a' => 0,
            _ => {
                return Err(Error::invalid(
                    "access of a device rule",
                    letters,
                    "it is made of r, w and m",
                ));
            }
        };
    }
    let (major, minor) = (
        number("major number of a device rule", rule.major)?,
        number("minor number of a device rule", rule.minor)?,
    );
    Ok(Rule { allow: rule.allow, kind, major, minor, access })
}

impl Rule {
    /// Returns whether the rule is about every access to every device.
    fn is_total(self) -> bool {
        self.kind == Kind::All
            && self.major.is_none()
            && self.minor.is_none()
            && self.access == EVERYTHING
    }

    /// Returns the file and the line that say the same to the v1 controller.
    ///
    /// There, a line about all devices always means all accesses.
    pub(super) fn v1_line(self) -> (&'static str, String) {
        let file = if self.allow { "devices.allow" } else { "devices.deny" };
        let number = |number: Option<u32>| {
            number.map_or_else(|| "*".to_owned(), |number| number.to_string())
        };
        let kind = match self.kind {
            Kind::All => return (file, "a".to_owned()),
            Kind::Block => 'b',
            Kind::Char => 'c',
        };
        let letters: String = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
            .iter()
            .filter(|(bit, _)| self.access & bit != 0)
            .map(|(_, letter)| letter)
            .collect();
        (file, format!("{kind} {}:{} {letters}", number(self.major), number(self.minor)))
    }
}

/// An eBPF instruction, packed as the kernel has it (`struct bpf_insn`).
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> u64 {
    let [code, registers] = [code as u64, registers as u64];
    code | registers << 8
        | (offset.cast_unsigned() as u64) << 16
        | (immediate.cast_unsigned() as u64) << 32
}

// Registers: the verdict, the context, then what is asked: kind, accesses left to judge, numbers.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const fn load(into: u8, offset: i16) -> u64 {
    instruction(0x61, into | CONTEXT << 4, offset, 0)
}

const fn set(into: u8, immediate: i32) -> u64 {
    instruction(0xb7, into, 0, immediate)
}

const fn copy(into: u8, from: u8) -> u64 {
    instruction(0xbf, into | from << 4, 0, 0)
}

const fn mask(into: u8, immediate: i32) -> u64 {
    instruction(0x57, into, 0, immediate)
}

const fn shift_right(into: u8, immediate: i32) -> u64 {
    instruction(0x77, into, 0, immediate)
}

const fn skip_if_equal(register: u8, immediate: i32, skip: i16) -> u64 {
    instruction(0x15, register, skip, immediate)
}

const fn skip_if_not_equal(register: u8, immediate: i32, skip: i16) -> u64 {
    instruction(0x55, register, skip, immediate)
}

const fn exit() -> u64 {
    instruction(0x95, 0, 0, 0)
}

/// Returns the program that judges by `rules`.
///
/// It goes through them from the last to the first and takes away the accesses that one allows until
/// none is left, or one that is left is denied. Rules before one about everything are left out: the
/// kernel refuses programs with parts that are never reached.
pub(super) fn program(rules: &[Rule]) -> Vec<u64> {
    const BLOCK: i32 = 1;
    const CHAR: i32 = 2;
    let mut all = vec![
        load(KIND, 0),
        copy(ACCESS, KIND),
        mask(KIND, 0xffff),
        shift_right(ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in rules.iter().rev() {
        if rule.is_total() {
            all.extend([set(VERDICT, i32::from(rule.allow)), exit()]);
            return all;
        }
        let judged = if rule.allow {
            vec![
                mask(ACCESS, !rule.access),
                skip_if_not_equal(ACCESS, 0, 2),
                set(VERDICT, 1),
                exit(),
            ]
        } else {
            vec![
                copy(VERDICT, ACCESS),
                mask(VERDICT, rule.access),
                skip_if_equal(VERDICT, 0, 2),
                set(VERDICT, 0),
                exit(),
            ]
        };
        let kind = match rule.kind {
            Kind::All => None,
            Kind::Block => Some(BLOCK),
            Kind::Char => Some(CHAR),
        };
        let number = |number: Option<u32>| number.map(u32::cast_signed);
        let tests = [(KIND, kind), (MAJOR, number(rule.major)), (MINOR, number(rule.minor))];
        let tests: Vec<_> =
            tests.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();
        for (at, (register, value)) in tests.iter().enumerate() {
            let skip = i16::try_from(tests.len() - at - 1 + judged.len()).unwrap_or(i16::MAX);
            all.push(skip_if_not_equal(*register, *value, skip));
        }
        all.extend(judged);
    }
    all.extend([set(VERDICT, 0), exit()]);
    all
}

/// Puts `rules` in force for a v2 cgroup, in place of those before.
///
/// At no moment is there no program: a new one takes the old one's place in one call, or, if there are
/// several, goes first. All programs of a cgroup and of its parents have to agree to an access.
pub(super) fn attach(cgroup: BorrowedFd<'_>, rules: &[Rule]) -> io::Result<()> {
    let new = bpf::load_device_program(&program(rules))?;
    let mut old = Vec::new();
    for id in bpf::attached_device_programs(cgroup)? {
        old.push(bpf::program_by_id(id)?);
    }
    if let [only] = old.as_slice() {
        return bpf::attach_device_program(cgroup, &new, Some(only));
    }
    bpf::attach_device_program(cgroup, &new, None)?;
    old.iter().try_for_each(|program| bpf::detach_device_program(cgroup, program))
}

#[cfg(test)]
mod tests {
    use super::{ACCESS, EVERYTHING, MKNOD, READ, Rule, WRITE, program, rules};
    use crate::defaults::device_rules;
    use crate::spec::DeviceCgroup;

    /// Runs a program as the kernel would.
    fn run(program: &[u64], kind: u64, access: u64, major: u64, minor: u64) -> u64 {
        let (mut registers, mut at) = ([0_u64; 6], 0_usize);
        loop {
            let one = program[at].to_le_bytes();
            let (into, from) = (usize::from(one[1] & 15), usize::from(one[1] >> 4));
            let skip = usize::from(u16::from_le_bytes([one[2], one[3]]));
            let immediate =
                i64::from(i32::from_le_bytes([one[4], one[5], one[6], one[7]])).cast_unsigned();
            at += 1;
            match one[0] {
                0x61 => registers[into] = [kind | access << 16, major, minor][skip / 4],
                0xb7 => registers[into] = immediate,
                0xbf => registers[into] = registers[from],
                0x57 => registers[into] &= immediate,
                0x77 => registers[into] >>= immediate,
                0x15 if registers[into] == immediate => at += skip,
                0x55 if registers[into] != immediate => at += skip,
                0x15 | 0x55 => {}
                0x95 => return registers[0],
                code => panic!("{code:#x}"),
            }
        }
    }

    /// Says what rules mean, bit by bit.
    fn judge(rules: &[Rule], kind: u64, access: u64, major: u32, minor: u32) -> u64 {
        let kind = if kind == 1 { super::Kind::Block } else { super::Kind::Char };
        let bits =
            [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit.cast_unsigned() as u64 != 0);
        let is_allowed = |bit: i32| {
            let speaks = |rule: &&Rule| {
                (rule.kind == super::Kind::All || rule.kind == kind)
                    && rule.major.is_none_or(|number| number == major)
                    && rule.minor.is_none_or(|number| number == minor)
                    && rule.access & bit != 0
            };
            rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
        };
        u64::from(bits.into_iter().all(is_allowed))
    }

    fn check(given: &[DeviceCgroup]) {
        let rules = rules(given).unwrap();
        let program = program(&rules);
        for kind in [1, 2] {
            for access in 1..8 {
                for (major, minor) in
                    [(1, 3), (1, 5), (1, 11), (5, 0), (8, 0), (8, 1), (10, 229), (136, 7), (254, 0)]
                {
                    let got = run(&program, kind, access, major, minor);
                    let want = judge(
                        &rules,
                        kind,
                        access,
                        u32::try_from(major).unwrap(),
                        u32::try_from(minor).unwrap(),
                    );
                    assert_eq!(got, want, "{kind} {access} {major}:{minor}");
                }
            }
        }
    }

    #[test]
    fn programs_do_what_rules_mean() {
        check(&[]);
        check(&device_rules());
        let json = r#"[{"allow": true}, {"allow": false, "type": "c", "major": 1, "access": "w"},
            {"allow": false, "type": "b", "major": 8}, {"allow": true, "type": "b", "major": 8, "minor": 1, "access": "r"},
            {"allow": true, "type": "b", "major": 8, "minor": 1, "access": "w"}, {"allow": false, "type": "a", "access": "m"}]"#;
        check(&serde_json::from_str::<Vec<DeviceCgroup>>(json).unwrap());
    }

    #[test]
    fn the_default_rules_are_the_usual_lines() {
        let lines: Vec<_> =
            rules(&device_rules()).unwrap().into_iter().map(Rule::v1_line).collect();
        assert_eq!(lines[0], ("devices.deny", "a".to_owned()));
        assert_eq!(lines[1], ("devices.allow", "c *:* m".to_owned()));
        assert_eq!(lines[3], ("devices.allow", "c 1:3 rwm".to_owned()));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for json in [r#"{"type": "x"}"#, r#"{"access": "rx"}"#, r#"{"major": -2}"#] {
            assert!(rules(&[serde_json::from_str(json).unwrap()]).is_err(), "{json}");
        }
        assert_eq!((EVERYTHING, ACCESS), (7, 3));
    }
}
