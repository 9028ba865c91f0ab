//! Making and signalling processes.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::check;

/// A process to be made by [`spawn`]: a clone of this one that executes a program at once.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// `CLONE_NEW…` flags of `clone(2)`.
    pub namespaces: u64,
    /// A cgroup v2 directory in which it begins its life.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The program, opened.
    pub program: BorrowedFd<'a>,
    /// Its arguments.
    pub arguments: &'a [&'a CStr],
    /// What becomes its descriptors 0, 1 and 2; each must be above 2, or the descriptor it becomes.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// Descriptors that stay open in it, under the same number.
    pub keep: &'a [BorrowedFd<'a>],
    /// It reads one byte from here before it executes, and then becomes user and group 0 of its
    /// user namespace; at end of file it exits.
    pub gate: Option<BorrowedFd<'a>>,
}

/// A child process.
#[derive(Debug)]
pub struct Child {
    /// Its number in this process's PID namespace.
    pub pid: i32,
    /// Its descriptor.
    pub pidfd: OwnedFd,
}

const EXIT_CANNOT_EXECUTE: i32 = 126;

/// Makes a process with `clone3(2)` (Linux 5.7 for `cgroup`).
///
/// Its environment is empty, its signals are all at their defaults; its signal mask is this
/// thread's. It exits with 126 when the program cannot be executed.
pub fn spawn(plan: &Spawn<'_>) -> io::Result<Child> {
    let arguments: Vec<_> =
        plan.arguments.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
    let environment = [std::ptr::null::<libc::c_char>()];
    let keep: Vec<RawFd> = plan.keep.iter().map(AsRawFd::as_raw_fd).collect();
    let stdio = plan.stdio.map(|files| files.map(|file| file.as_raw_fd()));
    let gate = plan.gate.map(|gate| gate.as_raw_fd());
    let child = Start {
        program: plan.program.as_raw_fd(),
        arguments: &arguments,
        environment: &environment,
        keep: &keep,
        stdio,
        gate,
    };
    // SAFETY: the child only calls `Start::run`, which makes system calls on memory that was
    // prepared before the clone, and never returns.
    match unsafe { clone3(plan.namespaces, plan.cgroup, 0) }? {
        Some(child) => Ok(child),
        None => child.run(),
    }
}

/// Continues in a sibling: a child of this process's parent, in new namespaces.
///
/// Returns `Some` in this process, `None` in the new one. Refused (`EBUSY`) when this process has
/// more than one thread, since a lock that another thread holds would stay locked in the copy.
pub fn fork_sibling(namespaces: u64) -> io::Result<Option<Child>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: there is one thread, as just seen, and it is here: so no other can start one.
    unsafe { clone3(namespaces, None, libc::CLONE_PARENT.unsigned_abs().into()) }
}

/// Ends this process at once, successfully.
pub fn leave() -> ! {
    quit(0)
}

/// # Safety
///
/// As for `fork(2)`: the child of a threaded process may only make async-signal-safe calls.
unsafe fn clone3(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    further: u64,
) -> io::Result<Option<Child>> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let pidfd_flag = u64::from(libc::CLONE_PIDFD.unsigned_abs());
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | further | pidfd_flag | CLONE_CLEAR_SIGHAND;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = if further == 0 { libc::SIGCHLD.unsigned_abs().into() } else { 0 };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // SAFETY: `args` and `pidfd` outlive the call; no stack is given, so the child has a copy of
    // ours; what it may do with it is this function's contract.
    let got =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let pid = check(got)?;
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: the kernel just made `pidfd` for us, so nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Some(Child { pid: i32::try_from(pid).unwrap_or_default(), pidfd }))
}

/// What the child of [`spawn`] does, all of it prepared before the clone.
struct Start<'a> {
    program: RawFd,
    arguments: &'a [*const libc::c_char],
    environment: &'a [*const libc::c_char],
    keep: &'a [RawFd],
    stdio: Option<[RawFd; 3]>,
    gate: Option<RawFd>,
}

impl Start<'_> {
    /// Async-signal-safe: system calls only, no allocation, no locks, no unwinding.
    fn run(&self) -> ! {
        if let Some(gate) = self.gate {
            pass(gate);
        }
        if let Some(files) = self.stdio {
            for (number, file) in (0..).zip(files) {
                let flags = 0;
                if file == number {
                    // SAFETY: fcntl(2) with F_SETFD takes integers only.
                    unsafe { libc::fcntl(file, libc::F_SETFD, flags) };
                } else {
                    // SAFETY: dup3(2) takes integers only; what it replaces belongs to this copy.
                    unsafe { libc::syscall(libc::SYS_dup3, file, number, flags) };
                }
            }
        }
        for &file in self.keep {
            // SAFETY: fcntl(2) with F_SETFD takes integers only.
            unsafe { libc::fcntl(file, libc::F_SETFD, 0) };
        }
        // SAFETY: both lists end with a null pointer, and all strings were made before the clone.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.program,
                c"".as_ptr(),
                self.arguments.as_ptr(),
                self.environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        };
        quit(EXIT_CANNOT_EXECUTE)
    }
}

/// Waits for the parent to have written the identifier maps, then becomes root inside.
fn pass(gate: RawFd) {
    let mut byte = 0_u8;
    loop {
        // SAFETY: read(2) writes at most the one byte that `byte` has.
        match unsafe { libc::read(gate, (&raw mut byte).cast(), 1) } {
            1 => break,
            // Reading errno allocates nothing.
            -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            _ => quit(EXIT_CANNOT_EXECUTE),
        }
    }
    // The raw calls: the library's would signal threads that this copy does not have.
    // SAFETY: setresgid(2) takes integers only.
    unsafe { libc::syscall(libc::SYS_setresgid, 0, 0, 0) };
    // SAFETY: setresuid(2) takes integers only.
    unsafe { libc::syscall(libc::SYS_setresuid, 0, 0, 0) };
}

fn quit(code: i32) -> ! {
    // SAFETY: _exit(2) runs nothing of ours any more.
    unsafe { libc::_exit(code) }
}

/// Sends a signal, by number, to the process of a pidfd; 0 only asks whether it is there.
pub fn send_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: pidfd_send_signal(2) takes integers, and a null pointer for "no further information".
    let got = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    };
    check(got).map(drop)
}

/// Replaces this process by the program at `path`; returns only with an error.
pub fn execute(path: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> io::Error {
    let list = |items: &[&CStr]| -> Vec<_> {
        items.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (list(arguments), list(environment));
    // SAFETY: both lists end with a null pointer and live until the call returns.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Moves this thread into new namespaces (`CLONE_NEW…` flags only).
pub fn unshare(namespaces: i32) -> io::Result<()> {
    // Sharing of memory and descriptors is not for sale here: only namespaces are.
    const KNOWN: i32 = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | 0x80;
    // SAFETY: with namespace flags alone, unshare(2) changes no memory or descriptor table.
    check(unsafe { libc::unshare(namespaces & KNOWN) }.into()).map(drop)
}

/// Sets or, with `None`, asks the execution domain of `personality(2)`; returns the one before.
pub fn personality(domain: Option<u32>) -> io::Result<u32> {
    let domain = domain.unwrap_or(0xffff_ffff);
    // SAFETY: personality(2) takes an integer only.
    let got = check(unsafe { libc::personality(domain.into()) }.into())?;
    Ok(u32::try_from(got).unwrap_or_default())
}
