use super::arch::Arch;
use super::policy::{Compare, Condition, Policy};
use super::{Error, Program, assemble};
use crate::defaults::default_seccomp;
use crate::spec::{Seccomp, SeccompArg, SeccompSyscall};

/// What a filter is asked about.
#[derive(Clone, Copy, Debug)]
struct Call {
    arch: u32,
    number: u32,
    args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            _ => {
                let (arg, at) =
                    (self.args[(offset as usize - 16) / 8].to_ne_bytes(), offset as usize % 8);
                u32::from_ne_bytes([arg[at], arg[at + 1], arg[at + 2], arg[at + 3]])
            }
        }
    }
}

/// Runs a program as the kernel would.
fn run(program: &Program, call: &Call) -> u32 {
    let (mut at, mut word) = (0, 0_u32);
    loop {
        let one = super::unpack(program.instructions[at]);
        let branch = |is: bool| usize::from(if is { one.jt } else { one.jf });
        at += 1;
        match one.code {
            assemble::LOAD => word = call.word(one.k),
            assemble::JUMP => at += one.k as usize,
            assemble::IS_EQUAL => at += branch(word == one.k),
            assemble::IS_GREATER => at += branch(word > one.k),
            assemble::IS_AT_LEAST => at += branch(word >= one.k),
            assemble::MASK => word &= one.k,
            assemble::RETURN => return one.k,
            code => panic!("code {code:#x}"),
        }
    }
}

/// Says what a policy means, without any program.
fn judge(policy: &Policy, arch: Arch, number: u32, args: &[u64; 6]) -> u32 {
    let named: Vec<_> = policy
        .rules
        .iter()
        .filter(|rule| {
            rule.calls.iter().any(|row| super::calls::number(row, arch.column()) == Some(number))
        })
        .collect();
    if let Some(fixed) = named.iter().find(|rule| rule.alternatives.is_empty()) {
        return fixed.action.0;
    }
    let holds = |condition: &Condition| {
        let keep = if arch.is_narrow() { u64::from(u32::MAX) } else { u64::MAX };
        let (arg, value) = (args[condition.index as usize] & keep, condition.value & keep);
        match condition.compare {
            Compare::Equal => arg == value,
            Compare::NotEqual => arg != value,
            Compare::Less => arg < value,
            Compare::LessOrEqual => arg <= value,
            Compare::GreaterOrEqual => arg >= value,
            Compare::Greater => arg > value,
            Compare::Masked(mask) => arg & mask & keep == value,
        }
    };
    let chosen =
        named.iter().find(|rule| rule.alternatives.iter().any(|set| set.iter().all(holds)));
    let newest = policy.arches.iter().find(|(known, _)| *known == arch).unwrap().1;
    let is_private = (0x000f_0000..0x000f_0008).contains(&number);
    match (chosen, newest) {
        (Some(rule), _) => rule.action.0,
        (None, Some(newest))
            if number > newest
                && !(arch == Arch::Arm && is_private)
                && !policy.default.is_permissive() =>
        {
            0x0005_0026
        }
        _ => policy.default.0,
    }
}

fn interesting() -> Vec<u64> {
    let mut values = vec![0, u64::MAX, 1 << 32, 1 << 63, 0x1_0000_0028, 0x7e02_0000, 0xffff_ffff];
    for near in [8_u64, 10, 38, 40, 0x20000, 0x20008, 1 << 32] {
        values.extend([near - 1, near, near + 1]);
    }
    values
}

