//! The tables of this room.

use hako_store::Room;

/// The tables of images; pass it to [`hako_store::Database::open`].
///
/// `image` has one row per configuration, with its bytes; `image_layer` the diff IDs that it is stacked from, lowest first;
/// `image_name` the tags; `image_digest` the digests under which registries know it; `image_blob` which compressed
/// blob a layer was seen as, and where, so that a push can mount it there instead of sending it. Layers themselves are not in the
/// database: the directory is the record (see [`crate::layers`]).
pub const ROOM: Room = Room {
    name: "image",
    steps: &["
CREATE TABLE image (
    id TEXT PRIMARY KEY,
    config BLOB NOT NULL,
    manifest BLOB,
    parent TEXT,
    created INTEGER NOT NULL,
    added INTEGER NOT NULL,
    used INTEGER NOT NULL,
    size INTEGER NOT NULL
) STRICT;
CREATE TABLE image_layer (
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layer_diff ON image_layer(diff_id);
CREATE TABLE image_name (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_name_image ON image_name(image);
CREATE TABLE image_digest (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_digest_image ON image_digest(image);
CREATE TABLE image_blob (
    diff_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    repository TEXT NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (diff_id, digest, repository)
) STRICT, WITHOUT ROWID;
"],
};
