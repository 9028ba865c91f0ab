//! From the flags of `run` and `create` to what the engine is asked for.
//!
//! Everything that the words alone can tell is checked here, before the engine is asked: forms, ranges, contradictions. What
//! needs the machine (does the device exist, is the name free) is the engine's to say.

mod device;
mod flags;
mod health;
mod limit;
mod mount;
mod network;
mod port;
mod security;
mod variables;
mod volume;

use hako_engine::container::CreateRequest;
use hako_engine::model::{Config, Empty, HostConfig, LogConfig, RestartPolicy};
use hako_types::Platform;

use crate::args::Parsed;
use crate::environment::Surroundings;
use crate::report::Failure;

pub(crate) use flags::{CREATE, RUN};
pub(crate) use limit::resources;
pub(crate) use network::{address, ipv4, ipv6, link};
pub(crate) use variables::{environment, labels, pairs};

/// Returns the request that `parsed` (the words of `run` or `create`) makes.
///
/// # Errors
/// When a value is malformed, a file that is named cannot be read, or flags contradict each other.
pub(crate) fn request(around: &Surroundings, parsed: &Parsed) -> Result<CreateRequest, Failure> {
    let mut host = HostConfig::default();
    let mut config = config(around, parsed)?;
    storage(around, parsed, &mut config, &mut host)?;
    let networks = network::apply(parsed, &mut host)?;
    ports(parsed, &mut config, &mut host)?;
    limit::apply(parsed, &mut host)?;
    device::apply(parsed, &mut host)?;
    rights(around, parsed, &mut host)?;
    life(parsed, &mut host)?;
    let platform = parsed.read("platform", str::parse::<Platform>)?;
    let name = parsed.text("name").filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(CreateRequest { name, config, host, networks, platform })
}

fn config(around: &Surroundings, parsed: &Parsed) -> Result<Config, Failure> {
    let streams = parsed.read_all("attach", stream)?;
    let interactive = parsed.on("interactive");
    let attach = |name: &str| streams.iter().any(|stream| stream == name);
    let attach_stdin = attach("stdin") || interactive;
    let words = &parsed.words[1..];
    let plain = |reason: String| Failure::engine(reason);
    Ok(Config {
        hostname: parsed.string("hostname"),
        domainname: parsed.string("domainname"),
        user: parsed.string("user"),
        attach_stdin,
        attach_stdout: attach("stdout") || streams.is_empty(),
        attach_stderr: attach("stderr") || streams.is_empty(),
        tty: parsed.on("tty"),
        open_stdin: interactive,
        stdin_once: interactive && attach_stdin,
        env: environment(around, &parsed.list("env-file"), &parsed.list("env")).map_err(plain)?,
        cmd: (!words.is_empty()).then(|| words.to_vec()),
        healthcheck: health::read(parsed)?,
        image: parsed.words[0].clone(),
        working_dir: workdir(parsed)?,
        entrypoint: parsed
            .text("entrypoint")
            .map(|text| if text.is_empty() { vec![] } else { vec![text.to_owned()] }),
        labels: labels(around, &parsed.list("label-file"), &parsed.list("label")).map_err(plain)?,
        stop_signal: parsed.text("stop-signal").filter(|text| !text.is_empty()).map(str::to_owned),
        stop_timeout: parsed
            .given("stop-timeout")
            .then(|| parsed.integer("stop-timeout"))
            .transpose()?,
        ..Config::default()
    })
}

fn stream(text: &str) -> Result<String, String> {
    let lower = text.to_lowercase();
    if matches!(lower.as_str(), "stdin" | "stdout" | "stderr") {
        Ok(lower)
    } else {
        Err("valid streams are STDIN, STDOUT and STDERR".into())
    }
}

fn workdir(parsed: &Parsed) -> Result<String, Failure> {
    let path = parsed.string("workdir");
    if !path.is_empty() && !path.starts_with('/') {
        return Err(Failure::engine(format!(
            "the working directory '{path}' is invalid, it needs to be an absolute path"
        )));
    }
    Ok(path)
}

