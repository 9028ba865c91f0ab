//! The text of `/etc/hosts`.

use std::fmt::Write as _;
use std::net::IpAddr;

/// Returns the hosts file of a namespace: the loopback's names, the lines of `extra`, and its own names at its own
/// addresses, as Docker orders them.
///
/// `extra` holds an address and its name (`--add-host`); `own` an address and the names that stand for it, separated by spaces.
#[must_use]
pub fn hosts(extra: &[(IpAddr, String)], own: &[(IpAddr, String)], ipv6: bool) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n");
    if ipv6 {
        text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
        text.push_str("fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
    }
    for (address, name) in extra.iter().chain(own) {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{address}\t{name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_comes_first_and_the_own_name_last() {
        let extra = [("10.1.2.3".parse().unwrap(), "db".to_owned())];
        let own = [("172.17.0.2".parse().unwrap(), "0123456789ab web".to_owned())];
        assert_eq!(
            hosts(&extra, &own, false),
            "127.0.0.1\tlocalhost\n10.1.2.3\tdb\n172.17.0.2\t0123456789ab web\n"
        );
        assert!(hosts(&[], &[], true).contains("\n::1\tlocalhost ip6-localhost ip6-loopback\n"));
    }
}
