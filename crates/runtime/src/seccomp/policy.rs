//! A filter's rules, checked and in numbers: what the specification's text means.

use super::Error;
use super::arch::Arch;
use super::calls::{self, Row};
use crate::spec::{Seccomp, SeccompArg, SeccompSyscall};

/// What the kernel does with a call: a value for `SECCOMP_RET_…`, data included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Action(pub(super) u32);

impl Action {
    pub(super) const KILL_PROCESS: Self = Self(0x8000_0000);
    pub(super) const KILL_THREAD: Self = Self(0x0000_0000);
    pub(super) const TRAP: Self = Self(0x0003_0000);
    pub(super) const ERRNO: Self = Self(0x0005_0000);
    pub(super) const NOTIFY: Self = Self(0x7fc0_0000);
    pub(super) const TRACE: Self = Self(0x7ff0_0000);
    pub(super) const LOG: Self = Self(0x7ffc_0000);
    pub(super) const ALLOW: Self = Self(0x7fff_0000);
    /// What a call gets that is newer than the profile: programs fall back to an older one.
    pub(super) const ENOSYS: Self = Self(0x0005_0000 | 38);

    const EPERM: u32 = 1;

    /// Returns the action called `name`, with error number or trace message `data`.
    fn named(name: &str, data: Option<u32>) -> Result<Self, Error> {
        let with_data = |action: Self| Self(action.0 | (data.unwrap_or(Self::EPERM) & 0xffff));
        Ok(match name {
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::KILL_THREAD,
            "SCMP_ACT_KILL_PROCESS" => Self::KILL_PROCESS,
            "SCMP_ACT_TRAP" => Self::TRAP,
            "SCMP_ACT_ERRNO" => with_data(Self::ERRNO),
            "SCMP_ACT_TRACE" => with_data(Self::TRACE),
            "SCMP_ACT_ALLOW" => Self::ALLOW,
            "SCMP_ACT_LOG" => Self::LOG,
            "SCMP_ACT_NOTIFY" => Self::NOTIFY,
            _ => return Err(Error::Action(name.to_owned())),
        })
    }

    /// Returns whether calls get through, or to someone who can answer for calls unknown today.
    pub(super) const fn is_permissive(self) -> bool {
        matches!(self.0 & 0xffff_0000, 0x7fff_0000 | 0x7ffc_0000 | 0x7ff0_0000)
    }
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
    /// After the mask was applied to both sides.
    Masked(u64),
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Condition {
    /// Which argument, 0 to 5.
    pub(super) index: u32,
    pub(super) compare: Compare,
    pub(super) value: u64,
}

impl Condition {
    fn read(arg: &SeccompArg) -> Result<Self, Error> {
        if arg.index > 5 {
            return Err(Error::Argument(arg.index));
        }
        let (compare, value) = match arg.op.as_str() {
            "SCMP_CMP_EQ" => (Compare::Equal, arg.value),
            "SCMP_CMP_NE" => (Compare::NotEqual, arg.value),
            "SCMP_CMP_LT" => (Compare::Less, arg.value),
            "SCMP_CMP_LE" => (Compare::LessOrEqual, arg.value),
            "SCMP_CMP_GE" => (Compare::GreaterOrEqual, arg.value),
            "SCMP_CMP_GT" => (Compare::Greater, arg.value),
            "SCMP_CMP_MASKED_EQ" => (Compare::Masked(arg.value), arg.value_two & arg.value),
            _ => return Err(Error::Operator(arg.op.clone())),
        };
        Ok(Self { index: arg.index, compare, value })
    }
}

/// Calls that get an action; when all conditions of one alternative hold, if there are any.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) calls: Vec<&'static Row>,
    pub(super) action: Action,
    /// Empty when the rule holds for all arguments.
    pub(super) alternatives: Vec<Vec<Condition>>,
}

/// A checked filter.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) default: Action,
    pub(super) rules: Vec<Rule>,
    /// The native architecture, and those of the profile that can occur beside it; each with the
    /// largest number of a call there that the profile names (private ones of 32-bit Arm aside).
    pub(super) arches: Vec<(Arch, Option<u32>)>,
    /// Whether some call is to be decided by a listener.
    pub(super) notifies: bool,
}

impl Policy {
    /// Reads `profile` for a kernel of architecture `native`.
    ///
    /// A rule with the default action is dropped, and a call that no kernel knows is passed over,
    /// as runc does.
    pub(super) fn read(profile: &Seccomp, native: Arch) -> Result<Self, Error> {
        let default = Action::named(&profile.default_action, profile.default_errno_ret)?;
        if default == Action::NOTIFY {
            return Err(Error::NotifyAll);
        }
        let mut arches = vec![(native, None)];
        for name in &profile.architectures {
            let arch = Arch::named(name).ok_or_else(|| Error::Architecture(name.clone()))?;
            if let Some(arch) = arch
                && arch.runs_on(native)
                && !arches.iter().any(|(known, _)| *known == arch)
            {
                arches.push((arch, None));
            }
        }
        let mut policy = Self {
            default,
            rules: Vec::with_capacity(profile.syscalls.len()),
            arches,
            notifies: false,
        };
        for syscall in &profile.syscalls {
            policy.add(syscall)?;
        }
        Ok(policy)
    }

    fn add(&mut self, syscall: &SeccompSyscall) -> Result<(), Error> {
        let action = Action::named(&syscall.action, syscall.errno_ret)?;
        let conditions = syscall.args.iter().map(Condition::read).collect::<Result<Vec<_>, _>>()?;
        if action == Action::NOTIFY {
            if syscall.names.iter().any(|name| name == "write") {
                return Err(Error::NotifyWrite);
            }
            self.notifies = true;
        }
        let calls: Vec<_> = syscall.names.iter().filter_map(|name| calls::row(name)).collect();
        for (arch, newest) in &mut self.arches {
            let numbers = calls.iter().filter_map(|row| calls::number(row, arch.column()));
            *newest = numbers.filter(|number| *number < calls::ARM_PRIVATE).chain(*newest).max();
        }
        if action != self.default {
            self.rules.push(Rule { calls, action, alternatives: alternatives(conditions) });
        }
        Ok(())
    }
}

/// Returns the sets of conditions of which one must hold.
///
/// All conditions of a rule must hold together, unless two concern the same argument: then each of
/// them is enough. libseccomp cannot express the former, so profiles are written for the latter.
fn alternatives(conditions: Vec<Condition>) -> Vec<Vec<Condition>> {
    let twice = conditions
        .iter()
        .enumerate()
        .any(|(at, one)| conditions[..at].iter().any(|other| other.index == one.index));
    match conditions {
        none if none.is_empty() => Vec::new(),
        each if twice => each.into_iter().map(|condition| vec![condition]).collect(),
        together => vec![together],
    }
}
