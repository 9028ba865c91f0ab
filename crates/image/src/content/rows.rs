//! The rows of images.

use std::collections::HashSet;

use hako_store::rusqlite::{Connection, OptionalExtension, Row};
use hako_types::{Digest, Moment, Reference};

use super::{Draft, Error, Image};
use crate::config::ImageConfig;

const COLUMNS: &str = "id, config, manifest, parent, created, used, size";

struct Stored {
    id: String,
    config: Vec<u8>,
    manifest: Option<Vec<u8>>,
    parent: Option<String>,
    created: i64,
    used: i64,
    size: u64,
}

impl Stored {
    fn read(row: &Row<'_>) -> hako_store::rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            config: row.get(1)?,
            manifest: row.get(2)?,
            parent: row.get(3)?,
            created: row.get(4)?,
            used: row.get(5)?,
            size: row.get(6)?,
        })
    }

    fn image(self, connection: &Connection) -> Result<Image, Error> {
        let id: Digest = self.id.parse().map_err(|_| Error::NotFound(self.id.clone()))?;
        let config = ImageConfig::parse(&self.config)
            .map_err(|source| Error::Config { id: id.clone(), source })?;
        Ok(Image {
            names: names(connection, &id)?,
            repo_digests: repo_digests(connection, &id)?,
            id,
            config,
            config_bytes: self.config,
            manifest: self.manifest,
            size: self.size,
            created: Moment::from_nanos(self.created),
            used: Moment::from_nanos(self.used),
            parent: self.parent.and_then(|id| id.parse().ok()),
        })
    }
}

/// Returns image `id`.
pub(super) fn image(connection: &Connection, id: &Digest) -> Result<Option<Image>, Error> {
    let stored = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM image WHERE id = ?1"))
        .and_then(|mut s| s.query_row([id.as_str()], Stored::read).optional())
        .map_err(Error::query)?;
    stored.map(|stored| stored.image(connection)).transpose()
}

/// Returns all images, the newest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<Image>, Error> {
    let stored = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM image ORDER BY created DESC, added DESC, id"
        ))
        .and_then(|mut s| s.query_map([], Stored::read)?.collect::<Result<Vec<_>, _>>())
        .map_err(Error::query)?;
    stored.into_iter().map(|stored| stored.image(connection)).collect()
}

/// Returns the names of image `id`.
pub(super) fn names(connection: &Connection, id: &Digest) -> Result<Vec<Reference>, Error> {
    references(
        connection,
        "SELECT repository || ':' || tag FROM image_name WHERE image = ?1 ORDER BY 1",
        id,
    )
}

/// Returns the repositories with digests of image `id`.
pub(super) fn repo_digests(connection: &Connection, id: &Digest) -> Result<Vec<Reference>, Error> {
    references(
        connection,
        "SELECT repository || '@' || digest FROM image_digest WHERE image = ?1 ORDER BY 1",
        id,
    )
}

fn references(connection: &Connection, sql: &str, id: &Digest) -> Result<Vec<Reference>, Error> {
    let texts = connection
        .prepare_cached(sql)
        .and_then(|mut s| {
            s.query_map([id.as_str()], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(Error::query)?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Returns the layers of all images.
pub(super) fn layers_in_use(connection: &Connection) -> Result<HashSet<Digest>, Error> {
    let texts = connection
        .prepare_cached("SELECT DISTINCT diff_id FROM image_layer")
        .and_then(|mut s| {
            s.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        })
        .map_err(Error::query)?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Adds an image and what came with it.
pub(super) fn insert(
    t: &Connection,
    id: &Digest,
    config: &ImageConfig,
    draft: &Draft,
    size: u64,
) -> Result<(), Error> {
    let created = config.created.map_or(0, Moment::nanos);
    let now = Moment::now().nanos();
    let parent = draft.parent.as_ref().map(Digest::as_str);
    t.execute(
        "INSERT INTO image (id, config, manifest, parent, created, added, used, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET manifest = coalesce(excluded.manifest, manifest), used = excluded.used",
        (id.as_str(), &draft.config, draft.manifest.as_ref(), parent, created, now, size),
    )
    .map_err(Error::query)?;
    for (position, diff_id) in config.rootfs.diff_ids.iter().enumerate() {
        t.prepare_cached(
            "INSERT OR IGNORE INTO image_layer (image, position, diff_id) VALUES (?1, ?2, ?3)",
        )
        .and_then(|mut s| s.execute((id.as_str(), position, diff_id.as_str())))
        .map_err(Error::query)?;
    }
    for blob in &draft.layer_blobs {
        insert_blob(t, blob)?;
    }
    if let Some(name) = &draft.repo_digest {
        insert_repo_digest(t, id, name)?;
    }
    Ok(())
}

/// Notes a compressed form of a layer.
pub(super) fn insert_blob(t: &Connection, blob: &super::LayerBlob) -> Result<(), Error> {
    t.prepare_cached(
        "INSERT OR REPLACE INTO image_blob (diff_id, digest, size, media_type, repository, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .and_then(|mut s| {
        let seen = Moment::now().nanos();
        s.execute((blob.diff_id.as_str(), blob.digest.as_str(), blob.size, &blob.media_type, &blob.repository, seen))
    })
    .map_err(Error::query)?;
    Ok(())
}

/// Notes under which digest a repository has an image.
pub(super) fn insert_repo_digest(
    t: &Connection,
    id: &Digest,
    name: &Reference,
) -> Result<(), Error> {
    if let Some(digest) = &name.digest {
        t.prepare_cached(
            "INSERT OR REPLACE INTO image_digest (repository, digest, image) VALUES (?1, ?2, ?3)",
        )
        .and_then(|mut s| s.execute((name.repository(), digest.as_str(), id.as_str())))
        .map_err(Error::query)?;
    }
    Ok(())
}

/// Takes a name (or a repository's digest) away; returns the image that had it.
pub(super) fn untag(t: &Connection, name: &Reference) -> Result<Option<Digest>, Error> {
    let name = name.clone().tagged();
    let (sql, key) = match (&name.digest, &name.tag) {
        (Some(digest), _) => (
            "DELETE FROM image_digest WHERE repository = ?1 AND digest = ?2 RETURNING image",
            digest.to_string(),
        ),
        (None, tag) => (
            "DELETE FROM image_name WHERE repository = ?1 AND tag = ?2 RETURNING image",
            tag.clone().unwrap_or_default(),
        ),
    };
    let id = t
        .prepare_cached(sql)
        .and_then(|mut s| {
            s.query_row((name.repository(), key), |row| row.get::<_, String>(0)).optional()
        })
        .map_err(Error::query)?;
    Ok(id.and_then(|id| id.parse().ok()))
}
