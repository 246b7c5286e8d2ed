//! A label under a new name: deliveries that name it follow.

use sqlx::AssertSqlSafe;

use super::edit::record;
use super::{Body, LabelRef, Target, rows, step};
use crate::audit::Kind;
use crate::caller::Caller;
use crate::db::Tx;
use crate::error::Result;
use crate::label::rename::renamed;
use crate::label::rows::{parse_stored, rule_texts};
use crate::label::{Label, nest};

/// Rewrites all deliveries that name a label, and what they are asked to become.
pub(crate) async fn in_bodies(
    tx: &mut Tx<'_>,
    caller: &Caller,
    label: &Label,
    to: &str,
    now_us: i64,
) -> Result<()> {
    let sql = format!("{} JOIN delivery_uses x ON x.delivery_id = d.id WHERE x.label_id = ?", rows::SELECT);
    let found = tx.all(sqlx::query(AssertSqlSafe(sql)).bind(label.id as i64)).await?;
    for row in &found {
        let before = rows::delivery(row, &tx.db.place)?;
        let mut after = step::next(&before, caller, now_us);
        rewrite(tx, &mut after.body, label, to)?;
        if let Some(open) = &mut after.open {
            if let Some(body) = &mut open.body {
                rewrite(tx, body, label, to)?;
            }
            rows::store_approval(tx, before.id, open).await?;
        }
        // Not `rows::store`: which labels it names is found by their names, and this one still has its old name.
        let asked = sqlx::query(
            "UPDATE deliveries SET body = ?, version = ?, updated_us = ?, updated_by = ? WHERE id = ?",
        )
        .bind(crate::audit::to_json(&after.body)?)
        .bind(after.version as i64)
        .bind(after.updated_us)
        .bind(after.updated_by.as_str())
        .bind(after.id as i64);
        tx.execute(asked).await?;
        record(tx, caller, Kind::Delivery, "rewrite", (Some(&before), Some(&after)), "", now_us).await?;
    }
    Ok(())
}

fn rewrite(tx: &Tx<'_>, body: &mut Body, label: &Label, to: &str) -> Result<()> {
    let set = |named: &mut LabelRef| {
        if named.id == label.id {
            to.clone_into(&mut named.name);
        }
    };
    body.exclude.iter_mut().for_each(set);
    match &mut body.target {
        Target::Label(named) => set(named),
        Target::Rule(text) => {
            let limits = &tx.db.settings.rules;
            let rule = parse_stored(text, "a delivery", limits, &tx.db.place)?;
            if nest::names(&rule).contains(label.name.as_str()) {
                *text = rule_texts(&renamed(&rule, &label.name, to), limits)?.0;
            }
        }
    }
    Ok(())
}
