//! The users of a list in its table.

use super::codec::{decode, encode};
use crate::db::{Tx, value};
use crate::error::{Error, Result};
use crate::label::Label;

/// All users of a list, ascending.
pub(crate) async fn read(tx: &mut Tx<'_>, label: &Label) -> Result<Vec<u64>> {
    let asked =
        sqlx::query("SELECT part FROM list_parts WHERE label_id = ? AND list_version = ? ORDER BY part")
            .bind(label.id as i64)
            .bind(label.list_version as i64);
    let mut parts: Vec<i64> = Vec::new();
    for row in tx.all(asked).await? {
        parts.push(value(&row, 0, &tx.db.place)?);
    }
    // Not trusted for more than is read below.
    let mut ids = Vec::with_capacity(usize::try_from(label.list_users).unwrap_or(0).min(1 << 20));
    for part in parts {
        let asked = sqlx::query(
            "SELECT users, ids FROM list_parts WHERE label_id = ? AND list_version = ? AND part = ?",
        )
        .bind(label.id as i64)
        .bind(label.list_version as i64)
        .bind(part);
        let Some(row) = tx.optional(asked).await? else { return Err(damaged(tx, label)) };
        let users: i64 = value(&row, 0, &tx.db.place)?;
        let bytes: Vec<u8> = value(&row, 1, &tx.db.place)?;
        if decode(&bytes, users as u64, &mut ids).is_none() {
            return Err(damaged(tx, label));
        }
    }
    if ids.len() as u64 == label.list_users { Ok(ids) } else { Err(damaged(tx, label)) }
}

fn damaged(tx: &Tx<'_>, label: &Label) -> Error {
    Error::Corrupt {
        place: tx.db.place.clone(),
        what: format!("the users of list `{}` cannot be read", label.name),
    }
}

/// Stores the users of a list, ascending, in the place of those that are there. The label itself is the caller's to store.
pub(crate) async fn write(tx: &mut Tx<'_>, label: &mut Label, users: &[u64], version: u64) -> Result<()> {
    label.list_users = users.len() as u64;
    label.list_version = version;
    let forget = sqlx::query("DELETE FROM list_parts WHERE label_id = ?").bind(label.id as i64);
    tx.execute(forget).await?;
    for (at, part) in encode(users).into_iter().enumerate() {
        let asked = sqlx::query(
            "INSERT INTO list_parts (label_id, list_version, part, users, ids) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(label.id as i64)
        .bind(label.list_version as i64)
        .bind(at as i64)
        .bind(part.users as i64)
        .bind(part.bytes);
        tx.execute(asked).await?;
    }
    Ok(())
}
