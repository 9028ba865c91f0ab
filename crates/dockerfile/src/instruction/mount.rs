//! `RUN --mount`.

use crate::{Problem, Span, Word, nearest};

/// A `--mount` as it was written: its options still hold variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunMount {
    /// The whole flag.
    pub span: Span,
    /// Its options in order; an option without `=` has no value.
    pub options: Vec<MountOption>,
}

/// One option of a mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MountOption {
    /// The key, in lower case.
    pub key: Word,
    /// The value.
    pub value: Option<Word>,
}

/// What a mount shows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// An empty file system in memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// The caller's SSH agent.
    Ssh,
}

/// Who may use a cache mount at the same time.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// One step, others get another directory.
    Private,
    /// One step, others wait.
    Locked,
}

/// A mount, understood.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mount {
    /// What it shows.
    pub kind: MountKind,
    /// The stage, image or named context it comes from.
    pub from: Option<String>,
    /// The path in there.
    pub source: Option<String>,
    /// Where it appears; secrets and sockets have a place of their own when there is none.
    pub target: Option<String>,
    /// Whether the step may not write.
    pub read_only: bool,
    /// Bytes of a tmpfs.
    pub size: Option<u64>,
    /// The name of a cache, secret or socket.
    pub id: Option<String>,
    /// Who may use a cache at the same time.
    pub sharing: Sharing,
    /// Whether the build fails when the secret or socket is not given.
    pub required: bool,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// The variable that holds the secret.
    pub env: Option<String>,
}

const KEYS: [&str; 16] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "size",
    "id",
    "sharing",
    "required",
    "mode",
];
const MORE_KEYS: [&str; 3] = ["uid", "gid", "env"];

impl RunMount {
    /// Understands the mount, its values passed through `expand`.
    ///
    /// # Errors
    /// When an option or a value is not one.
    pub fn resolve(
        &self,
        expand: &dyn Fn(&Word) -> Result<String, Problem>,
    ) -> Result<Mount, Problem> {
        let mut mount = Mount { kind: self.kind(expand)?, ..Mount::default() };
        mount.read_only = mount.kind == MountKind::Bind;
        for option in &self.options {
            self.apply(option, &mut mount, expand)?;
        }
        let needs_target =
            matches!(mount.kind, MountKind::Bind | MountKind::Cache | MountKind::Tmpfs);
        if needs_target && mount.target.as_ref().is_none_or(String::is_empty) {
            return Err(self
                .error("a mount of this type needs a target")
                .hint("add `target=/path`"));
        }
        if mount.kind == MountKind::Secret && mount.id.is_none() {
            mount.id = mount.source.clone().or_else(|| {
                mount
                    .target
                    .as_ref()
                    .and_then(|target| target.rsplit('/').next())
                    .map(str::to_owned)
            });
            if mount.id.as_ref().is_none_or(String::is_empty) {
                return Err(self.error("a secret needs an id or a target"));
            }
        }
        Ok(mount)
    }

