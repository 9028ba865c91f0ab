//! The flags of `create` and `run`.

use crate::args::{Flag, switch, value, values};

/// What both `create` and `run` take.
pub(crate) const CREATE: &[&[Flag]] = &[PROGRAM, STORAGE, NETWORK, LIMITS, RIGHTS, LIFE, FOREIGN];

/// What `run` takes besides.
pub(crate) const RUN: &[&[Flag]] =
    &[RUNNING, PROGRAM, STORAGE, NETWORK, LIMITS, RIGHTS, LIFE, FOREIGN];

const RUNNING: &[Flag] = &[
    switch("detach", "leave it running in the background and print its id").short('d'),
    value("detach-keys", "string", "the keys that detach a terminal"),
    switch("sig-proxy", "pass signals on to the program (default true)"),
];

const PROGRAM: &[Flag] = &[
    values("attach", "list", "show this stream: stdin, stdout or stderr").short('a'),
    values("env", "list", "set an environment variable").short('e'),
    values("env-file", "list", "read environment variables from a file"),
    switch("interactive", "keep standard input open").short('i'),
    switch("tty", "give the program a terminal").short('t'),
    value("hostname", "string", "host name of the container").short('h'),
    value("domainname", "string", "NIS domain name of the container"),
    value("name", "string", "name of the container"),
    value("workdir", "string", "directory that the program starts in").short('w'),
    value("user", "string", "user and group, names or numbers: user[:group]").short('u'),
    values("group-add", "list", "further groups of the user"),
    value("entrypoint", "string", "program in place of the image's entrypoint"),
    values("label", "list", "set a label").short('l'),
    values("label-file", "list", "read labels from a file"),
    values("annotation", "map", "pass a note to the OCI runtime"),
    switch("init", "run a tiny init as the first process, which passes signals on and reaps"),
    value("cidfile", "string", "write the container's id to this file"),
    value("pull", "string", "when to pull the image: always, missing or never (default missing)"),
    value("platform", "string", "platform of the image: os/arch[/variant]"),
    switch("quiet", "do not show the progress of a pull").short('q'),
];

const STORAGE: &[Flag] = &[
    values("volume", "list", "mount a directory or a volume: [source:]target[:options]").short('v'),
    values("mount", "mount", "mount something: type=…,source=…,target=…,…"),
    values("tmpfs", "list", "mount a memory file system: target[:options]"),
    values("volumes-from", "list", "mount the volumes of another container: name[:ro]"),
    value("volume-driver", "string", "driver of volumes that are made"),
    switch("read-only", "make the root file system read-only"),
    value("shm-size", "bytes", "size of /dev/shm (default 64m)"),
    values("storage-opt", "list", "option of the storage"),
];

const NETWORK: &[Flag] = &[
    values("network", "network", "connect to a network; a name or name=…,alias=…,ip=…"),
    values("net", "network", ""),
    values("network-alias", "list", "further name in the network"),
    values("net-alias", "list", ""),
    values("publish", "list", "offer a port on the host: [[ip:]host:]container[/protocol]")
        .short('p'),
    switch("publish-all", "offer all exposed ports on free ports of the host").short('P'),
    values("expose", "list", "port or range of ports that the program listens on"),
    value("ip", "string", "IPv4 address in the network"),
    value("ip6", "string", "IPv6 address in the network"),
    values("link-local-ip", "list", "link-local address"),
    value("mac-address", "string", "hardware address"),
    values("link", "list", "link to another container: name[:alias]"),
    values("dns", "list", "DNS server"),
    values("dns-search", "list", "DNS search domain"),
    values("dns-option", "list", "option of the resolver"),
    values("dns-opt", "list", ""),
    values("add-host", "list", "line for /etc/hosts: name:address"),
];

