//! Ranges of verdicts → instructions of the classic packet filter machine.
//!
//! ```text
//!   load arch ─┬─ native ──▶ load number ─▶ binary search ─▶ return action
//!              ├─ another ─▶ …                          └──▶ compare arguments ─▶ return action
//!              └─ none of them ─▶ kill
//! ```
//!
//! Conditional jumps reach 255 instructions; further targets get an unconditional one.

use hako_sys::seccomp::Instruction;

use super::arch::{Arch, X32_BIT, X32_FIRST};
use super::policy::{Action, Compare, Condition, Policy};
use super::verdicts::{Range, Verdict, ranges, ranges_with_x32};

/// Load the word at `k` of `seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// Go on `k` instructions later.
pub(super) const JUMP: u16 = 0x05;
/// Is the word equal to `k`?
pub(super) const IS_EQUAL: u16 = 0x15;
/// Is the word greater than `k`?
pub(super) const IS_GREATER: u16 = 0x25;
/// Is the word `k` or greater?
pub(super) const IS_AT_LEAST: u16 = 0x35;
/// Keep the bits of `k`.
pub(super) const MASK: u16 = 0x54;
/// End with `k`.
pub(super) const RETURN: u16 = 0x06;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// Returns the program for `policy`.
pub(super) fn assemble(policy: &Policy) -> Vec<Instruction> {
    let mut sections: Vec<(u32, Vec<Instruction>)> = Vec::new();
    for (arch, newest) in &policy.arches {
        if *arch == Arch::X32 {
            continue;
        }
        let mut section = vec![load(OFFSET_NUMBER)];
        let parts = match policy.arches.iter().find(|(other, _)| *other == Arch::X32) {
            Some((_, newest_x32)) if *arch == Arch::X86_64 => {
                section.push(Instruction { code: MASK, jt: 0, jf: 0, k: !X32_BIT });
                ranges_with_x32(policy, *newest, *newest_x32)
            }
            _ if *arch == Arch::X86_64 => without_x32(ranges(policy, *arch, *newest), policy),
            _ => ranges(policy, *arch, *newest),
        };
        search(&parts, &mut section, &|start| {
            arch.is_narrow() || (*arch == Arch::X86_64 && start >= X32_FIRST)
        });
        sections.push((arch.audit(), section));
    }
    let mut program = vec![load(OFFSET_ARCH)];
    // Behind the test for architecture i: those of the others (two instructions each), the kill, the sections before.
    let mut distance = sections.len() * 2 - 1;
    for (audit, section) in &sections {
        program.push(Instruction { code: IS_EQUAL, jt: 0, jf: 1, k: *audit });
        program.push(Instruction { code: JUMP, jt: 0, jf: 0, k: reach(distance) });
        distance = distance + section.len() - 2;
    }
    program.push(done(Action::KILL_THREAD));
    program.extend(sections.into_iter().flat_map(|(_, section)| section));
    program
}

/// Kills what has the x32 bit; number -1, which a tracer sets to skip a call, has it only by chance.
fn without_x32(mut parts: Vec<Range>, policy: &Policy) -> Vec<Range> {
    let beyond = if policy.default.is_permissive() { policy.default } else { Action::ENOSYS };
    parts.push(Range { start: X32_BIT, verdict: Verdict::Fixed(Action::KILL_THREAD) });
    parts.push(Range { start: u32::MAX, verdict: Verdict::Fixed(beyond) });
    parts
}

/// Emits the search for the loaded number among `parts`, with the verdicts as leaves.
fn search(parts: &[Range], out: &mut Vec<Instruction>, is_narrow: &dyn Fn(u32) -> bool) {
    let middle = parts.len() / 2;
    if let [only] = parts {
        return leaf(&only.verdict, is_narrow(only.start), out);
    }
    let at = out.len();
    out.push(Instruction { code: IS_AT_LEAST, jt: 0, jf: 0, k: parts[middle].start });
    search(&parts[..middle], out, is_narrow);
    let below = out.len() - at - 1;
    if let Ok(jt) = u8::try_from(below) {
        out[at].jt = jt;
    } else {
        out[at].jf = 1;
        out.insert(at + 1, Instruction { code: JUMP, jt: 0, jf: 0, k: reach(below) });
    }
    search(&parts[middle..], out, is_narrow);
}

