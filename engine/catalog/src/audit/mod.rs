//! What was done, by whom, when: records that are added with each change and never changed or removed.
//!
//! A record is written in the transaction of the change it tells of. No secret belongs into one: what others record here
//! names tokens and never shows them.

mod event;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

pub use self::event::{Event, MaskTotals};
use crate::caller::{Caller, check_name, check_text, shortened};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx, nullable, value};
use crate::error::{Error, Result};
use crate::page::{Page, read_number};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A label.
    Label,
    /// The users of a list.
    List,
    /// A delivery.
    Delivery,
    /// A request for approval, or the decision on one.
    Approval,
    /// An import of a whole catalog.
    Import,
    /// A generation: published, discarded, put back into service.
    Generation,
    /// A rebuild.
    Rebuild,
    /// A token: made, changed, taken back.
    Token,
    /// Users who were erased or who opted out.
    Erasure,
    /// The server and its configuration.
    Server,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Label,
        Self::List,
        Self::Delivery,
        Self::Approval,
        Self::Import,
        Self::Generation,
        Self::Rebuild,
        Self::Token,
        Self::Erasure,
        Self::Server,
    ];

    /// Its name, as in the table and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::List => "list",
            Self::Delivery => "delivery",
            Self::Approval => "approval",
            Self::Import => "import",
            Self::Generation => "generation",
            Self::Rebuild => "rebuild",
            Self::Token => "token",
            Self::Erasure => "erasure",
            Self::Server => "server",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid("kind", format!("`{name}` is none; there are {known}"))
        })
    }
}

/// A record of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number; greater is later.
    pub id: u64,
    /// When, in microseconds since 1970.
    pub at_us: i64,
    /// By whom.
    pub actor: String,
    /// What it is about.
    pub kind: Kind,
    /// What was done.
    pub action: String,
    /// The number of what it was done to.
    pub object_id: Option<u64>,
    /// The name of what it was done to.
    pub object: String,
    /// How it was before.
    pub before: Option<Json>,
    /// How it was after.
    pub after: Option<Json>,
    /// What was said about it.
    pub comment: String,
    /// In which request.
    pub request: String,
}

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this.
    pub kind: Option<Kind>,
    /// About what has this number.
    pub object_id: Option<u64>,
    /// By this person.
    pub actor: Option<String>,
    /// Not before this instant.
    pub from_us: Option<i64>,
    /// Before this instant.
    pub until_us: Option<i64>,
    /// Records of a page; 0 is 100.
    pub page_size: u32,
    /// Where an earlier page ended.
    pub page_token: String,
}

const TOKEN: &str = "a";
const COLUMNS: &str =
    "id, at_us, actor, kind, action, object_id, object, before_json, after_json, comment, request";

impl Catalog {
    /// Adds a record of something that was done elsewhere.
    pub async fn record(&self, caller: &Caller, event: Event, now_us: i64) -> Result<u64> {
        caller.check()?;
        check_name("action", &event.action)?;
        check_text("comment", &event.comment)?;
        let mut tx = self.db.write().await?;
        let outcome = tx.audit(caller, &event, now_us).await;
        tx.finish(outcome).await
    }

