//! Labels to rows and back.

use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::{FailedCount, Label, LabelCount, LabelCounts, LabelKey, LabelKind, PreviousCount};
use crate::caller::Caller;
use crate::db::{Tx, nullable, value};
use crate::delivery::rows::NOT_OVER;
use crate::error::{Error, Result, Thing};

/// Columns of a label, in the order of [`label`], and where they come from. Its one parameter is the instant at which
/// deliveries are over.
pub(crate) fn select() -> String {
    format!(
        "SELECT l.id, l.name, l.description, l.kind, l.rule, l.rules_json, l.enabled, l.private, l.predefined, l.creator,
         l.version, l.created_us, l.updated_us, l.updated_by, l.list_version, l.list_users, c.generation, c.as_of_us, c.users,
         c.universe, c.previous_generation, c.previous_users, c.previous_universe, c.failed_generation, c.failed,
         (SELECT COUNT(*) FROM label_uses u WHERE u.uses_id = l.id),
         (SELECT COUNT(*) FROM delivery_uses u JOIN deliveries d ON d.id = u.delivery_id
          WHERE u.label_id = l.id AND {NOT_OVER})
         FROM labels l LEFT JOIN label_latest c ON c.label_id = l.id"
    )
}

/// A label from a row of [`select`].
pub(crate) fn label(row: &AnyRow, place: &str) -> Result<Label> {
    let number = |at: usize| value::<i64>(row, at, place);
    let maybe = |at: usize| nullable::<i64>(row, at, place);
    let kind = if number(3)? == 0 { LabelKind::Rule } else { LabelKind::List };
    Ok(Label {
        id: number(0)? as u64,
        name: value(row, 1, place)?,
        description: value(row, 2, place)?,
        kind,
        rule: value(row, 4, place)?,
        rules_json: nullable(row, 5, place)?,
        enabled: number(6)? != 0,
        private: number(7)? != 0,
        predefined: number(8)? != 0,
        creator: value(row, 9, place)?,
        version: number(10)? as u64,
        created_us: number(11)?,
        updated_us: number(12)?,
        updated_by: value(row, 13, place)?,
        list_version: number(14)? as u64,
        list_users: number(15)? as u64,
        counts: LabelCounts {
            latest: match (maybe(16)?, maybe(17)?, maybe(18)?, maybe(19)?) {
                (Some(generation), Some(as_of_us), Some(users), Some(universe)) => Some(LabelCount {
                    generation: generation as u64,
                    as_of_us,
                    users: users as u64,
                    universe: universe as u64,
                }),
                _ => None,
            },
            previous: match (maybe(20)?, maybe(21)?, maybe(22)?) {
                (Some(generation), Some(users), Some(universe)) => Some(PreviousCount {
                    generation: generation as u64,
                    users: users as u64,
                    universe: universe as u64,
                }),
                _ => None,
            },
            failed: match (maybe(23)?, nullable::<String>(row, 24, place)?) {
                (Some(generation), Some(reason)) => {
                    Some(FailedCount { generation: generation as u64, reason })
                }
                _ => None,
            },
        },
        used_by_labels: number(25)? as u64,
        used_by_deliveries: number(26)? as u64,
    })
}

/// A label that the caller may see, or the error that there is none.
pub(crate) async fn get(tx: &mut Tx<'_>, caller: &Caller, key: &LabelKey, now_us: i64) -> Result<Label> {
    let (column, which) = match key {
        LabelKey::Id(id) => ("id", id.to_string()),
        LabelKey::Name(name) => ("name", format!("`{name}`")),
    };
    let asked = sqlx::query(AssertSqlSafe(format!("{} WHERE l.{column} = ?", select()))).bind(now_us);
    let asked = match key {
        LabelKey::Id(id) => asked.bind(*id as i64),
        LabelKey::Name(name) => asked.bind(name.as_str()),
    };
    let found = tx.optional(asked).await?.map(|row| label(&row, &tx.db.place)).transpose()?;
    found.filter(|label| is_seen(label, caller)).ok_or(Error::NotFound { thing: Thing::Label, which })
}

