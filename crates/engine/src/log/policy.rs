//! What becomes of output: where it goes and how much of it is kept.

use hako_types::Bytes;

use crate::Error;
use crate::model::LogConfig;

/// Where output goes and how much of it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Whether it is written to a file at all.
    pub kept: bool,
    /// The size at which a file is put aside; 0 means never.
    pub max_size: u64,
    /// How many files there are at most, the one being written included.
    pub max_file: usize,
}

/// Without a word from the person, output is bounded: five files of 20 MiB. Docker's default is without
/// bound, which has filled many disks.
const DEFAULT_SIZE: u64 = 20 << 20;
const DEFAULT_FILES: usize = 5;

impl Policy {
    /// Reads a log configuration.
    ///
    /// # Errors
    /// When an option is unknown or malformed.
    pub fn read(config: &LogConfig) -> Result<Self, Error> {
        let kept = !matches!(config.kind.as_str(), "none" | "journald" | "syslog");
        let mut policy = Self { kept, max_size: DEFAULT_SIZE, max_file: DEFAULT_FILES };
        for (name, value) in &config.config {
            let bad =
                || Error::Invalid(format!("invalid value `{value}` of the log option `{name}`"));
            match name.as_str() {
                "max-size" if value == "-1" => policy.max_size = 0,
                "max-size" => {
                    policy.max_size = value.parse::<Bytes>().map_err(|_| bad())?.0;
                    if policy.max_size == 0 {
                        return Err(bad());
                    }
                    if !config.config.contains_key("max-file") {
                        policy.max_file = 1;
                    }
                }
                "max-file" => {
                    policy.max_file =
                        value.parse().ok().filter(|count| *count > 0).ok_or_else(bad)?;
                }
                "compress" | "mode" | "max-buffer-size" | "labels" | "labels-regex" | "env"
                | "env-regex" | "tag" => {}
                "syslog-address" | "syslog-facility" | "syslog-format"
                    if config.kind == "syslog" => {}
                _ => {
                    let kind = if config.kind.is_empty() { "json-file" } else { &config.kind };
                    return Err(Error::Invalid(format!(
                        "unknown log opt '{name}' for {kind} log driver"
                    )));
                }
            }
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_bounded_unless_told_otherwise() {
        let read = |pairs: &[(&str, &str)]| {
            let config = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            Policy::read(&LogConfig { kind: "json-file".into(), config })
        };
        assert_eq!(read(&[]).unwrap(), Policy { kept: true, max_size: 20 << 20, max_file: 5 });
        assert_eq!(
            read(&[("max-size", "10k")]).unwrap(),
            Policy { kept: true, max_size: 10240, max_file: 1 }
        );
        assert_eq!(read(&[("max-size", "-1")]).unwrap().max_size, 0);
        assert!(read(&[("max-file", "0")]).is_err());
        assert!(read(&[("nonsense", "1")]).is_err());
    }
}