/// Compares program and meaning for every number and many arguments.
fn check(native: Arch, profile: &Seccomp) {
    let program = Program::compile_for(native, profile).unwrap();
    let policy = Policy::read(profile, native).unwrap();
    let audits: Vec<_> = policy.arches.iter().map(|(arch, _)| arch.audit()).collect();
    for (arch, _) in &policy.arches {
        let bit = if *arch == Arch::X32 { super::arch::X32_BIT } else { 0 };
        for number in (0..560).chain(0x000f_0000..0x000f_0010) {
            let depends = policy.rules.iter().any(|rule| {
                !rule.alternatives.is_empty()
                    && rule
                        .calls
                        .iter()
                        .any(|row| row.1.contains(&u16::try_from(number).unwrap_or(0)))
            });
            let most = if depends { usize::MAX } else { 1 };
            for (at, value) in interesting().into_iter().enumerate().take(most) {
                let args =
                    std::array::from_fn(
                        |index| if index == at % 3 { value } else { value.rotate_left(7) },
                    );
                for args in [[value; 6], args] {
                    let call = Call { arch: arch.audit(), number: number | bit, args };
                    // x86-64 and x32 share a table when a profile has both.
                    let is_shared =
                        audits.iter().filter(|audit| **audit == arch.audit()).count() == 2;
                    let judged = match number >= super::arch::X32_FIRST {
                        _ if !is_shared => *arch,
                        true => Arch::X32,
                        false => Arch::X86_64,
                    };
                    let (got, want) = (run(&program, &call), judge(&policy, judged, number, &args));
                    assert_eq!(got, want, "{arch:?} {number} {args:x?}");
                }
            }
        }
    }
    let foreign = Call { arch: 0x1234, number: 1, args: [0; 6] };
    assert_eq!(run(&program, &foreign), 0);
}

fn arg(index: u32, op: &str, value: u64, value_two: u64) -> SeccompArg {
    SeccompArg { index, value, value_two, op: format!("SCMP_CMP_{op}") }
}

fn rule(name: &str, action: &str, errno_ret: Option<u32>, args: Vec<SeccompArg>) -> SeccompSyscall {
    SeccompSyscall {
        names: vec![name.into()],
        action: format!("SCMP_ACT_{action}"),
        errno_ret,
        args,
    }
}

fn profile(action: &str, syscalls: Vec<SeccompSyscall>) -> Seccomp {
    let architectures = ["X86_64", "X86", "X32"].map(|arch| format!("SCMP_ARCH_{arch}")).into();
    Seccomp {
        default_action: format!("SCMP_ACT_{action}"),
        architectures,
        syscalls,
        ..Seccomp::default()
    }
}

#[test]
fn the_default_profile_means_what_its_program_does() {
    for native in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::Ppc64le, Arch::Loongarch64] {
        for caps in [&["CAP_CHOWN"][..], &["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"]] {
            check(native, &default_seccomp(caps, native));
        }
    }
}

#[test]
fn every_comparison_and_action_does_what_it_says() {
    let comparisons = ["EQ", "NE", "LT", "LE", "GE", "GT"];
    let names = ["read", "kill", "ioctl", "prctl", "open", "close"];
    for value in [0, 10, 40, 1 << 32, (1 << 32) + 1, u64::MAX] {
        let mut rules: Vec<_> = comparisons
            .iter()
            .zip(names)
            .map(|(op, name)| rule(name, "ERRNO", Some(7), vec![arg(1, op, value, 0)]))
            .collect();
        rules.push(rule("write", "TRAP", None, vec![arg(0, "MASKED_EQ", 0xf0_0000_00f0, value)]));
        rules.push(rule(
            "futex",
            "LOG",
            None,
            vec![arg(0, "GT", 5, 0), arg(1, "LE", value, 0), arg(2, "NE", value, 0)],
        ));
        rules.push(rule(
            "mmap",
            "KILL_PROCESS",
            None,
            vec![arg(1, "EQ", 8, 0), arg(1, "EQ", value, 0)],
        ));
        rules.push(rule("clone", "TRACE", Some(9), vec![arg(0, "EQ", value, 0)]));
        rules.push(rule("clone", "KILL", None, vec![arg(0, "GE", value, 0)]));
        check(Arch::X86_64, &profile("ALLOW", rules.clone()));
        check(Arch::X86_64, &profile("ERRNO", rules));
    }
}

#[test]
fn long_jumps_reach_past_large_blocks() {
    let many = (0..200).map(|value| rule("ioctl", "ALLOW", None, vec![arg(1, "EQ", value, 0)]));
    let profile = profile(
        "ERRNO",
        many.chain([rule("write", "ALLOW", None, vec![]), rule("seccomp", "LOG", None, vec![])])
            .collect(),
    );
    check(Arch::X86_64, &profile);
}

