//! The top of a Compose file.

use crate::schema::service::SERVICE;
use crate::schema::{
    AMOUNT, BOOL, EXTERNAL, N, NULL, OPTIONS, PAIRS, S, Shape, TEXT, TEXT_OR_LIST, TEXTS,
};

/// The whole file.
pub(crate) const DOCUMENT: Shape = Shape::Object(&[
    ("version", Shape::Scalar(S | N)),
    ("name", TEXT),
    ("include", Shape::List(&INCLUDE)),
    ("services", Shape::Named(&SERVICE)),
    ("networks", Shape::Named(&NETWORK)),
    ("volumes", Shape::Named(&VOLUME)),
    ("secrets", Shape::Named(&SECRET)),
    ("configs", Shape::Named(&CONFIG)),
    ("models", Shape::Named(&MODEL)),
]);

const INCLUDE: Shape = Shape::Either(&[
    TEXT,
    Shape::Object(&[
        ("path", TEXT_OR_LIST),
        ("env_file", TEXT_OR_LIST),
        ("project_directory", TEXT),
    ]),
]);

const NETWORK: Shape = Shape::Either(&[
    NULL,
    Shape::Object(&[
        ("name", TEXT),
        ("driver", TEXT),
        ("driver_opts", OPTIONS),
        (
            "ipam",
            Shape::Object(&[
                ("driver", TEXT),
                (
                    "config",
                    Shape::List(&Shape::Object(&[
                        ("subnet", TEXT),
                        ("ip_range", TEXT),
                        ("gateway", TEXT),
                        ("aux_addresses", Shape::Map(&TEXT)),
                    ])),
                ),
                ("options", Shape::Map(&TEXT)),
            ]),
        ),
        ("external", EXTERNAL),
        ("internal", BOOL),
        ("enable_ipv4", BOOL),
        ("enable_ipv6", BOOL),
        ("attachable", BOOL),
        ("labels", PAIRS),
    ]),
]);

const VOLUME: Shape = Shape::Either(&[
    NULL,
    Shape::Object(&[
        ("name", TEXT),
        ("driver", TEXT),
        ("driver_opts", OPTIONS),
        ("external", EXTERNAL),
        ("labels", PAIRS),
    ]),
]);

const SECRET: Shape = Shape::Object(&[
    ("name", TEXT),
    ("environment", TEXT),
    ("content", TEXT),
    ("file", TEXT),
    ("external", EXTERNAL),
    ("labels", PAIRS),
    ("driver", TEXT),
    ("driver_opts", OPTIONS),
    ("template_driver", TEXT),
]);

const CONFIG: Shape = Shape::Object(&[
    ("name", TEXT),
    ("content", TEXT),
    ("environment", TEXT),
    ("file", TEXT),
    ("external", EXTERNAL),
    ("labels", PAIRS),
    ("template_driver", TEXT),
]);

const MODEL: Shape = Shape::Object(&[
    ("name", TEXT),
    ("model", TEXT),
    ("context_size", AMOUNT),
    ("runtime_flags", TEXTS),
]);