fn storage(
    around: &Surroundings,
    parsed: &Parsed,
    config: &mut Config,
    host: &mut HostConfig,
) -> Result<(), Failure> {
    for text in parsed.all("volume") {
        match volume::read(around, text).map_err(Failure::engine)? {
            volume::Volume::Anonymous(target) => drop(config.volumes.insert(target, Empty {})),
            volume::Volume::Bound(bind) => host.binds.push(bind),
        }
    }
    host.mounts = parsed.read_all("mount", |text| mount::read(around, text))?;
    for text in parsed.all("tmpfs") {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        if !target.starts_with('/') {
            return Err(Failure::engine(format!(
                "invalid mount path: '{target}' mount path must be absolute"
            )));
        }
        host.tmpfs.insert(target.to_owned(), options.to_owned());
    }
    host.volumes_from = parsed.list("volumes-from");
    host.volume_driver = parsed.string("volume-driver");
    host.readonly_rootfs = parsed.on("read-only");
    host.storage_opt = pairs(parsed.all("storage-opt"));
    Ok(())
}

fn ports(parsed: &Parsed, config: &mut Config, host: &mut HostConfig) -> Result<(), Failure> {
    let mappings = parsed.read_all("publish", port::publish)?;
    let (exposed, bindings) = port::bindings(mappings.into_iter().flatten());
    config.exposed_ports = exposed;
    host.port_bindings = bindings;
    for port in parsed.read_all("expose", port::expose)?.into_iter().flatten() {
        config.exposed_ports.insert(port, Empty {});
    }
    host.publish_all_ports = parsed.on("publish-all");
    Ok(())
}

fn rights(around: &Surroundings, parsed: &Parsed, host: &mut HostConfig) -> Result<(), Failure> {
    host.privileged = parsed.on("privileged");
    host.cap_add = parsed.list("cap-add");
    host.cap_drop = parsed.list("cap-drop");
    security::apply(around, &parsed.list("security-opt"), host).map_err(Failure::engine)?;
    host.group_add = parsed.list("group-add");
    host.sysctls = pairs(parsed.all("sysctl"));
    let isolation = parsed.string("isolation");
    if !matches!(isolation.as_str(), "" | "default") {
        return Err(Failure::engine(format!("invalid isolation '{isolation}' on linux")));
    }
    host.annotations = pairs(parsed.all("annotation"));
    host.cgroup_parent = parsed.string("cgroup-parent");
    let namespace = |flag: &str, what: &str, plain: &[&str], joins: bool| {
        let mode = parsed.string(flag);
        let joined = joins && mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
        if mode.is_empty() || plain.contains(&mode.as_str()) || joined {
            Ok(mode)
        } else {
            Err(Failure::engine(format!("--{flag}: invalid {what} mode: {mode}")))
        }
    };
    host.pid_mode = namespace("pid", "PID", &["host", "private"], true)?;
    host.ipc_mode = namespace("ipc", "IPC", &["none", "private", "shareable", "host"], true)?;
    host.uts_mode = namespace("uts", "UTS", &["host"], false)?;
    host.cgroupns_mode = namespace("cgroupns", "CGROUP", &["host", "private"], false)?;
    let userns = parsed.string("userns");
    if !matches!(userns.as_str(), "" | "host" | "private" | "auto") && !userns.starts_with("auto:")
    {
        return Err(Failure::engine(format!("--userns: invalid USER mode: {userns}")));
    }
    host.userns_mode = userns;
    Ok(())
}

fn life(parsed: &Parsed, host: &mut HostConfig) -> Result<(), Failure> {
    host.restart_policy = parsed.read("restart", restart_policy)?.unwrap_or_default();
    host.auto_remove = parsed.on("rm");
    if host.auto_remove && !matches!(host.restart_policy.name.as_str(), "" | "no") {
        return Err(Failure::engine("conflicting options: cannot specify both --restart and --rm"));
    }
    host.init = parsed.given("init").then(|| parsed.on("init"));
    host.runtime = parsed.string("runtime");
    host.container_id_file = parsed.string("cidfile");
    host.health_on_failure =
        parsed.read("health-on-failure", health::on_failure)?.unwrap_or_default();
    let config = pairs(parsed.all("log-opt"));
    let kind = parsed.string("log-driver");
    if kind == "none" && !config.is_empty() {
        return Err(Failure::engine("invalid logging opts for driver none"));
    }
    host.log_config = LogConfig { kind, config };
    Ok(())
}

