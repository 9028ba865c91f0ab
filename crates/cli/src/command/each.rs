//! Commands on several objects: each is tried, what was done is printed, and the failures are told.

use super::say;
use crate::report::Failure;

/// Does `work` to each of `names` in turn and prints the name after a success. Goes on after a failure; ends with 1 when
/// there was one.
pub(crate) fn each(
    names: &[String],
    mut work: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    each_printing(names, |name| work(name).map(|()| Some(name.to_owned())))
}

/// The same, but prints what `work` returns.
pub(crate) fn each_printing(
    names: &[String],
    mut work: impl FnMut(&str) -> Result<Option<String>, Failure>,
) -> Result<u8, Failure> {
    let mut code = 0;
    for name in names {
        match work(name) {
            Ok(Some(line)) => say(&format!("{line}\n")),
            Ok(None) => {}
            Err(failure) => {
                failure.print();
                code = 1;
            }
        }
    }
    Ok(code)
}