const LIMITS: &[Flag] = &[
    value("memory", "bytes", "memory limit").short('m'),
    value("memory-swap", "bytes", "limit of memory and swap together, -1 for no limit of swap"),
    value("memory-reservation", "bytes", "soft memory limit"),
    value("memory-swappiness", "int", "how willingly memory is swapped, 0 to 100"),
    value("kernel-memory", "bytes", ""),
    value("cpus", "decimal", "number of processors, with fractions"),
    value("cpu-shares", "int", "processor weight (1024 is one)").short('c'),
    value("cpu-period", "int", "length of the scheduler's period in microseconds"),
    value("cpu-quota", "int", "processor time in a period in microseconds"),
    value("cpu-rt-period", "int", "length of the real-time period in microseconds"),
    value("cpu-rt-runtime", "int", "real-time processor time in a period in microseconds"),
    value("cpuset-cpus", "string", "processors that may be used (0-3, 0,1)"),
    value("cpuset-mems", "string", "memory nodes that may be used (0-3, 0,1)"),
    value("pids-limit", "int", "limit of processes, -1 for none"),
    values("ulimit", "ulimit", "resource limit: name=soft[:hard]"),
    value("blkio-weight", "uint16", "block I/O weight, 10 to 1000, or 0"),
    values("blkio-weight-device", "list", "block I/O weight of a device: path:weight"),
    values("device-read-bps", "list", "limit of bytes read per second: path:rate"),
    values("device-read-iops", "list", "limit of reads per second: path:rate"),
    values("device-write-bps", "list", "limit of bytes written per second: path:rate"),
    values("device-write-iops", "list", "limit of writes per second: path:rate"),
    switch("oom-kill-disable", "do not let the kernel kill for lack of memory"),
    value("oom-score-adj", "int", "adjustment of the out-of-memory score, -1000 to 1000"),
];

const RIGHTS: &[Flag] = &[
    switch("privileged", "all capabilities and devices, no masked paths"),
    values("cap-add", "list", "add a capability"),
    values("cap-drop", "list", "take a capability away"),
    values(
        "security-opt",
        "list",
        "security option: seccomp=…, apparmor=…, label=…, no-new-privileges",
    ),
    values("device", "list", "give a device of the host: path[:path][:rwm]"),
    values("device-cgroup-rule", "list", "allow devices: c|b|a major:minor rwm"),
    value("gpus", "gpu-request", "give GPUs: all, a number or driver=…,device=…,capabilities=…"),
    value("ipc", "string", "IPC namespace: private, shareable, none, host or container:name"),
    value("pid", "string", "PID namespace: host or container:name"),
    value("uts", "string", "UTS namespace: host"),
    value("userns", "string", "user namespace: host or auto"),
    value("cgroupns", "string", "cgroup namespace: host or private"),
    value("cgroup-parent", "string", "parent of the container's cgroup"),
    values("sysctl", "map", "kernel setting of the container: name=value"),
];

const LIFE: &[Flag] = &[
    value(
        "restart",
        "string",
        "what happens at the end: no, always, unless-stopped, on-failure[:times] (default no)",
    ),
    switch("rm", "remove the container and its anonymous volumes at its end"),
    value("stop-signal", "string", "signal that asks the program to stop"),
    value("stop-timeout", "int", "seconds until it is killed"),
    value("health-cmd", "string", "command that tells whether the container is healthy"),
    value(
        "health-http",
        "string",
        "healthy when this answers, asked without a process: port[/path] or URL",
    ),
    value(
        "health-tcp",
        "string",
        "healthy when this port accepts connections, asked without a process",
    ),
    value("health-file", "string", "healthy when this file is there, looked up without a process"),
    value("health-interval", "duration", "time between two probes (default 30s)"),
    value("health-timeout", "duration", "time that a probe may take (default 30s)"),
    value("health-retries", "int", "failures in a row that make it unhealthy (default 3)"),
    value("health-start-period", "duration", "time after the start in which failures do not count"),
    value("health-start-interval", "duration", "time between two probes in that time (default 5s)"),
    value(
        "health-on-failure",
        "string",
        "what happens when it is unhealthy: none, kill, restart or stop",
    ),
    switch("no-healthcheck", "do not probe, whatever the image says"),
    value("log-driver", "string", "where output goes: json-file, local, journald, syslog, none"),
    values("log-opt", "list", "option of the log driver"),
    value("runtime", "string", "OCI runtime to use"),
];

/// What is accepted for the sake of scripts and has no meaning on Linux without a daemon.
const FOREIGN: &[Flag] = &[
    value("isolation", "string", ""),
    value("cpu-count", "int", ""),
    value("cpu-percent", "int", ""),
    value("io-maxbandwidth", "bytes", ""),
    value("io-maxiops", "uint", ""),
    switch("disable-content-trust", ""),
    switch("use-api-socket", ""),
];
