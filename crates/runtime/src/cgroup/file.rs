//! Reading and writing the small files of a cgroup.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use super::Error;

/// Writes one value.
pub(super) fn write(dir: &Path, file: &str, value: &str) -> Result<(), Error> {
    write_each(dir, file, std::iter::once(value))
}

/// Writes several values one after another, each as a call of its own.
pub(super) fn write_each<'a>(
    dir: &Path,
    file: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let mut values = values.into_iter().peekable();
    let path = dir.join(file);
    let refused = |value: &str, source: rustix::io::Errno| Error::Write {
        file: path.clone(),
        value: value.to_owned(),
        source: source.into(),
    };
    let opened = open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| refused(values.peek().unwrap_or(&""), errno))?;
    for value in values {
        rustix::io::retry_on_intr(|| rustix::io::write(&opened, value.as_bytes()))
            .map_err(|errno| refused(value, errno))?;
    }
    Ok(())
}

/// Reads a whole file.
pub(super) fn read(dir: &Path, file: &str) -> Result<String, Error> {
    let path = dir.join(file);
    slurp(&path).map_err(|source| Error::Read { file: path, source })
}

/// Reads a whole file, or nothing where there is none.
pub(super) fn read_if_there(dir: &Path, file: &str) -> Result<Option<String>, Error> {
    match read(dir, file) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(
                error.errno(),
                Some(rustix::io::Errno::NOENT | rustix::io::Errno::OPNOTSUPP)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a number; `max` is the largest there is.
pub(super) fn read_number(dir: &Path, file: &str) -> Result<u64, Error> {
    let text = read(dir, file)?;
    number(text.trim())
        .ok_or_else(|| Error::Parse { file: dir.join(file), text: text.trim().to_owned() })
}

/// Reads a number, or nothing where there is no such file.
pub(super) fn read_number_if_there(dir: &Path, file: &str) -> Result<Option<u64>, Error> {
    Ok(read_if_there(dir, file)?.and_then(|text| number(text.trim())))
}

/// Understands a number as the kernel writes it; negative ones count as nothing.
pub(super) fn number(text: &str) -> Option<u64> {
    match text {
        "max" => Some(u64::MAX),
        negative if negative.starts_with('-') => Some(0),
        digits => digits.parse().ok(),
    }
}

/// Reads with few calls: these files do not tell their size.
fn slurp(path: &Path) -> io::Result<String> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let got = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut chunk))?;
        bytes.extend_from_slice(&chunk[..got]);
        // The kernel gives a short file whole; a seq_file of more than a page comes in several pieces.
        if got == 0 || (got < 1024 && bytes.len() == got) {
            return String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into());
        }
    }
}
