//! From what people type to the image they mean.

use hako_store::rusqlite::{Connection, OptionalExtension};
use hako_types::{Digest, Reference};

use super::Error;

/// Returns the id of the image that `text` names.
pub(super) fn find(connection: &Connection, text: &str) -> Result<Digest, Error> {
    let parsed = text.parse::<Reference>();
    if let Ok(name) = &parsed
        && let Some(id) = by_name(connection, name)?
    {
        return Ok(id);
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = !hex.is_empty()
        && hex.len() <= 64
        && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex {
        let ids = by_prefix(connection, hex)?;
        match ids.as_slice() {
            [id] => return Ok(id.clone()),
            [] => {}
            _ => return Err(Error::Ambiguous(text.to_owned())),
        }
    }
    match parsed {
        Err(source) if !is_hex => Err(Error::Name { text: text.to_owned(), source }),
        Ok(name) => Err(Error::NotFound(name.tagged().familiar())),
        Err(_) => Err(Error::NotFound(text.to_owned())),
    }
}

/// Returns the id of the image that has this name. A digest outweighs a tag.
pub(super) fn by_name(connection: &Connection, name: &Reference) -> Result<Option<Digest>, Error> {
    let name = name.clone().tagged();
    let (sql, key) = match (&name.digest, &name.tag) {
        (Some(digest), _) => (
            "SELECT image FROM image_digest WHERE repository = ?1 AND digest = ?2",
            digest.as_str(),
        ),
        (None, Some(tag)) => {
            ("SELECT image FROM image_name WHERE repository = ?1 AND tag = ?2", tag.as_str())
        }
        (None, None) => return Ok(None),
    };
    let id = connection
        .prepare_cached(sql)
        .and_then(|mut s| {
            s.query_row((name.repository(), key), |row| row.get::<_, String>(0)).optional()
        })
        .map_err(Error::query)?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Returns up to two images whose ids begin with `hex`.
fn by_prefix(connection: &Connection, hex: &str) -> Result<Vec<Digest>, Error> {
    let low = format!("sha256:{hex}");
    let high = format!("sha256:{hex}g");
    let ids = connection
        .prepare_cached("SELECT id FROM image WHERE id >= ?1 AND id < ?2 LIMIT 2")
        .and_then(|mut s| {
            s.query_map([low, high], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        })
        .map_err(Error::query)?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
