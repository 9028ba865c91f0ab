//! Seccomp filters: the profile of a configuration → a program for the kernel → in force.
//!
//! ```text
//!   spec::Seccomp ──▶ Policy ──▶ ranges of equal verdicts ──▶ instructions      load
//!      (text)        (checked)      (per architecture)       = Program ──▶ init ──▶ kernel
//! ```
//!
//! The program is made by the parent, which can say what is wrong with a profile, and travels to the
//! init as plain numbers, so that nothing is left to decide (or to allocate) where it is loaded.
//! The meaning of a profile is that of runc with libseccomp: unknown calls are passed over, rules
//! with the default action are dropped, calls newer than all that a denying profile names fail with
//! ENOSYS instead of what it says for unknown ones, so that programs fall back to older calls.

mod arch;
mod assemble;
mod calls;
mod policy;
#[cfg(test)]
mod tests;
mod verdicts;

use std::io;
use std::os::fd::OwnedFd;

use hako_sys::seccomp::{Instruction, NEW_LISTENER};
use hako_types::{Fault, Kind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use arch::Arch;
use policy::Policy;

use crate::spec::Seccomp;

/// The names of actions that a profile may use.
pub const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// The names of comparisons that a profile may use.
pub const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// The names of flags that a profile may use, and their bits for seccomp(2).
pub const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", 1 << 1),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1 << 2),
    ("SECCOMP_FILTER_FLAG_TSYNC", 1 << 0),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 << 5),
];

const SPEC_ALLOW: u32 = 1 << 2;
const TSYNC: u32 = 1;
const WAIT_KILLABLE: u32 = 1 << 5;

/// The most instructions the kernel takes (`BPF_MAXINSNS`).
const MOST: usize = 4096;

/// Why a profile cannot be turned into a filter.
#[derive(Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No action has this name.
    #[error("`{0}` is not a seccomp action")]
    Action(String),
    /// No comparison has this name.
    #[error("`{0}` is not a seccomp comparison")]
    Operator(String),
    /// No architecture has this name.
    #[error("`{0}` is not a seccomp architecture")]
    Architecture(String),
    /// No flag has this name.
    #[error("`{0}` is not a seccomp flag")]
    Flag(String),
    /// A call has only six arguments.
    #[error("system calls have no argument `{0}`")]
    Argument(u32),
    /// Everything would wait for a listener, the process that starts it included.
    #[error("`SCMP_ACT_NOTIFY` cannot be the default action")]
    NotifyAll,
    /// The init must be able to hand the listener over.
    #[error("`SCMP_ACT_NOTIFY` cannot be the action of `write`")]
    NotifyWrite,
    /// There is no one to be notified.
    #[error("`SCMP_ACT_NOTIFY` needs a `listenerPath`")]
    NoListener,
    /// The kernel does not take a program of this size.
    #[error("the seccomp profile needs `{0}` instructions, the kernel takes {MOST}")]
    TooLong(usize),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Action(_) => Some(format!("use one of {}", ACTIONS.join(", "))),
            Self::Operator(_) => Some(format!("use one of {}", OPERATORS.join(", "))),
            _ => None,
        }
    }
}

/// A filter, ready to be loaded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Program {
    /// Each a `struct sock_filter`: code in the lowest 16 bits, then the jumps, then the operand.
    instructions: Vec<u64>,
    /// For seccomp(2), NEW_LISTENER included.
    flags: u32,
}

impl Program {
    /// Compiles `profile` for the kernel that this program runs on.
    ///
    /// Takes some tens of microseconds and does no I/O.
    pub fn compile(profile: &Seccomp) -> Result<Self, Error> {
        Self::compile_for(Arch::native(), profile)
    }

    /// Compiles `profile` for a kernel of architecture `native`.
    pub fn compile_for(native: Arch, profile: &Seccomp) -> Result<Self, Error> {
        let policy = Policy::read(profile, native)?;
        if policy.notifies && profile.listener_path.is_none() {
            return Err(Error::NoListener);
        }
        let flags = flags(&profile.flags, policy.notifies)?;
        let instructions: Vec<u64> = assemble::assemble(&policy).into_iter().map(pack).collect();
        if instructions.len() > MOST {
            return Err(Error::TooLong(instructions.len()));
        }
        Ok(Self { instructions, flags })
    }

    /// Puts the filter in force for this thread and all that it starts; it cannot be taken back.
    ///
    /// Needs `no_new_privs` or CAP_SYS_ADMIN in the user namespace. Returns the listener when the
    /// profile has `SCMP_ACT_NOTIFY`. Source: seccomp(2).
    pub fn load(&self) -> io::Result<Option<OwnedFd>> {
        let filter: Vec<_> = self.instructions.iter().map(|packed| unpack(*packed)).collect();
        hako_sys::seccomp::install(&filter, self.flags)
    }

    /// Returns whether [`load`](Self::load) will return a listener.
    #[must_use]
    pub const fn has_listener(&self) -> bool {
        self.flags & NEW_LISTENER != 0
    }

    /// Returns the number of instructions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Returns whether there is no instruction at all, which no compiled program is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }
}

/// Returns the bits of `names`; speculative store bypass stays possible when there are none, as
/// runc has it: the mitigation costs much and guards only what the process has anyway.
fn flags(names: &[String], notifies: bool) -> Result<u32, Error> {
    let mut flags = if names.is_empty() { SPEC_ALLOW } else { 0 };
    for name in names {
        let (_, bit) = FLAGS
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| Error::Flag(name.clone()))?;
        flags |= bit;
    }
    // The init has one thread: a listener goes before synchronising what is not there. Waiting
    // killably is about listeners only.
    Ok(if notifies { (flags & !TSYNC) | NEW_LISTENER } else { flags & !WAIT_KILLABLE })
}

fn pack(one: Instruction) -> u64 {
    u64::from(one.code) | u64::from(one.jt) << 16 | u64::from(one.jf) << 24 | u64::from(one.k) << 32
}

#[expect(clippy::cast_possible_truncation, reason = "a number is cut into its fields")]
const fn unpack(packed: u64) -> Instruction {
    Instruction {
        code: packed as u16,
        jt: (packed >> 16) as u8,
        jf: (packed >> 24) as u8,
        k: (packed >> 32) as u32,
    }
}