/// Reads `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:times`.
///
/// # Errors
/// When it is none of these.
pub(crate) fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, times) =
        text.split_once(':').map_or((text, None), |(name, times)| (name, Some(times)));
    if name.is_empty() && times.is_some() {
        return Err("invalid restart policy format: no policy provided before colon".into());
    }
    let maximum_retry_count = match times {
        Some(times) => times.parse().ok().filter(|times: &i64| *times >= 0).ok_or_else(|| {
            format!("invalid restart policy format: maximum retry count must be an integer: {text}")
        })?,
        None => 0,
    };
    match name {
        "" | "no" | "always" | "unless-stopped" if maximum_retry_count > 0 => Err(format!(
            "invalid restart policy: maximum retry count can only be used with 'on-failure': {text}"
        )),
        "" | "no" | "always" | "unless-stopped" | "on-failure" => Ok(RestartPolicy {
            name: if name.is_empty() { "no".into() } else { name.to_owned() },
            maximum_retry_count,
        }),
        _ => Err(format!(
            "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Syntax, Words, parse};

    const SYNTAX: Syntax =
        Syntax { words: "", count: Words::AtLeast(1), program: true, flags: RUN };

    fn made(line: &[&str]) -> Result<CreateRequest, Failure> {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let parsed = parse("run", &SYNTAX, &words).map_err(Failure::usage)?;
        request(
            &Surroundings::for_tests(std::path::Path::new("/here"), &[("PASSED", "p")]),
            &parsed,
        )
    }

    #[test]
    fn a_common_line_becomes_a_request() {
        let line = "-d --name web -p 8080:80 -v data:/d -v /anon -e A=1 -e PASSED --memory 64m --cpus 0.5 --restart on-failure:3 \
                    --network n --network-alias x --ip 10.0.0.9 --health-cmd true --health-interval 1s --init --rm=false img:1 sh -c -x";
        let request = made(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(request.name.as_deref(), Some("web"));
        assert_eq!(request.config.image, "img:1");
        assert_eq!(request.config.cmd.unwrap(), ["sh", "-c", "-x"]);
        assert_eq!(request.config.env, ["A=1", "PASSED=p"]);
        assert_eq!(request.host.binds, ["data:/d"]);
        assert!(request.config.volumes.contains_key("/anon"));
        assert_eq!((request.host.memory, request.host.nano_cpus), (64 << 20, 500_000_000));
        assert_eq!(request.host.restart_policy.maximum_retry_count, 3);
        assert_eq!(request.networks["n"].ipv4_address.as_deref(), Some("10.0.0.9"));
        assert_eq!(request.networks["n"].aliases, ["x"]);
        assert_eq!(request.config.healthcheck.unwrap().interval, 1_000_000_000);
        assert_eq!(request.host.port_bindings["80/tcp"][0].host_port, "8080");
    }

    #[test]
    fn contradictions_and_nonsense_end_with_125_and_name_the_culprit() {
        for (line, part) in [
            ("--no-such-flag x", "no-such-flag"),
            ("--rm --restart always x", "--restart and --rm"),
            ("--restart nonsense x", "nonsense"),
            ("-w relative x", "relative"),
            ("-m nonsense x", "nonsense"),
            ("--cpus 1 --cpu-quota 1000 x", "CPU Quota"),
            ("--oom-score-adj 2000 x", "2000"),
            ("--pid nonsense x", "--pid: invalid PID mode"),
            ("--network host --network n x", "non-user-defined"),
            ("--network n --network n x", "multiple times"),
            ("--no-healthcheck --health-cmd x x", "--no-healthcheck conflicts"),
            ("-a nonsense x", "valid streams"),
            ("--health-on-failure explode x", "explode"),
        ] {
            let failure = made(&line.split(' ').collect::<Vec<_>>()).unwrap_err();
            assert_eq!(failure.code, 125, "{line}");
            assert!(failure.message().contains(part), "{line}: {}", failure.message());
        }
    }
}
