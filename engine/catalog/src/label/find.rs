//! Reading labels: one, pages of them, who uses them, and all their rules for whoever evaluates them.

use std::collections::HashMap;
use std::fmt::Write as _;

use muster_engine::rule::ast::Rule;
use sqlx::AssertSqlSafe;

use super::sort::After;
use super::{Label, LabelKey, LabelKind, LabelOrder, change, rows};
use crate::caller::Caller;
use crate::catalog::Catalog;
use crate::db::{Counter, value};
use crate::error::{Result, UsedBy};
use crate::page::Page;

/// Which labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFilter {
    /// With this in the name or the description, whatever its case.
    pub search: String,
    /// Enabled ones or disabled ones.
    pub enabled: Option<bool>,
    /// Rules or lists.
    pub kind: Option<LabelKind>,
    /// Private ones or shared ones.
    pub private: Option<bool>,
    /// Those that the system made, or those that people made.
    pub predefined: Option<bool>,
    /// Made by this person.
    pub creator: Option<String>,
    /// Those whose last refresh failed, or those whose last refresh did not.
    pub failed: Option<bool>,
    /// In which order.
    pub order: LabelOrder,
    /// Labels of a page; 0 is 100.
    pub page_size: u32,
    /// Where an earlier page ended.
    pub page_token: String,
}

/// What uses a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelUsers {
    /// Labels by name, then deliveries that are not over, as far as the caller may see them.
    pub by: Vec<UsedBy>,
    /// How many more use it that the caller may not see.
    pub hidden: u64,
}

/// All labels as somebody who evaluates them needs them.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRules {
    /// What [`Changes::labels`](crate::Changes) was, at least, when they were read.
    pub change: u64,
    /// All of them, by number; private and disabled ones too.
    pub labels: Vec<LabelRule>,
}

/// A label as somebody who evaluates it needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRule {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its rule; none for a list.
    pub rule: Option<Rule>,
    /// Whether it is refreshed and can be used.
    pub enabled: bool,
    /// Whether only its creator and admins see and use it.
    pub private: bool,
    /// Whether the system made it.
    pub predefined: bool,
    /// Who made it.
    pub creator: String,
    /// Goes up with every change.
    pub version: u64,
    /// Goes up with every upload of a list.
    pub list_version: u64,
    /// Users in the list.
    pub list_users: u64,
}

impl LabelRules {
    /// The rules of rule labels by name, which the engine takes as labels inside rules.
    pub fn by_name(&self) -> HashMap<String, Rule> {
        self.labels.iter().filter_map(|label| Some((label.name.clone(), label.rule.clone()?))).collect()
    }
}

impl Catalog {
    /// A label that the caller may see.
    pub async fn label(&self, caller: &Caller, key: &LabelKey, now_us: i64) -> Result<Label> {
        let mut tx = self.db.read().await?;
        let outcome = rows::get(&mut tx, caller, key, now_us).await;
        tx.finish(outcome).await
    }

    /// Labels that the caller may see, by name unless another order is asked for. `now_us` tells which deliveries are over and use nothing any more.
    pub async fn labels(&self, caller: &Caller, filter: &LabelFilter, now_us: i64) -> Result<Page<Label>> {
        let size = self.db.settings.page_size(filter.page_size);
        let (conditions, values) = conditions(caller, filter)?;
        let order = filter.order.sql();
        let sql = format!("{} WHERE {conditions} ORDER BY {order} LIMIT {}", rows::select(), size + 1);
        let mut asked = sqlx::query(AssertSqlSafe(sql)).bind(now_us);
        for value in values {
            asked = match value {
                Value::Number(number) => asked.bind(number),
                Value::Text(text) => asked.bind(text),
            };
        }
        let mut tx = self.db.read().await?;
        let outcome = tx.all(asked).await;
        let found = tx.finish(outcome).await?;
        let labels = found.iter().map(|row| rows::label(row, &self.db.place)).collect::<Result<_>>()?;
        Ok(Page::of(labels, size, |label: &Label| filter.order.token(label)))
    }

    /// What uses a label.
    pub async fn label_users(&self, caller: &Caller, key: &LabelKey, now_us: i64) -> Result<LabelUsers> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            let label = rows::get(&mut tx, caller, key, now_us).await?;
            change::users(&mut tx, label.id, now_us).await
        }
        .await;
        let users = tx.finish(outcome).await?;
        let (seen, unseen): (Vec<_>, Vec<_>) = users.into_iter().partition(|user| user.is_seen(caller));
        Ok(LabelUsers { by: seen.into_iter().map(|user| user.what).collect(), hidden: unseen.len() as u64 })
    }

    /// All labels with their rules.
    pub async fn label_rules(&self) -> Result<LabelRules> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            // First, so that what is read is at least as new.
            let change = tx.counter(Counter::LabelChanges).await?;
            let asked = sqlx::query(
                "SELECT id, name, kind, rule, enabled, private, creator, version, list_version, list_users, predefined
                 FROM labels ORDER BY id",
            );
            Ok((change, tx.all(asked).await?))
        }
        .await;
        let (change, found) = tx.finish(outcome).await?;
        let (place, limits) = (&self.db.place, &self.db.settings.rules);
        let mut labels = Vec::with_capacity(found.len());
        for row in &found {
            let number = |at: usize| value::<i64>(row, at, place);
            let name: String = value(row, 1, place)?;
            let rule = if number(2)? == 0 {
                let text: String = value(row, 3, place)?;
                Some(rows::parse_stored(&text, &format!("label `{name}`"), limits, place)?)
            } else {
                None
            };
            labels.push(LabelRule {
                id: number(0)? as u64,
                name,
                rule,
                enabled: number(4)? != 0,
                private: number(5)? != 0,
                creator: value(row, 6, place)?,
                version: number(7)? as u64,
                list_version: number(8)? as u64,
                list_users: number(9)? as u64,
                predefined: number(10)? != 0,
            });
        }
        Ok(LabelRules { change, labels })
    }
}

/// A value of a condition.
enum Value {
    Number(i64),
    Text(String),
}

/// The conditions of a filter, and their values in order.
fn conditions(caller: &Caller, filter: &LabelFilter) -> Result<(String, Vec<Value>)> {
    let (mut sql, mut values) = ("1 = 1".to_owned(), Vec::new());
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            let _ = write!(sql, " AND {condition}");
            values.push(value);
        }
    };
    let flag = |flag: Option<bool>| flag.map(|flag| Value::Number(i64::from(flag)));
    let seen = (!caller.admin).then(|| Value::Text(caller.user.clone()));
    add("(l.private = 0 OR l.creator = ?)", seen);
    add("l.enabled = ?", flag(filter.enabled));
    add("l.private = ?", flag(filter.private));
    add("l.predefined = ?", flag(filter.predefined));
    add("l.kind = ?", filter.kind.map(|kind| Value::Number(i64::from(kind == LabelKind::List))));
    add("l.creator = ?", filter.creator.clone().map(Value::Text));
    add("CASE WHEN c.failed IS NULL THEN 0 ELSE 1 END = ?", flag(filter.failed));
    let search = filter.search.trim().to_lowercase();
    add("INSTR(l.search, ?) > 0", (!search.is_empty()).then_some(Value::Text(search)));
    if let Some(after) = filter.order.read(&filter.page_token)? {
        let _ = write!(sql, " AND {}", filter.order.after_sql());
        match after {
            After::Name(name) => values.push(Value::Text(name)),
            After::Number(number, id) => values.extend([number, number, id].map(Value::Number)),
        }
    }
    Ok((sql, values))
}
