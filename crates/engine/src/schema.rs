//! The engine's tables.
//!
//! What is searched or must be unique is a column; the rest of an object is JSON, in the shapes of [`model`](crate::model).

use hako_store::Room;

/// The engine's tables.
pub(crate) const ROOM: Room = Room {
    name: "engine",
    steps: &["
CREATE TABLE container (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    image TEXT NOT NULL,
    record TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE network (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- A container's place in a network; the addresses are leased while it runs.
CREATE TABLE endpoint (
    container TEXT NOT NULL,
    network TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    config TEXT NOT NULL,
    interface TEXT,
    ipv4 TEXT,
    ipv6 TEXT,
    mac TEXT,
    PRIMARY KEY (container, network)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_ipv4 ON endpoint (network, ipv4) WHERE ipv4 IS NOT NULL;
CREATE UNIQUE INDEX endpoint_ipv6 ON endpoint (network, ipv6) WHERE ipv6 IS NOT NULL;
-- The address that was leased last in a network, so that a freed one is not given out at once.
CREATE TABLE cursor (
    network TEXT NOT NULL,
    family INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (network, family)
) STRICT, WITHOUT ROWID;
-- The names by which containers of a network find each other.
CREATE TABLE endpoint_name (
    network TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    container TEXT NOT NULL,
    PRIMARY KEY (network, name, container)
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoint_name_container ON endpoint_name (container);
-- A port of the host that a running container has.
CREATE TABLE port (
    container TEXT NOT NULL,
    protocol TEXT NOT NULL,
    host_ip TEXT NOT NULL,
    host_port INTEGER NOT NULL,
    target_ip TEXT NOT NULL,
    target_port INTEGER NOT NULL,
    network TEXT NOT NULL,
    PRIMARY KEY (protocol, host_ip, host_port)
) STRICT, WITHOUT ROWID;
CREATE INDEX port_container ON port (container);
CREATE TABLE volume (
    name TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    anonymous INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE volume_use (
    volume TEXT NOT NULL,
    container TEXT NOT NULL,
    PRIMARY KEY (volume, container)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_use_container ON volume_use (container);
"],
};
