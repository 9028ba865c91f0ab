//! What a service may say.

use crate::schema::{
    AMOUNT, B, BOOL, COMMAND, HOSTS, I, INT, N, NULL, NUMBER, OPTIONS, PAIRS, S, Shape, TEXT,
    TEXT_OR_LIST, TEXTS, ULIMITS, WORDS, Z,
};

const INT_OR_TEXT: Shape = Shape::Scalar(I | S);

/// A service.
pub(crate) const SERVICE: Shape = Shape::Object(&[
    ("annotations", PAIRS),
    ("attach", BOOL),
    ("build", BUILD),
    ("blkio_config", BLKIO),
    ("cap_add", TEXTS),
    ("cap_drop", TEXTS),
    ("cgroup", Shape::Word(&["host", "private"])),
    ("cgroup_parent", TEXT),
    ("command", COMMAND),
    ("configs", Shape::List(&GRANT)),
    ("container_name", TEXT),
    ("cpu_count", INT),
    ("cpu_percent", NUMBER),
    ("cpu_period", AMOUNT),
    ("cpu_quota", AMOUNT),
    ("cpu_rt_period", AMOUNT),
    ("cpu_rt_runtime", AMOUNT),
    ("cpu_shares", NUMBER),
    ("cpus", NUMBER),
    ("cpuset", TEXT),
    ("credential_spec", Shape::Object(&[("config", TEXT), ("file", TEXT), ("registry", TEXT)])),
    ("depends_on", DEPENDS_ON),
    ("deploy", DEPLOY),
    ("develop", DEVELOP),
    ("device_cgroup_rules", TEXTS),
    (
        "devices",
        Shape::List(&Shape::Either(&[
            TEXT,
            Shape::Object(&[("source", TEXT), ("target", TEXT), ("permissions", TEXT)]),
        ])),
    ),
    ("dns", TEXT_OR_LIST),
    ("dns_opt", TEXT_OR_LIST),
    ("dns_search", TEXT_OR_LIST),
    ("domainname", TEXT),
    ("entrypoint", COMMAND),
    ("env_file", ENV_FILE),
    ("environment", PAIRS),
    ("expose", WORDS),
    ("extends", Shape::Either(&[TEXT, Shape::Object(&[("service", TEXT), ("file", TEXT)])])),
    ("external_links", TEXTS),
    ("extra_hosts", HOSTS),
    ("gpus", Shape::Either(&[Shape::Word(&["all"]), Shape::List(&GPU)])),
    ("group_add", WORDS),
    ("healthcheck", HEALTHCHECK),
    ("hostname", TEXT),
    ("image", TEXT),
    ("init", BOOL),
    ("ipc", TEXT),
    ("isolation", TEXT),
    ("label_file", TEXT_OR_LIST),
    ("labels", PAIRS),
    ("links", TEXTS),
    (
        "logging",
        Shape::Object(&[("driver", TEXT), ("options", Shape::Map(&Shape::Scalar(S | N | Z)))]),
    ),
    ("mac_address", TEXT),
    ("mem_limit", AMOUNT),
    ("mem_reservation", AMOUNT),
    ("mem_swappiness", INT),
    ("memswap_limit", AMOUNT),
    ("models", Shape::Either(&[TEXTS, Shape::Map(&Shape::Either(&[NULL, Shape::Map(&TEXT)]))])),
    ("network_mode", TEXT),
    ("networks", Shape::Either(&[TEXTS, Shape::Map(&ENDPOINT)])),
    ("oom_kill_disable", BOOL),
    ("oom_score_adj", INT),
    ("pid", Shape::Scalar(S | Z)),
    ("pids_limit", INT),
    ("platform", TEXT),
    ("ports", Shape::List(&PORT)),
    ("post_start", Shape::List(&HOOK)),
    ("pre_stop", Shape::List(&HOOK)),
    ("privileged", BOOL),
    ("profiles", TEXTS),
    ("provider", Shape::Object(&[("type", TEXT), ("options", Shape::Map(&Shape::Any))])),
    ("pull_policy", TEXT),
    ("pull_refresh_after", TEXT),
    ("read_only", BOOL),
    ("restart", TEXT),
    ("runtime", TEXT),
    ("scale", INT),
    ("secrets", Shape::List(&GRANT)),
    ("security_opt", TEXTS),
    ("shm_size", AMOUNT),
    ("stdin_open", BOOL),
    ("stop_grace_period", TEXT),
    ("stop_signal", TEXT),
    ("storage_opt", OPTIONS),
    ("sysctls", PAIRS),
    ("tmpfs", TEXT_OR_LIST),
    ("tty", BOOL),
    ("ulimits", ULIMITS),
    ("use_api_socket", BOOL),
    ("user", TEXT),
    ("userns_mode", TEXT),
    ("uts", TEXT),
    ("volumes", Shape::List(&VOLUME)),
    ("volumes_from", TEXTS),
    ("working_dir", TEXT),
]);

