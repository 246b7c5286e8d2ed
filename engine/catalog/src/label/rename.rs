//! A label under a new name: the rules that name it follow, in the same transaction.

use muster_engine::rule::ast::Rule;
use sqlx::AssertSqlSafe;

use super::{Label, change, rows};
use crate::caller::Caller;
use crate::db::Tx;
use crate::delivery;
use crate::error::Result;

/// The rule with another name in the place of one.
pub(crate) fn renamed(rule: &Rule, from: &str, to: &str) -> Rule {
    let all = |of: &[Rule]| of.iter().map(|rule| renamed(rule, from, to)).collect();
    match rule {
        Rule::Label(name) if name == from => Rule::Label(to.to_owned()),
        Rule::And(of) => Rule::And(all(of)),
        Rule::Or(of) => Rule::Or(all(of)),
        Rule::AtLeast { k, of } => Rule::AtLeast { k: *k, of: all(of) },
        Rule::Not(of) => Rule::Not(Box::new(renamed(of, from, to))),
        other => other.clone(),
    }
}

/// Rewrites the rules of all labels and deliveries that name a label.
pub(super) async fn in_rules(
    tx: &mut Tx<'_>,
    caller: &Caller,
    label: &Label,
    to: &str,
    now_us: i64,
) -> Result<()> {
    let limits = tx.db.settings.rules.clone();
    let sql = format!("{} JOIN label_uses x ON x.label_id = l.id WHERE x.uses_id = ?", rows::select());
    let found = tx.all(sqlx::query(AssertSqlSafe(sql)).bind(now_us).bind(label.id as i64)).await?;
    for row in &found {
        let before = rows::label(row, &tx.db.place)?;
        let of = format!("label `{}`", before.name);
        let rule = rows::parse_stored(&before.rule, &of, &limits, &tx.db.place)?;
        let mut after = before.clone();
        rows::set_rule(&mut after, &renamed(&rule, &label.name, to), &limits)?;
        after.version += 1;
        after.updated_us = now_us;
        after.updated_by.clone_from(&caller.user);
        rows::store(tx, &after).await?;
        change::record(tx, caller, "rewrite", Some(&before), Some(&after), now_us).await?;
    }
    delivery::rename::in_bodies(tx, caller, label, to, now_us).await
}
