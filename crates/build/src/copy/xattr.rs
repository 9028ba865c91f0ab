//! Extended attributes of files: capabilities and what users set.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// Returns the attributes of an open file that a copy keeps, sorted by name. Those of a snapshot are all but the overlay's own; those of a context the
/// capabilities and what users set.
///
/// # Errors
/// When they cannot be read; a file system without attributes has none.
pub fn read(file: impl AsFd, of_snapshot: bool) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut buffer = vec![0; 4 << 10];
    let length = loop {
        match rustix::fs::flistxattr(&file, &mut buffer[..]) {
            Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
            Ok(length) => break length,
            Err(Errno::RANGE) if buffer.len() < 64 << 10 => buffer.resize(64 << 10, 0),
            Err(errno) => return Err(errno.into()),
        }
    };
    let mut all = Vec::new();
    for name in buffer[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_kept = name == b"security.capability"
            || name.starts_with(b"user.") && !name.starts_with(b"user.overlay.")
            || of_snapshot && (name.starts_with(b"system.posix_acl_") || name == b"security.ima");
        if !is_kept {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        match rustix::fs::fgetxattr(&file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                all.push((name.to_vec(), value));
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    all.sort();
    Ok(all)
}

/// Sets attributes; what the file system does not know is left out, as tar and BuildKit do.
///
/// # Errors
/// When the kernel refuses one for another reason.
pub fn write(file: impl AsFd, attributes: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in attributes {
        match rustix::fs::fsetxattr(&file, &name[..], value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(Errno::PERM | Errno::INVAL)
                if name.starts_with(b"user.") || name.starts_with(b"system.") => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