const BUILD: Shape = Shape::Either(&[
    TEXT,
    Shape::Object(&[
        ("additional_contexts", PAIRS),
        ("args", PAIRS),
        ("cache_from", TEXTS),
        ("cache_to", TEXTS),
        ("context", TEXT),
        ("dockerfile", TEXT),
        ("dockerfile_inline", TEXT),
        ("entitlements", TEXTS),
        ("extra_hosts", HOSTS),
        ("isolation", TEXT),
        ("labels", PAIRS),
        ("network", TEXT),
        ("no_cache", BOOL),
        ("platforms", TEXTS),
        ("privileged", BOOL),
        ("provenance", Shape::Scalar(S | B)),
        ("pull", BOOL),
        ("sbom", Shape::Scalar(S | B)),
        ("secrets", Shape::List(&GRANT)),
        ("shm_size", AMOUNT),
        ("ssh", PAIRS),
        ("tags", TEXTS),
        ("target", TEXT),
        ("ulimits", ULIMITS),
    ]),
]);

const WEIGHTS: Shape = Shape::List(&Shape::Object(&[("path", TEXT), ("weight", INT)]));
const RATES: Shape = Shape::List(&Shape::Object(&[("path", TEXT), ("rate", AMOUNT)]));
const BLKIO: Shape = Shape::Object(&[
    ("weight", INT),
    ("weight_device", WEIGHTS),
    ("device_read_bps", RATES),
    ("device_read_iops", RATES),
    ("device_write_bps", RATES),
    ("device_write_iops", RATES),
]);

/// A secret or config that is given to a service or build.
const GRANT: Shape = Shape::Either(&[
    TEXT,
    Shape::Object(&[
        ("source", TEXT),
        ("target", TEXT),
        ("uid", Shape::Scalar(S | N)),
        ("gid", Shape::Scalar(S | N)),
        ("mode", Shape::Scalar(S | N)),
    ]),
]);

const DEPENDS_ON: Shape = Shape::Either(&[
    TEXTS,
    Shape::Map(&Shape::Object(&[
        (
            "condition",
            Shape::Word(&["service_started", "service_healthy", "service_completed_successfully"]),
        ),
        ("restart", BOOL),
        ("required", BOOL),
    ])),
]);

const DEVICES: Shape = Shape::List(&Shape::Object(&[
    ("capabilities", TEXTS),
    ("count", INT_OR_TEXT),
    ("device_ids", TEXTS),
    ("driver", TEXT),
    ("options", PAIRS),
]));

const GPU: Shape = Shape::Object(&[
    ("capabilities", TEXTS),
    ("count", INT_OR_TEXT),
    ("device_ids", TEXTS),
    ("driver", TEXT),
    ("options", PAIRS),
]);

const UPDATE: Shape = Shape::Object(&[
    ("parallelism", INT),
    ("delay", TEXT),
    ("failure_action", TEXT),
    ("monitor", TEXT),
    ("max_failure_ratio", NUMBER),
    ("order", Shape::Word(&["start-first", "stop-first"])),
]);

