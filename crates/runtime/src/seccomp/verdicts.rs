//! What a policy says about every number of one architecture, as ranges.
//!
//! Neighbouring calls mostly share their fate, so ranges of equal verdicts are far fewer than calls:
//! about a hundred for the default profile with its four hundred names.

use super::arch::{Arch, X32_FIRST};
use super::calls;
use super::policy::{Action, Compare, Condition, Policy, Rule};

/// What happens to a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// The same for all arguments.
    Fixed(Action),
    /// The action of the first set of conditions that hold, else the last one.
    Depends(Vec<(Vec<Condition>, Action)>, Action),
}

/// A verdict for the numbers from `start` to the next range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) verdict: Verdict,
}

/// Returns the ranges of `arch`, the first of which starts at 0; `newest` is the last call that
/// the profile knows.
///
/// A rule without conditions beats all with; of two without, the first counts; of those with,
/// the first that matches.
pub(super) fn ranges(policy: &Policy, arch: Arch, newest: Option<u32>) -> Vec<Range> {
    let mut low = vec![Slot::default(); newest.map_or(0, |newest| newest as usize + 1)];
    let mut private = vec![Slot::default(); if arch == Arch::Arm { 8 } else { 0 }];
    for (at, rule) in policy.rules.iter().enumerate() {
        for row in &rule.calls {
            if let Some(number) = calls::number(row, arch.column()) {
                let slot = match number.checked_sub(calls::ARM_PRIVATE) {
                    Some(offset) => private.get_mut(offset as usize),
                    None => low.get_mut(number as usize),
                };
                if let Some(slot) = slot {
                    slot.add(at, rule);
                }
            }
            if arch.has_multiplexers() && rule.alternatives.is_empty() {
                multiplex(row.0, arch, rule.action, &mut low);
            }
        }
    }
    let mut ranges = Vec::new();
    push(&mut ranges, 0, Verdict::Fixed(policy.default));
    extend(&mut ranges, 0, low, policy);
    let beyond = if policy.default.is_permissive() || newest.is_none() {
        policy.default
    } else {
        Action::ENOSYS
    };
    push(&mut ranges, newest.map_or(0, |newest| newest + 1), Verdict::Fixed(beyond));
    if !private.is_empty() {
        extend(&mut ranges, calls::ARM_PRIVATE, private, policy);
        push(&mut ranges, calls::ARM_PRIVATE + 8, Verdict::Fixed(beyond));
    }
    ranges
}

/// Returns the ranges of x86-64 and x32 together, for numbers without the x32 bit.
///
/// Both share the numbers below 512, and since Linux 5.4 the kernel has tables of their own for them:
/// what only one of them has does not exist for the other. So a number is judged the same with and
/// without the bit, and the program is a third shorter than with a table for each.
pub(super) fn ranges_with_x32(
    policy: &Policy,
    newest: Option<u32>,
    newest_x32: Option<u32>,
) -> Vec<Range> {
    let mut all = ranges(policy, Arch::X86_64, newest);
    let mut own = ranges(policy, Arch::X32, newest_x32);
    let first = own.partition_point(|range| range.start <= X32_FIRST);
    for mut range in own.drain(first - 1..) {
        range.start = range.start.max(X32_FIRST);
        push(&mut all, range.start, range.verdict);
    }
    all
}

/// What the rules say about one call, while they are gone through.
#[derive(Clone, Default)]
struct Slot {
    fixed: Option<Action>,
    /// Rules with conditions.
    rules: Vec<usize>,
    /// Conditions that come from a call behind a multiplexer.
    extra: Vec<(Vec<Condition>, Action)>,
}

impl Slot {
    fn add(&mut self, at: usize, rule: &Rule) {
        if rule.alternatives.is_empty() {
            self.fixed.get_or_insert(rule.action);
        } else {
            self.rules.push(at);
        }
    }

    fn verdict(self, policy: &Policy) -> Verdict {
        if let Some(action) = self.fixed {
            return Verdict::Fixed(action);
        }
        let mut choices = Vec::new();
        for at in self.rules {
            let rule = &policy.rules[at];
            choices.extend(rule.alternatives.iter().map(|set| (set.clone(), rule.action)));
        }
        choices.extend(self.extra);
        if choices.is_empty() {
            Verdict::Fixed(policy.default)
        } else {
            Verdict::Depends(choices, policy.default)
        }
    }
}

fn extend(ranges: &mut Vec<Range>, first: u32, slots: Vec<Slot>, policy: &Policy) {
    for (number, slot) in (first..).zip(slots) {
        push(ranges, number, slot.verdict(policy));
    }
}

fn push(ranges: &mut Vec<Range>, start: u32, verdict: Verdict) {
    match ranges.last_mut() {
        Some(last) if last.verdict == verdict => {}
        Some(last) if last.start == start => last.verdict = verdict,
        _ => ranges.push(Range { start, verdict }),
    }
}

/// Calls that 32-bit x86 and IBM Z can also make through `socketcall`, by its first argument less 1.
const SOCKET_CALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// Calls that they can also make through `ipc`, by the low half of its first argument.
const IPC_CALLS: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// Gives the call `name` the same action when it comes through a multiplexer.
///
/// Only for rules without conditions: behind `socketcall` arguments are in memory, where no filter
/// can see them.
fn multiplex(name: &str, arch: Arch, action: Action, slots: &mut [Slot]) {
    let (through, compare, value) =
        if let Some(at) = SOCKET_CALLS.iter().position(|call| *call == name) {
            ("socketcall", Compare::Equal, at as u64 + 1)
        } else if let Some((_, value)) = IPC_CALLS.iter().find(|(call, _)| *call == name) {
            ("ipc", Compare::Masked(0xffff), *value)
        } else {
            return;
        };
    let number = calls::row(through).and_then(|row| calls::number(row, arch.column()));
    if let Some(slot) = number.and_then(|number| slots.get_mut(number as usize)) {
        slot.extra.push((vec![Condition { index: 0, compare, value }], action));
    }
}
