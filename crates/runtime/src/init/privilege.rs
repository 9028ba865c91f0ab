//! Users, groups, capabilities: from the caller's privileges to the program's.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::identity::Who;
use crate::plan::step::Capabilities;

/// Becomes root of the user namespace this process just entered.
pub(crate) fn become_root() -> io::Result<()> {
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    Ok(rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?)
}

/// Drops every capability that is not wanted from the bounding set.
pub(crate) fn bound(wanted: u64) -> io::Result<()> {
    for number in 0..64 {
        if wanted & (1 << number) != 0 {
            continue;
        }
        let one = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Becomes the user, but keeps the permitted capabilities for the steps that follow.
pub(crate) fn become_user(who: &Who, groups: bool) -> io::Result<()> {
    own_streams(who);
    let list: Vec<_> = who.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    if groups {
        match rustix::thread::set_thread_groups(&list) {
            // A user namespace without privileges refuses this; then there are none to drop to.
            Err(Errno::PERM) if list.is_empty() => {}
            other => other?,
        }
    }
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(rustix::thread::set_keep_capabilities(false)?)
}

/// Gives the user what it has as standard streams, so that it can open `/dev/stdout` anew.
fn own_streams(who: &Who) {
    let null = rustix::fs::makedev(1, 3);
    let (input, output, error) =
        (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    for stream in [input, output, error] {
        let Ok(stat) = rustix::fs::fstat(stream.as_fd()) else { continue };
        if stat.st_uid != who.uid && stat.st_rdev != null {
            // What cannot be given (a read-only file system, a user that is not mapped) stays.
            let _not_given = rustix::fs::fchown(stream, Some(Uid::from_raw(who.uid)), None);
        }
    }
}

/// Makes every permitted capability effective, for one step that needs it.
pub(crate) fn raise() -> io::Result<()> {
    let sets = rustix::thread::capabilities(None)?;
    Ok(rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: sets.permitted, ..sets },
    )?)
}

/// Sets the capability sets; what this process does not have itself is left out, as nothing could
/// grant it.
pub(crate) fn set_capabilities(wanted: Capabilities) -> io::Result<()> {
    let available = rustix::thread::capabilities(None)?.permitted.bits();
    let set = |bits: u64| CapabilitySet::from_bits_retain(bits & available);
    let sets = CapabilitySets {
        effective: set(wanted.effective),
        permitted: set(wanted.permitted),
        inheritable: set(wanted.inheritable),
    };
    rustix::thread::set_capabilities(None, sets)?;
    // Changing users has emptied the ambient set.
    let ambient = wanted.ambient & available;
    for number in (0..64).filter(|number| ambient & (1 << number) != 0) {
        rustix::thread::configure_capability_in_ambient_set(
            CapabilitySet::from_bits_retain(1 << number),
            true,
        )?;
    }
    Ok(())
}

/// Sets a resource limit; `u64::MAX` is no limit.
pub(crate) fn limit(name: &str, soft: u64, hard: u64) -> io::Result<()> {
    let resource = match name {
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_STACK" => Resource::Stack,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_RSS" => Resource::Rss,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_LOCKS" => Resource::Locks,
        "RLIMIT_SIGPENDING" => Resource::Sigpending,
        "RLIMIT_MSGQUEUE" => Resource::Msgqueue,
        "RLIMIT_NICE" => Resource::Nice,
        "RLIMIT_RTPRIO" => Resource::Rtprio,
        "RLIMIT_RTTIME" => Resource::Rttime,
        _ => return Err(Errno::INVAL.into()),
    };
    let value = |value: u64| (value != u64::MAX).then_some(value);
    Ok(rustix::process::setrlimit(resource, Rlimit { current: value(soft), maximum: value(hard) })?)
}
