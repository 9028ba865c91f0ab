//! The names of signals, as `signal(7)` lists them for Linux on x86 and ARM.

/// Names without `SIG`; the first is signal 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Returns the number of the signal with this name, upper case and without `SIG`.
///
/// Which further spellings there are (numbers, `IOT`, `RTMIN+1`) differs between those who read them.
#[must_use]
pub fn named(name: &str) -> Option<i32> {
    (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_numbers() {
        for (name, number) in [("HUP", 1), ("KILL", 9), ("TERM", 15), ("CHLD", 17), ("SYS", 31)] {
            assert_eq!(named(name), Some(number));
        }
        assert_eq!((named("kill"), named("SIGKILL"), named("NONSENSE")), (None, None, None));
    }
}