fn leaf(verdict: &Verdict, is_narrow: bool, out: &mut Vec<Instruction>) {
    match verdict {
        Verdict::Fixed(action) => out.push(done(*action)),
        Verdict::Depends(choices, otherwise) => {
            for (conditions, action) in choices {
                alternative(conditions, *action, is_narrow, out);
            }
            out.push(done(*otherwise));
        }
    }
}

/// Where a test leads.
#[derive(Clone, Copy, PartialEq)]
enum To {
    /// To the next instruction.
    On,
    /// To the next condition: this one holds.
    Holds,
    /// Past this alternative: it does not match.
    Fails,
}

/// Emits tests that fall through behind the return of `action` unless all `conditions` hold.
fn alternative(
    conditions: &[Condition],
    action: Action,
    is_narrow: bool,
    out: &mut Vec<Instruction>,
) {
    let tests: Vec<Vec<(u16, u32, To, To)>> =
        conditions.iter().map(|condition| tests(*condition, is_narrow)).collect();
    let total: usize = tests.iter().map(Vec::len).sum();
    let mut emitted = 0;
    for condition in &tests {
        let end = emitted + condition.len();
        for (code, k, yes, no) in condition {
            emitted += 1;
            // At most six conditions of six instructions: always within reach of a conditional jump.
            let offset = |to: To| match to {
                To::On => 0,
                To::Holds => short(end - emitted),
                To::Fails => short(total - emitted + 1),
            };
            out.push(Instruction { code: *code, jt: offset(*yes), jf: offset(*no), k: *k });
        }
    }
    out.push(done(action));
}

/// Returns the loads and tests of a condition: code, operand, where to when true and when false.
fn tests(condition: Condition, is_narrow: bool) -> Vec<(u16, u32, To, To)> {
    let (high, low) = words(condition.value);
    let [high_at, low_at] = argument(condition.index);
    let load = |at| (LOAD, at, To::On, To::On);
    let (mut tests, wide) = (Vec::with_capacity(6), !is_narrow);
    match condition.compare {
        Compare::Equal => {
            if wide {
                tests.extend([load(high_at), (IS_EQUAL, high, To::On, To::Fails)]);
            }
            tests.extend([load(low_at), (IS_EQUAL, low, To::Holds, To::Fails)]);
        }
        Compare::NotEqual => {
            if wide {
                tests.extend([load(high_at), (IS_EQUAL, high, To::On, To::Holds)]);
            }
            tests.extend([load(low_at), (IS_EQUAL, low, To::Fails, To::Holds)]);
        }
        Compare::Masked(mask) => {
            let (high_mask, low_mask) = words(mask);
            if wide && high_mask != 0 {
                tests.extend([
                    load(high_at),
                    (MASK, high_mask, To::On, To::On),
                    (IS_EQUAL, high, To::On, To::Fails),
                ]);
            }
            tests.extend([
                load(low_at),
                (MASK, low_mask, To::On, To::On),
                (IS_EQUAL, low, To::Holds, To::Fails),
            ]);
        }
        Compare::Greater | Compare::LessOrEqual | Compare::GreaterOrEqual | Compare::Less => {
            let is_upward = matches!(condition.compare, Compare::Greater | Compare::GreaterOrEqual);
            let (yes, no) = if is_upward { (To::Holds, To::Fails) } else { (To::Fails, To::Holds) };
            let code = if matches!(condition.compare, Compare::Greater | Compare::LessOrEqual) {
                IS_GREATER
            } else {
                IS_AT_LEAST
            };
            if wide {
                tests.extend([
                    load(high_at),
                    (IS_GREATER, high, yes, To::On),
                    (IS_EQUAL, high, To::On, no),
                ]);
            }
            tests.extend([load(low_at), (code, low, yes, no)]);
        }
    }
    tests
}

/// Returns the offsets of an argument's high and low word.
const fn argument(index: u32) -> [u32; 2] {
    let first = OFFSET_ARGUMENTS + index * 8;
    if cfg!(target_endian = "big") { [first, first + 4] } else { [first + 4, first] }
}

#[expect(clippy::cast_possible_truncation, reason = "a number is cut into its two words")]
const fn words(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

const fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k: offset }
}

const fn done(action: Action) -> Instruction {
    Instruction { code: RETURN, jt: 0, jf: 0, k: action.0 }
}

fn short(distance: usize) -> u8 {
    u8::try_from(distance).unwrap_or(u8::MAX)
}

fn reach(distance: usize) -> u32 {
    u32::try_from(distance).unwrap_or(u32::MAX)
}
