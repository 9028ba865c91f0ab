//! Filters in force: what the kernel makes of our programs.
//!
//! A filter belongs to a thread, so every test loads its own in one that it ends with.

#![expect(clippy::unwrap_used, reason = "tests and what they share")]

use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use hako_runtime::defaults::{default_capabilities, default_seccomp};
use hako_runtime::seccomp::{Arch, Program};
use hako_runtime::spec::{Seccomp, SeccompArg, SeccompSyscall};
use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

/// Runs `what` under `profile`, with the listener if there is one.
fn under<T: Send + 'static>(
    profile: &Seccomp,
    what: impl FnOnce(Option<OwnedFd>) -> T + Send + 'static,
) -> io::Result<T> {
    let program = Program::compile(profile).unwrap();
    let confined = thread::spawn(move || {
        rustix::thread::set_no_new_privs(true)?;
        Ok(what(program.load()?))
    });
    confined.join().unwrap()
}

fn rule(name: &str, action: &str, errno_ret: Option<u32>) -> SeccompSyscall {
    SeccompSyscall { names: vec![name.into()], action: action.into(), errno_ret, args: Vec::new() }
}

#[test]
fn the_default_profile_lets_through_and_denies() {
    let (uname, mounted) = under(&default_seccomp(default_capabilities(), Arch::native()), |_| {
        let mounted = rustix::mount::mount(
            "t",
            "/nowhere/at/all",
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        );
        (rustix::system::uname().sysname().to_owned(), mounted)
    })
    .unwrap();
    assert_eq!(uname.as_c_str(), c"Linux");
    assert_eq!(mounted, Err(Errno::PERM));
}

#[test]
fn a_denied_call_fails_with_the_chosen_error() {
    let profile = Seccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        syscalls: vec![
            rule("mkdir", "SCMP_ACT_ERRNO", Some(28)),
            rule("mkdirat", "SCMP_ACT_ERRNO", Some(28)),
        ],
        ..Seccomp::default()
    };
    let made = under(&profile, |_| mkdir("/nowhere/at/all", Mode::RWXU)).unwrap();
    assert_eq!(made, Err(Errno::NOSPC));
    assert_eq!(
        mkdir("/nowhere/at/all", Mode::RWXU),
        Err(Errno::NOENT),
        "only its own thread is confined"
    );
}

#[test]
fn an_argument_decides() {
    let one = SeccompArg { index: 1, value: 0, value_two: 0, op: "SCMP_CMP_EQ".into() };
    let kill = SeccompSyscall { args: vec![one], ..rule("kill", "SCMP_ACT_ERRNO", Some(3)) };
    let profile = Seccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        syscalls: vec![kill],
        ..Seccomp::default()
    };
    let (test, signal) = under(&profile, |_| {
        (rustix::process::test_kill_process(getpid()), kill_process(getpid(), Signal::CONT))
    })
    .unwrap();
    assert_eq!((test, signal), (Err(Errno::SRCH), Ok(())));
}

#[test]
fn a_profile_that_asks_yields_a_listener() {
    let profile = Seccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        listener_path: Some("/run/agent.sock".into()),
        syscalls: vec![rule("mkdir", "SCMP_ACT_NOTIFY", None)],
        ..Seccomp::default()
    };
    assert!(Program::compile(&profile).unwrap().has_listener());
    assert!(under(&profile, |listener| listener.is_some()).unwrap());
}
