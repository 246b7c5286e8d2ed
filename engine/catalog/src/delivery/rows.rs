//! Deliveries and approvals to rows and back.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::{Approval, ApprovalKind, Body, Decision, Delivery, State, Target, Verdict};
use crate::audit::to_json;
use crate::db::{Tx, by_chunks, marks, nullable, value};
use crate::error::{Error, Result, Thing};
use crate::label::nest;
use crate::label::rows::parse_stored;

/// A condition on deliveries `d`: true unless one is canceled, ended or expired. Its parameter is the instant.
pub(crate) const NOT_OVER: &str = "d.state <> 4 AND NOT (d.state IN (1, 2) AND d.end_us <= ?)";

/// Columns of a delivery, in the order of [`delivery`], and where they come from.
pub(crate) const SELECT: &str =
    "SELECT d.id, d.body, d.state, d.creator, d.version, d.created_us, d.updated_us, d.updated_by, a.id, a.kind, a.body,
     a.requester, a.requested_us, a.comment, a.decision, a.decided_by, a.decided_us, a.decision_comment
     FROM deliveries d LEFT JOIN approvals a ON a.id = d.open_approval";
/// Columns of an approval, in the order in which they are in [`SELECT`].
pub(crate) const SELECT_APPROVALS: &str = "SELECT id, kind, body, requester, requested_us, comment, decision, decided_by, decided_us, decision_comment FROM approvals";

/// A delivery from a row of [`SELECT`].
pub(crate) fn delivery(row: &AnyRow, place: &str) -> Result<Delivery> {
    let state = value::<i64>(row, 2, place)?;
    let open = if nullable::<i64>(row, 8, place)?.is_some() { Some(approval(row, 8, place)?) } else { None };
    Ok(Delivery {
        id: value::<i64>(row, 0, place)? as u64,
        body: body(&value::<String>(row, 1, place)?, place)?,
        state: State::ALL
            .into_iter()
            .find(|known| known.number() == state)
            .ok_or_else(|| corrupt(place, format!("a delivery is in state {state}")))?,
        open,
        creator: value(row, 3, place)?,
        version: value::<i64>(row, 4, place)? as u64,
        created_us: value(row, 5, place)?,
        updated_us: value(row, 6, place)?,
        updated_by: value(row, 7, place)?,
    })
}

/// An approval from a row in which its columns begin at `at`.
pub(crate) fn approval(row: &AnyRow, at: usize, place: &str) -> Result<Approval> {
    let kind = match value::<i64>(row, at + 1, place)? {
        0 => ApprovalKind::Create,
        1 => ApprovalKind::Edit,
        2 => ApprovalKind::Cancel,
        other => return Err(corrupt(place, format!("an approval is of kind {other}"))),
    };
    let decision = match nullable::<i64>(row, at + 6, place)? {
        None => None,
        Some(verdict) => Some(Decision {
            verdict: match verdict {
                0 => Verdict::Approved,
                1 => Verdict::Rejected,
                2 => Verdict::Withdrawn,
                other => return Err(corrupt(place, format!("an approval was decided as {other}"))),
            },
            by: nullable(row, at + 7, place)?.unwrap_or_default(),
            at_us: nullable(row, at + 8, place)?.unwrap_or_default(),
            comment: nullable(row, at + 9, place)?.unwrap_or_default(),
        }),
    };
    Ok(Approval {
        id: value::<i64>(row, at, place)? as u64,
        kind,
        body: nullable::<String>(row, at + 2, place)?.map(|text| body(&text, place)).transpose()?,
        requester: value(row, at + 3, place)?,
        requested_us: value(row, at + 4, place)?,
        comment: value(row, at + 5, place)?,
        decision,
    })
}

fn body(text: &str, place: &str) -> Result<Body> {
    serde_json::from_str(text).map_err(|error| corrupt(place, format!("a delivery cannot be read: {error}")))
}

fn corrupt(place: &str, what: String) -> Error {
    Error::Corrupt { place: place.to_owned(), what }
}

/// A delivery by its number.
pub(super) async fn get(tx: &mut Tx<'_>, id: u64) -> Result<Delivery> {
    let asked = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE d.id = ?"))).bind(id as i64);
    match tx.optional(asked).await? {
        Some(row) => delivery(&row, &tx.db.place),
        None => Err(Error::no_number(Thing::Delivery, id)),
    }
}

