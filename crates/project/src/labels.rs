//! The labels that tell which project, service and number a container is, in the words of Docker Compose, so that
//! the tools that look for them find them.

/// The project's name.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service's name.
pub const SERVICE: &str = "com.docker.compose.service";
/// Which of the service's containers this is, from one.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// `True` for a container of `run`, else `False`.
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// The hash of what the container was made from.
pub const HASH: &str = "com.docker.compose.config-hash";
/// The id of the image that the container was made from.
pub const IMAGE: &str = "com.docker.compose.image";
/// `service:condition:restart`, with commas between.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The directory that paths are relative to.
pub const WORKING_DIRECTORY: &str = "com.docker.compose.project.working_dir";
/// The files, with commas between.
pub const FILES: &str = "com.docker.compose.project.config_files";
/// The random part of the name of a container of `run`.
pub const SLUG: &str = "com.docker.compose.slug";
/// The container that this one replaced.
pub const REPLACE: &str = "com.docker.compose.replace";
/// The key of a network in the file.
pub const NETWORK: &str = "com.docker.compose.network";
/// The key of a volume in the file.
pub const VOLUME: &str = "com.docker.compose.volume";
/// The hash of what a network was made from.
pub const NETWORK_HASH: &str = "com.docker.compose.config-hash";
/// The version of Compose that this speaks as.
pub const VERSION: &str = "com.docker.compose.version";
/// The value of [`VERSION`].
pub const SPOKEN: &str = "2.40.0";