#[test]
fn a_rule_for_all_arguments_beats_those_with_conditions() {
    let rules = vec![
        rule("kill", "ERRNO", Some(3), vec![arg(1, "EQ", 10, 0)]),
        rule("kill", "LOG", None, vec![]),
    ];
    let program = Program::compile_for(Arch::X86_64, &profile("ALLOW", rules)).unwrap();
    assert_eq!(run(&program, &Call { arch: 0xc000_003e, number: 62, args: [10; 6] }), 0x7ffc_0000);
}

#[test]
fn calls_newer_than_a_denying_profile_do_not_exist() {
    let denied = |number| {
        let program = Program::compile_for(
            Arch::X86_64,
            &profile("ERRNO", vec![rule("seccomp", "ALLOW", None, vec![])]),
        )
        .unwrap();
        run(&program, &Call { arch: 0xc000_003e, number, args: [0; 6] })
    };
    assert_eq!(
        [denied(317), denied(316), denied(318), denied(9999)],
        [0x7fff_0000, 0x0005_0001, 0x0005_0026, 0x0005_0026]
    );
}

#[test]
fn x86_sockets_are_denied_behind_their_multiplexer_too() {
    let rules = vec![rule("socket", "ERRNO", None, vec![]), rule("shmat", "ERRNO", None, vec![])];
    let program = Program::compile_for(Arch::X86_64, &profile("ALLOW", rules)).unwrap();
    let through =
        |number, what| run(&program, &Call { arch: 0x4000_0003, number, args: [what; 6] });
    assert_eq!(
        [through(102, 1), through(102, 2), through(117, 0x1_0015), through(117, 22)],
        [0x0005_0001, 0x7fff_0000, 0x0005_0001, 0x7fff_0000]
    );
}

#[test]
fn x32_calls_are_killed_unless_the_profile_knows_that_architecture() {
    let mut only = profile("ALLOW", Vec::new());
    only.architectures.clear();
    let call = Call { arch: 0xc000_003e, number: 0x4000_0000, args: [0; 6] };
    assert_eq!(run(&Program::compile_for(Arch::X86_64, &only).unwrap(), &call), 0);
    assert_eq!(
        run(&Program::compile_for(Arch::X86_64, &profile("ALLOW", Vec::new())).unwrap(), &call),
        0x7fff_0000
    );
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let compile = |profile: &Seccomp| Program::compile(profile).unwrap_err();
    assert_eq!(compile(&profile("NONSENSE", vec![])), Error::Action("SCMP_ACT_NONSENSE".into()));
    assert_eq!(
        compile(&profile("ALLOW", vec![rule("read", "LOG", None, vec![arg(6, "EQ", 0, 0)])])),
        Error::Argument(6)
    );
    assert_eq!(
        compile(&profile("ALLOW", vec![rule("read", "LOG", None, vec![arg(0, "IS", 0, 0)])])),
        Error::Operator("SCMP_CMP_IS".into())
    );
    assert_eq!(
        compile(&profile("ALLOW", vec![rule("write", "NOTIFY", None, vec![])])),
        Error::NotifyWrite
    );
    assert_eq!(
        compile(&profile("ALLOW", vec![rule("read", "NOTIFY", None, vec![])])),
        Error::NoListener
    );
    assert_eq!(compile(&profile("NOTIFY", vec![])), Error::NotifyAll);
    let flagged = Seccomp { flags: vec!["FAST".into()], ..profile("ALLOW", vec![]) };
    assert_eq!(compile(&flagged), Error::Flag("FAST".into()));
    let foreign =
        Seccomp { architectures: vec!["SCMP_ARCH_Z80".into()], ..profile("ALLOW", vec![]) };
    assert_eq!(compile(&foreign), Error::Architecture("SCMP_ARCH_Z80".into()));
}

#[test]
fn listeners_and_flags_are_in_the_program() {
    let mut asks = profile("ALLOW", vec![rule("mkdir", "NOTIFY", None, vec![])]);
    asks.listener_path = Some("/run/agent.sock".into());
    asks.flags =
        vec!["SECCOMP_FILTER_FLAG_TSYNC".into(), "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV".into()];
    let program = Program::compile(&asks).unwrap();
    assert_eq!((program.has_listener(), program.flags), (true, 0b10_1000));
    assert_eq!(Program::compile(&profile("ALLOW", vec![])).unwrap().flags, 0b100);
}
