//! The flags of `build`.

use crate::args::{Flag, Syntax, Words, switch, value, values};

pub(super) const ABOUT: &str = "Build an image from a Dockerfile";

pub(super) const SYNTAX: Syntax = Syntax {
    words: "PATH | URL | -",
    count: Words::AtMost(1),
    program: false,
    flags: &[COMMON, OURS, ACCEPTED],
};

const COMMON: &[Flag] = &[
    values("add-host", "host:ip", "further name for RUN steps"),
    values("allow", "list", "allow what is dangerous (network.host, security.insecure)"),
    values(
        "build-arg",
        "list",
        "set an argument (NAME=value, or NAME for the environment's value)",
    ),
    values(
        "build-context",
        "list",
        "give a directory or an image a name (name=path, name=docker-image://image)",
    ),
    values("cache-from", "list", "where to look for cached steps"),
    values("cache-to", "list", "where to put cached steps"),
    switch("check", "check the Dockerfile and build nothing"),
    value(
        "file",
        "string",
        "name of the Dockerfile (default PATH/Dockerfile; - is standard input)",
    )
    .short('f'),
    value("iidfile", "string", "write the image's id to this file"),
    values("label", "list", "set a label of the image"),
    switch("load", "keep the image (as without --output)"),
    value("metadata-file", "string", "write the result's metadata to this file"),
    value("network", "string", "network of RUN steps: default, none or host"),
    switch("no-cache", "do every step anew"),
    values("no-cache-filter", "list", "do the steps of these stages anew"),
    values(
        "output",
        "list",
        "where the result goes (type=local,dest=path; type=tar; type=oci; type=docker; type=image)",
    )
    .short('o'),
    values("platform", "list", "platform to build for (os/arch)"),
    value("progress", "string", "how progress is shown: auto, plain, tty, quiet or rawjson"),
    switch("pull", "ask the registries for newer images"),
    switch("push", "push the image under its names"),
    switch("quiet", "print the image's id only").short('q'),
    values("secret", "list", "secret for RUN steps (id=name,src=path or id=name,env=NAME)"),
    value("shm-size", "bytes", "size of /dev/shm of RUN steps"),
    values("ssh", "list", "SSH agent for RUN steps (default, or id=socket)"),
    values("tag", "list", "name of the image (name:tag)").short('t'),
    value("target", "string", "stage to build"),
    values("ulimit", "list", "limit of RUN steps (nofile=1000:2000)"),
];

const OURS: &[Flag] = &[
    value("cpus", "decimal", "processors that a RUN step may use"),
    switch("explain", "tell for each step whether it was cached"),
    switch(
        "list-context",
        "list what the context has, and what keeps the rest out; builds nothing",
    ),
    value("memory", "bytes", "memory that a RUN step may use").short('m'),
];

/// What Docker's `build` takes and nothing here needs.
const ACCEPTED: &[Flag] = &[
    values("annotation", "list", ""),
    values("attest", "list", ""),
    value("builder", "string", ""),
    value("call", "string", ""),
    value("cgroup-parent", "string", ""),
    switch("compress", ""),
    value("cpu-period", "int", ""),
    value("cpu-quota", "int", ""),
    value("cpu-shares", "int", "").short('c'),
    value("cpuset-cpus", "string", ""),
    value("cpuset-mems", "string", ""),
    switch("debug", "").short('D'),
    switch("disable-content-trust", ""),
    switch("force-rm", ""),
    value("isolation", "string", ""),
    value("memory-swap", "bytes", ""),
    value("provenance", "string", ""),
    switch("rm", ""),
    value("sbom", "string", ""),
    values("security-opt", "list", ""),
    switch("squash", ""),
];