    /// Records, the newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Page<Record>> {
        let size = self.db.settings.page_size(filter.page_size);
        let before = read_number(&filter.page_token, TOKEN)?;
        let mut tx = self.db.read().await?;
        // One more than fits tells whether there are more.
        let outcome = find(&mut tx, filter, Order::NewestFirst, before, size + 1).await;
        let records = tx.finish(outcome).await?;
        Ok(Page::of(records, size, |record| format!("{TOKEN}{}", record.id)))
    }

    /// Records, the oldest first, that came after the one of this number: some hundreds of them, none at the end. With the number
    /// of the last one, the next call goes on. The pages of a filter are not looked at.
    pub async fn audit_after(&self, filter: &AuditFilter, after: Option<u64>) -> Result<Vec<Record>> {
        /// Records of one piece.
        const PIECE: usize = 500;
        let after = after.map(|id| i64::try_from(id).unwrap_or(i64::MAX));
        let mut tx = self.db.read().await?;
        let outcome = find(&mut tx, filter, Order::OldestFirst, after, PIECE).await;
        tx.finish(outcome).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

/// Up to so many records.
async fn find(
    tx: &mut Tx<'_>,
    filter: &AuditFilter,
    order: Order,
    beyond: Option<i64>,
    size: usize,
) -> Result<Vec<Record>> {
    let mut sql = format!("SELECT {COLUMNS} FROM audit WHERE 1 = 1");
    let mut numbers = Vec::new();
    let mut add = |condition: &str, number: Option<i64>| {
        if let Some(number) = number {
            let _ = write!(sql, " AND {condition} ?");
            numbers.push(number);
        }
    };
    add("object_id =", filter.object_id.map(|id| id as i64));
    add("at_us >=", filter.from_us);
    add("at_us <", filter.until_us);
    add(if order == Order::NewestFirst { "id <" } else { "id >" }, beyond);
    if filter.kind.is_some() {
        sql.push_str(" AND kind = ?");
    }
    if filter.actor.is_some() {
        sql.push_str(" AND actor = ?");
    }
    let direction = if order == Order::NewestFirst { "DESC" } else { "ASC" };
    let _ = write!(sql, " ORDER BY id {direction} LIMIT {size}");
    let mut asked = sqlx::query(AssertSqlSafe(sql));
    for number in numbers {
        asked = asked.bind(number);
    }
    if let Some(kind) = filter.kind {
        asked = asked.bind(kind.name());
    }
    if let Some(actor) = &filter.actor {
        asked = asked.bind(actor.as_str());
    }
    let rows = tx.all(asked).await?;
    rows.iter().map(|row| record(row, &tx.db.place)).collect()
}

fn record(row: &AnyRow, place: &str) -> Result<Record> {
    let corrupt = |what: String| Error::Corrupt { place: place.to_owned(), what };
    let kind: String = value(row, 3, place)?;
    let kind = kind.parse().map_err(|_| corrupt(format!("a record of the audit is about `{kind}`")))?;
    let json = |at: usize| -> Result<Option<Json>> {
        nullable::<String>(row, at, place)?
            .map(|text| {
                serde_json::from_str(&text)
                    .map_err(|error| corrupt(format!("a record of the audit: {error}")))
            })
            .transpose()
    };
    Ok(Record {
        id: value::<i64>(row, 0, place)? as u64,
        at_us: value(row, 1, place)?,
        actor: value(row, 2, place)?,
        kind,
        action: value(row, 4, place)?,
        object_id: nullable::<i64>(row, 5, place)?.map(|id| id as u64),
        object: value(row, 6, place)?,
        before: json(7)?,
        after: json(8)?,
        comment: value(row, 9, place)?,
        request: value(row, 10, place)?,
    })
}

impl Tx<'_> {
    /// Adds a record to this transaction; its number.
    pub(crate) async fn audit(&mut self, caller: &Caller, event: &Event, now_us: i64) -> Result<u64> {
        let id = self.count_up(Counter::Audit, 1).await?;
        let insert = format!("INSERT INTO audit ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let text = |json: &Option<Json>| json.as_ref().map(to_json).transpose();
        let asked = sqlx::query(AssertSqlSafe(insert))
            .bind(id as i64)
            .bind(now_us)
            .bind(caller.user.as_str())
            .bind(event.kind.name())
            .bind(event.action.as_str())
            .bind(event.id.map(|id| id as i64))
            .bind(shortened(&event.name))
            .bind(text(&event.before)?)
            .bind(text(&event.after)?)
            .bind(event.comment.as_str())
            .bind(shortened(&caller.request));
        self.execute(asked).await?;
        Ok(id)
    }
}

/// A record's JSON text. What is stored here has string keys only, so it cannot fail in practice.
pub(crate) fn to_json(of: &impl Serialize) -> Result<String> {
    serde_json::to_string(of).map_err(|error| Error::invalid("record", error.to_string()))
}

/// The same as a tree, for the audit.
pub(crate) fn to_tree(of: &impl Serialize) -> Result<Json> {
    serde_json::to_value(of).map_err(|error| Error::invalid("record", error.to_string()))
}
