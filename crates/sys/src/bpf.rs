//! `bpf(2)`, as far as a cgroup's device rules need it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const PROG_QUERY: i32 = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;

/// The part of `union bpf_attr` for loading, up to the fields that stay zero.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
}

/// The part for attaching and detaching.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// The part for asking what is attached.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// The part for getting a program by its number.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

fn bpf<T>(command: i32, attributes: &mut T) -> io::Result<i64> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is the beginning of the union that the command wants, `size` bytes long; the
    // pointers that callers put into it point to memory that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size) })
}

fn owned(raw: i64) -> io::Result<OwnedFd> {
    let raw = i32::try_from(raw).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    // SAFETY: the kernel just made `raw` for us, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn number(fd: impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// Loads a program that judges access to devices; each instruction is a `struct bpf_insn`, as a
/// number whose lowest byte comes first.
pub fn load_device_program(instructions: &[u64]) -> io::Result<OwnedFd> {
    let in_memory: Vec<u64> = instructions.iter().map(|one| one.to_le()).collect();
    let count =
        u32::try_from(in_memory.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut attributes = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count,
        instructions: in_memory.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        ..Load::default()
    };
    owned(bpf(PROG_LOAD, &mut attributes)?)
}

/// Attaches a program to a v2 cgroup, beside others or in the place of `replaced`.
pub fn attach_device_program(
    cgroup: impl AsFd,
    program: impl AsFd,
    replaced: Option<&OwnedFd>,
) -> io::Result<()> {
    let mut attributes = Attach {
        target: number(cgroup),
        program: number(program),
        kind: CGROUP_DEVICE,
        flags: if replaced.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI },
        replaced: replaced.map_or(0, number),
    };
    bpf(PROG_ATTACH, &mut attributes).map(drop)
}

/// Detaches a program from a v2 cgroup.
pub fn detach_device_program(cgroup: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let mut attributes = Attach {
        target: number(cgroup),
        program: number(program),
        kind: CGROUP_DEVICE,
        ..Attach::default()
    };
    bpf(PROG_DETACH, &mut attributes).map(drop)
}

/// Returns the numbers of the programs that are attached to a v2 cgroup itself; 64 at most.
pub fn attached_device_programs(cgroup: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; 64];
    let mut attributes = Query {
        target: number(cgroup),
        kind: CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: 64,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut attributes)?;
    ids.truncate(attributes.count as usize);
    Ok(ids)
}

/// Returns the loaded program with the number `id`.
pub fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    owned(bpf(PROG_GET_FD_BY_ID, &mut ById { id, ..ById::default() })?)
}