const DEPLOY: Shape = Shape::Either(&[
    NULL,
    Shape::Object(&[
        ("mode", TEXT),
        ("endpoint_mode", TEXT),
        ("replicas", INT),
        ("labels", PAIRS),
        ("update_config", UPDATE),
        ("rollback_config", UPDATE),
        (
            "resources",
            Shape::Object(&[
                ("limits", Shape::Object(&[("cpus", AMOUNT), ("memory", TEXT), ("pids", INT)])),
                (
                    "reservations",
                    Shape::Object(&[
                        ("cpus", AMOUNT),
                        ("memory", TEXT),
                        ("generic_resources", Shape::List(&Shape::Any)),
                        ("devices", DEVICES),
                    ]),
                ),
            ]),
        ),
        (
            "restart_policy",
            Shape::Object(&[
                (
                    "condition",
                    Shape::Word(&["none", "on-failure", "any", "always", "unless-stopped"]),
                ),
                ("delay", TEXT),
                ("max_attempts", INT),
                ("window", TEXT),
            ]),
        ),
        (
            "placement",
            Shape::Object(&[
                ("constraints", TEXTS),
                ("preferences", Shape::List(&Shape::Object(&[("spread", TEXT)]))),
                ("max_replicas_per_node", INT),
            ]),
        ),
    ]),
]);

const DEVELOP: Shape = Shape::Either(&[
    NULL,
    Shape::Object(&[(
        "watch",
        Shape::List(&Shape::Object(&[
            ("path", TEXT),
            ("action", Shape::Word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
            ("target", TEXT),
            ("ignore", TEXT_OR_LIST),
            ("include", TEXT_OR_LIST),
            ("initial_sync", BOOL),
            ("exec", HOOK),
        ])),
    )]),
]);

const ENV_FILE: Shape = Shape::Either(&[
    TEXT,
    Shape::List(&Shape::Either(&[
        TEXT,
        Shape::Object(&[("path", TEXT), ("format", TEXT), ("required", BOOL)]),
    ])),
]);

const HEALTHCHECK: Shape = Shape::Object(&[
    ("disable", BOOL),
    ("interval", TEXT),
    ("retries", INT),
    ("test", TEXT_OR_LIST),
    ("timeout", TEXT),
    ("start_period", TEXT),
    ("start_interval", TEXT),
]);

const ENDPOINT: Shape = Shape::Either(&[
    NULL,
    Shape::Object(&[
        ("aliases", TEXTS),
        ("interface_name", TEXT),
        ("ipv4_address", TEXT),
        ("ipv6_address", TEXT),
        ("link_local_ips", TEXTS),
        ("mac_address", TEXT),
        ("driver_opts", OPTIONS),
        ("priority", NUMBER),
        ("gw_priority", NUMBER),
    ]),
]);

const PORT: Shape = Shape::Either(&[
    Shape::Scalar(N | S),
    Shape::Object(&[
        ("name", TEXT),
        ("mode", TEXT),
        ("host_ip", TEXT),
        ("target", INT),
        ("published", INT_OR_TEXT),
        ("protocol", TEXT),
        ("app_protocol", TEXT),
    ]),
]);

const HOOK: Shape = Shape::Object(&[
    ("command", COMMAND),
    ("user", TEXT),
    ("privileged", BOOL),
    ("working_dir", TEXT),
    ("environment", PAIRS),
]);

const VOLUME: Shape = Shape::Either(&[
    TEXT,
    Shape::Object(&[
        ("type", Shape::Word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        ("source", TEXT),
        ("target", TEXT),
        ("read_only", BOOL),
        ("consistency", TEXT),
        (
            "bind",
            Shape::Object(&[
                ("propagation", TEXT),
                ("create_host_path", Shape::Scalar(B)),
                ("recursive", Shape::Word(&["enabled", "disabled", "writable", "readonly"])),
                ("selinux", Shape::Word(&["z", "Z"])),
            ]),
        ),
        ("volume", Shape::Object(&[("labels", PAIRS), ("nocopy", BOOL), ("subpath", TEXT)])),
        ("tmpfs", Shape::Object(&[("size", AMOUNT), ("mode", Shape::Scalar(N | S))])),
        ("image", Shape::Object(&[("subpath", TEXT)])),
    ]),
]);