/// Stores a delivery that is new.
pub(crate) async fn insert(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<()> {
    let body = &delivery.body;
    let asked = sqlx::query(
        "INSERT INTO deliveries (name, search, state, body, start_us, end_us, creator, version, created_us, updated_us,
         updated_by, open_approval, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(body.name.as_str())
    .bind(body.name.to_lowercase())
    .bind(delivery.state.number())
    .bind(to_json(body)?)
    .bind(body.start_us)
    .bind(body.end_us)
    .bind(delivery.creator.as_str())
    .bind(delivery.version as i64)
    .bind(delivery.created_us)
    .bind(delivery.updated_us)
    .bind(delivery.updated_by.as_str())
    .bind(delivery.open.as_ref().map(|open| open.id as i64))
    .bind(delivery.id as i64);
    tx.execute(asked).await?;
    store_uses(tx, delivery).await
}

/// Stores a delivery that is there already.
pub(super) async fn store(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<()> {
    let body = &delivery.body;
    let asked = sqlx::query(
        "UPDATE deliveries SET name = ?, search = ?, state = ?, body = ?, start_us = ?, end_us = ?, version = ?,
         updated_us = ?, updated_by = ?, open_approval = ? WHERE id = ?",
    )
    .bind(body.name.as_str())
    .bind(body.name.to_lowercase())
    .bind(delivery.state.number())
    .bind(to_json(body)?)
    .bind(body.start_us)
    .bind(body.end_us)
    .bind(delivery.version as i64)
    .bind(delivery.updated_us)
    .bind(delivery.updated_by.as_str())
    .bind(delivery.open.as_ref().map(|open| open.id as i64))
    .bind(delivery.id as i64);
    tx.execute(asked).await?;
    store_uses(tx, delivery).await
}

/// Stores an approval of a delivery, in the place of what is stored under its number.
pub(crate) async fn store_approval(tx: &mut Tx<'_>, delivery: u64, approval: &Approval) -> Result<()> {
    let decision = approval.decision.as_ref();
    let asked = sqlx::query(
        "REPLACE INTO approvals (id, delivery_id, kind, body, requester, requested_us, comment, decision, decided_by,
         decided_us, decision_comment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(approval.id as i64)
    .bind(delivery as i64)
    .bind(match approval.kind {
        ApprovalKind::Create => 0_i64,
        ApprovalKind::Edit => 1,
        ApprovalKind::Cancel => 2,
    })
    .bind(approval.body.as_ref().map(to_json).transpose()?)
    .bind(approval.requester.as_str())
    .bind(approval.requested_us)
    .bind(approval.comment.as_str())
    .bind(decision.map(|decision| match decision.verdict {
        Verdict::Approved => 0_i64,
        Verdict::Rejected => 1,
        Verdict::Withdrawn => 2,
    }))
    .bind(decision.map(|decision| decision.by.clone()))
    .bind(decision.map(|decision| decision.at_us))
    .bind(decision.map(|decision| decision.comment.clone()));
    tx.execute(asked).await.map(drop)
}

/// Stores which labels a delivery names, by what it is and by what it is asked to become.
async fn store_uses(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<()> {
    let id = delivery.id as i64;
    let mut uses = uses(tx, &delivery.body).await?;
    if let Some(asked) = delivery.open.as_ref().and_then(|open| open.body.as_ref()) {
        uses.extend(self::uses(tx, asked).await?);
    }
    tx.execute(sqlx::query("DELETE FROM delivery_uses WHERE delivery_id = ?").bind(id)).await?;
    for label in uses {
        let asked = sqlx::query("INSERT INTO delivery_uses (delivery_id, label_id) VALUES (?, ?)");
        tx.execute(asked.bind(id).bind(label)).await?;
    }
    Ok(())
}

/// The labels that a delivery names, as far as they are there.
async fn uses(tx: &mut Tx<'_>, body: &Body) -> Result<BTreeSet<i64>> {
    let mut ids: Vec<i64> = body.exclude.iter().map(|label| label.id as i64).collect();
    let mut named = Vec::new();
    match &body.target {
        Target::Label(label) => ids.push(label.id as i64),
        Target::Rule(text) => {
            let rule = parse_stored(text, "a delivery", &tx.db.settings.rules, &tx.db.place)?;
            named.extend(nest::names(&rule).into_iter().map(str::to_owned));
        }
    }
    let mut found = BTreeSet::new();
    for chunk in by_chunks(&ids) {
        let sql = format!("SELECT id FROM labels WHERE id IN ({})", marks(chunk.len()));
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            asked = asked.bind(*id);
        }
        for row in tx.all(asked).await? {
            found.insert(value::<i64>(&row, 0, &tx.db.place)?);
        }
    }
    for chunk in by_chunks(&named) {
        let sql = format!("SELECT id FROM labels WHERE name IN ({})", marks(chunk.len()));
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for name in chunk {
            asked = asked.bind(name.as_str());
        }
        for row in tx.all(asked).await? {
            found.insert(value::<i64>(&row, 0, &tx.db.place)?);
        }
    }
    Ok(found)
}
