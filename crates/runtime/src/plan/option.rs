//! Mount options, from words to attributes.

/// What the options of one mount say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `Some(true)` for `rbind`, `Some(false)` for `bind`.
    pub bind: Option<bool>,
    /// Whether something mounted is changed.
    pub remount: bool,
    /// `MOUNT_ATTR_…` to set.
    pub set: u64,
    /// `MOUNT_ATTR_…` to clear.
    pub clear: u64,
    /// `MOUNT_ATTR_…` to set on all mounts below too.
    pub set_all: u64,
    /// `MOUNT_ATTR_…` to clear on all mounts below too.
    pub clear_all: u64,
    /// `MS_…` propagation changes, in order.
    pub propagation: Vec<u64>,
    /// `tmpcopyup` or `copyup`.
    pub copy_up: bool,
    /// `Some(true)` for `ridmap`, `Some(false)` for `idmap`.
    pub idmap: Option<bool>,
    /// What is left: the file system's own.
    pub data: Vec<(String, Option<String>)>,
}

/// The words that are understood here, beside those of the file systems themselves.
pub const KNOWN: [&str; 54] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "exec",
    "idmap",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "tmpcopyup",
    "unbindable",
];

/// `MOUNT_ATTR_RDONLY`.
pub const RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const NOSUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const NODEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const NOEXEC: u64 = 0x8;
/// `MOUNT_ATTR__ATIME`: all bits of the access-time policy.
const ATIME: u64 = 0x70;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const NODIRATIME: u64 = 0x80;
const NOSYMFOLLOW: u64 = 0x0020_0000;

/// `MS_REC`.
pub const REC: u64 = libc::MS_REC;
/// `MS_SLAVE`.
pub const SLAVE: u64 = libc::MS_SLAVE;
/// `MS_PRIVATE`.
pub const PRIVATE: u64 = libc::MS_PRIVATE;

/// Reads the words of a propagation type, as `rootfsPropagation` and mount options have them.
pub fn propagation(word: &str) -> Option<u64> {
    let (word, rec) = match word.strip_prefix('r') {
        Some(rest) => (rest, REC),
        None => (word, 0),
    };
    let kind = match word {
        "private" => PRIVATE,
        "slave" => SLAVE,
        "shared" => libc::MS_SHARED,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    };
    Some(kind | rec)
}

/// Returns the bits that a word sets and clears.
fn attribute(word: &str) -> Option<(u64, u64)> {
    Some(match word {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        "noatime" => (NOATIME, ATIME),
        "strictatime" => (STRICTATIME, ATIME),
        "relatime" | "norelatime" | "atime" | "nostrictatime" => (0, ATIME),
        _ => return None,
    })
}

/// Says that the source is a path without symbolic links, and that one found there is refused.
pub const RESOLVED: &str = "resolved";

/// Reads the options of one mount.
pub fn parse(words: &[String]) -> Options {
    let mut options = Options::default();
    for word in words {
        options.add(word);
    }
    options
}

impl Options {
    fn add(&mut self, word: &str) {
        match word {
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "remount" => self.remount = true,
            "tmpcopyup" | "copyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(false),
            "ridmap" => self.idmap = Some(true),
            "" | RESOLVED | "defaults" | "async" | "loud" | "nolazytime" | "nomand"
            | "noiversion" | "silent" => {}
            _ => self.add_value(word),
        }
    }

    fn add_value(&mut self, word: &str) {
        if let Some(change) = propagation(word) {
            self.propagation.push(change);
        } else if let Some((set, clear)) = attribute(word) {
            self.set = self.set & !clear | set;
            self.clear = self.clear & !set | clear;
        } else if let Some((set, clear)) = word.strip_prefix('r').and_then(attribute) {
            self.set_all = self.set_all & !clear | set;
            self.clear_all = self.clear_all & !set | clear;
        } else {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word, None),
            };
            self.data.push((name.to_owned(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Options {
        parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_later_word_takes_back_an_earlier_one() {
        assert_eq!((of("ro,rw").set, of("ro,rw").clear), (0, RDONLY));
        assert_eq!((of("rw,ro").set, of("rw,ro").clear), (RDONLY, 0));
    }

    #[test]
    fn recursive_words_are_kept_apart() {
        let options = of("rbind,rro,rnosuid,nodev,rprivate");
        assert_eq!(options.bind, Some(true));
        assert_eq!((options.set_all, options.set), (RDONLY | NOSUID, NODEV));
        assert_eq!(options.propagation, [PRIVATE | REC]);
        assert!(options.data.is_empty());
    }

    #[test]
    fn what_is_unknown_belongs_to_the_file_system() {
        let options = of("size=64k,mode=1777,newinstance");
        assert_eq!(
            options.data,
            [
                ("size".into(), Some("64k".into())),
                ("mode".into(), Some("1777".into())),
                ("newinstance".into(), None)
            ]
        );
    }

    #[test]
    fn access_time_words_replace_the_whole_policy() {
        assert_eq!((of("noatime").set, of("noatime").clear), (NOATIME, ATIME));
        assert_eq!((of("noatime,relatime").set, of("noatime,relatime").clear), (0, ATIME));
    }
}