    /// Tells whether a value holds a variable, so that it can be understood only while building.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.options
            .iter()
            .any(|option| option.value.as_ref().is_some_and(|value| value.text.contains('$')))
    }

    fn error(&self, message: &str) -> Problem {
        Problem::error(self.span, "mount", message)
    }

    fn kind(
        &self,
        expand: &dyn Fn(&Word) -> Result<String, Problem>,
    ) -> Result<MountKind, Problem> {
        let Some(word) =
            self.options.iter().find(|o| o.key.text == "type").and_then(|o| o.value.as_ref())
        else {
            return Ok(MountKind::Bind);
        };
        Ok(match expand(word)?.to_ascii_lowercase().as_str() {
            "bind" => MountKind::Bind,
            "cache" => MountKind::Cache,
            "tmpfs" => MountKind::Tmpfs,
            "secret" => MountKind::Secret,
            "ssh" => MountKind::Ssh,
            other => {
                let kinds = ["bind", "cache", "tmpfs", "secret", "ssh"];
                let message = format!("unsupported mount type `{other}`");
                return Err(
                    Problem::error(word.span, "mount", message).did_you_mean(nearest(other, kinds))
                );
            }
        })
    }

    fn apply(
        &self,
        option: &MountOption,
        mount: &mut Mount,
        expand: &dyn Fn(&Word) -> Result<String, Problem>,
    ) -> Result<(), Problem> {
        let key = option.key.text.as_str();
        let refused = |what: &str| Err(Problem::error(option.key.span, "mount", what.to_owned()));
        if !KEYS.contains(&key) && !MORE_KEYS.contains(&key) {
            let near = nearest(key, KEYS.into_iter().chain(MORE_KEYS));
            let message = format!("unexpected key `{key}` in a mount");
            return Err(Problem::error(option.key.span, "mount", message).did_you_mean(near));
        }
        if matches!(key, "readonly" | "ro" | "readwrite" | "rw" | "required") {
            return flag(option, key, mount, expand);
        }
        let Some(word) = &option.value else {
            if key == "env" {
                mount.env = Some(String::new());
                return Ok(());
            }
            return refused(&format!("the mount option `{key}` needs a value"));
        };
        let value = expand(word)?;
        let number = |radix| {
            u32::from_str_radix(&value, radix).map_err(|_| {
                Problem::error(word.span, "mount", format!("invalid value `{value}` for `{key}`"))
            })
        };
        let file = matches!(mount.kind, MountKind::Cache | MountKind::Secret | MountKind::Ssh);
        match key {
            "from" if !matches!(mount.kind, MountKind::Bind | MountKind::Cache) => {
                return refused("a mount of this type cannot have a `from`");
            }
            "size" if mount.kind != MountKind::Tmpfs => {
                return refused("only a tmpfs has a `size`");
            }
            "mode" | "uid" | "gid" if !file => {
                return refused(&format!("a mount of this type has no `{key}`"));
            }
            "env" if mount.kind != MountKind::Secret => {
                return refused("only a secret has an `env`");
            }
            "sharing" if mount.kind != MountKind::Cache => {
                return refused("only a cache has a `sharing`");
            }
            "type" => {}
            "from" => mount.from = Some(value),
            "source" | "src" => mount.source = Some(value),
            "target" | "dst" | "destination" => mount.target = Some(value),
            "id" => mount.id = Some(value),
            "env" => mount.env = Some(value),
            "mode" => mount.mode = Some(number(8)?),
            "uid" => mount.uid = Some(number(10)?),
            "gid" => mount.gid = Some(number(10)?),
            "size" => {
                let size = bytes(&value);
                mount.size = Some(size.ok_or_else(|| {
                    Problem::error(word.span, "mount", format!("invalid size `{value}`"))
                })?);
            }
            _ => mount.sharing = sharing(&value, word.span)?,
        }
        Ok(())
    }
}

fn flag(
    option: &MountOption,
    key: &str,
    mount: &mut Mount,
    expand: &dyn Fn(&Word) -> Result<String, Problem>,
) -> Result<(), Problem> {
    let value = match &option.value {
        None => true,
        Some(word) => match expand(word)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => true,
            "false" | "0" | "f" => false,
            other => {
                let message = format!("invalid value `{other}` for `{key}`: want true or false");
                return Err(Problem::error(word.span, "mount", message));
            }
        },
    };
    match key {
        "readonly" | "ro" => mount.read_only = value,
        "readwrite" | "rw" => mount.read_only = !value,
        _ => mount.required = value,
    }
    Ok(())
}

fn sharing(value: &str, span: Span) -> Result<Sharing, Problem> {
    match value.to_ascii_lowercase().as_str() {
        "shared" => Ok(Sharing::Shared),
        "private" => Ok(Sharing::Private),
        "locked" => Ok(Sharing::Locked),
        other => Err(Problem::error(span, "mount", format!("unsupported sharing value `{other}`"))
            .did_you_mean(nearest(other, ["shared", "private", "locked"]))),
    }
}

/// Parses a size as people write it (`64m`, `1.5GiB`).
fn bytes(text: &str) -> Option<u64> {
    text.parse::<hako_types::Bytes>().ok().map(|size| size.0)
}