fn is_seen(label: &Label, caller: &Caller) -> bool {
    !label.private || caller.admin || label.creator == caller.user
}

/// Stores a label that is new.
pub(crate) async fn insert(tx: &mut Tx<'_>, label: &Label) -> Result<()> {
    let asked = sqlx::query(
        "INSERT INTO labels (id, name, description, search, kind, rule, rules_json, enabled, private, predefined, creator,
         version, created_us, updated_us, updated_by, list_version, list_users)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(label.id as i64)
    .bind(label.name.as_str())
    .bind(label.description.as_str())
    .bind(search_text(label))
    .bind(i64::from(label.kind == LabelKind::List))
    .bind(label.rule.as_str())
    .bind(label.rules_json.as_deref())
    .bind(i64::from(label.enabled))
    .bind(i64::from(label.private))
    .bind(i64::from(label.predefined))
    .bind(label.creator.as_str())
    .bind(label.version as i64)
    .bind(label.created_us)
    .bind(label.updated_us)
    .bind(label.updated_by.as_str())
    .bind(label.list_version as i64)
    .bind(label.list_users as i64);
    tx.execute(asked).await.map(drop)
}

/// Stores a label that is there already.
pub(crate) async fn store(tx: &mut Tx<'_>, label: &Label) -> Result<()> {
    let asked = sqlx::query(
        "UPDATE labels SET name = ?, description = ?, search = ?, rule = ?, rules_json = ?, enabled = ?, private = ?,
         version = ?, updated_us = ?, updated_by = ?, list_version = ?, list_users = ? WHERE id = ?",
    )
    .bind(label.name.as_str())
    .bind(label.description.as_str())
    .bind(search_text(label))
    .bind(label.rule.as_str())
    .bind(label.rules_json.as_deref())
    .bind(i64::from(label.enabled))
    .bind(i64::from(label.private))
    .bind(label.version as i64)
    .bind(label.updated_us)
    .bind(label.updated_by.as_str())
    .bind(label.list_version as i64)
    .bind(label.list_users as i64)
    .bind(label.id as i64);
    tx.execute(asked).await.map(drop)
}

/// Stores which labels a label's rule names.
pub(crate) async fn store_uses(tx: &mut Tx<'_>, id: u64, uses: &[u64]) -> Result<()> {
    tx.execute(sqlx::query("DELETE FROM label_uses WHERE label_id = ?").bind(id as i64)).await?;
    for used in uses {
        let asked = sqlx::query("INSERT INTO label_uses (label_id, uses_id) VALUES (?, ?)");
        tx.execute(asked.bind(id as i64).bind(*used as i64)).await?;
    }
    Ok(())
}

/// What a search looks in: both databases compare it byte by byte.
fn search_text(label: &Label) -> String {
    format!("{}\n{}", label.name, label.description).to_lowercase()
}

/// Gives a label this rule: its text and its JSON.
pub(crate) fn set_rule(label: &mut Label, rule: &Rule, limits: &Limits) -> Result<()> {
    let (text, json) = rule_texts(rule, limits)?;
    label.rule = text;
    label.rules_json = json;
    Ok(())
}

/// A rule's canonical text, and its JSON where it has one.
pub(crate) fn rule_texts(rule: &Rule, limits: &Limits) -> Result<(String, Option<String>)> {
    limits.check(rule).map_err(Error::rule("rule"))?;
    let text = rule.to_string();
    limits.check_rule_bytes(text.len()).map_err(Error::rule("rule"))?;
    Ok((text, rule.to_json().ok().map(|json| json.to_string())))
}

/// A stored rule's tree.
pub(crate) fn parse_stored(text: &str, of: &str, limits: &Limits, place: &str) -> Result<Rule> {
    Rule::parse(text, limits).map_err(|error| Error::Corrupt {
        place: place.to_owned(),
        what: format!(
            "the rule of {of} cannot be read, or passes a limit that was greater when it was stored: {error}"
        ),
    })
}
