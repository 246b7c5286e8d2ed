//! The whole catalog as one JSON document, and back: into an empty catalog as it was, or into another by names.
//!
//! Counts and the audit are not in it: counts are made again, and the audit is what happened to one catalog.

mod import;
mod merge;

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

pub use self::import::{ImportMode, ImportReport};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx, value};
use crate::delivery::{Approval, Delivery, rows as delivery_rows};
use crate::error::{Error, Result};
use crate::label::{Label, LabelKind, rows as label_rows};
use crate::list;

/// What this program writes, and the newest that it reads.
pub const DOCUMENT_VERSION: u32 = 1;

/// A whole catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of this form.
    pub muster_catalog: u32,
    /// The greatest numbers that were given, so that none is given twice.
    pub last: LastNumbers,
    /// Labels by number.
    pub labels: Vec<LabelDocument>,
    /// Deliveries by number.
    pub deliveries: Vec<DeliveryDocument>,
}

/// The greatest numbers that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastNumbers {
    /// To a label.
    pub label: u64,
    /// To a delivery.
    pub delivery: u64,
    /// To an approval.
    pub approval: u64,
    /// To a version of a list.
    pub list: u64,
}

/// A label in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelDocument {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub kind: LabelKind,
    /// Its rule as canonical text; empty for a list.
    pub rule: String,
    /// The users of a list, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<u64>>,
    /// Whether it is refreshed and can be used.
    pub enabled: bool,
    /// Whether only its creator and admins see and use it.
    pub private: bool,
    /// Whether the system made it.
    pub predefined: bool,
    /// Who made it.
    pub creator: String,
    /// Its version.
    pub version: u64,
    /// When it was made, in microseconds since 1970.
    pub created_us: i64,
    /// When it was changed last.
    pub updated_us: i64,
    /// Who changed it last.
    pub updated_by: String,
    /// The version of a list.
    pub list_version: u64,
}

/// A delivery in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryDocument {
    /// The delivery.
    pub delivery: Delivery,
    /// All that was asked for and decided about it, the oldest first.
    pub approvals: Vec<Approval>,
}

impl Document {
    /// Reads a document.
    pub fn from_json(text: &str) -> Result<Self> {
        /// Of what may be a newer form, only its version.
        #[derive(Deserialize)]
        struct Versioned {
            muster_catalog: u32,
        }
        let at = |at: &str, what: String| Error::Import { at: at.to_owned(), what };
        let Versioned { muster_catalog } = serde_json::from_str(text)
            .map_err(|error| at("muster_catalog", format!("{error}; is it an export of a catalog?")))?;
        if muster_catalog > DOCUMENT_VERSION || muster_catalog == 0 {
            let what = format!(
                "version {muster_catalog} is not known, only up to {DOCUMENT_VERSION}; use a newer muster"
            );
            return Err(at("muster_catalog", what));
        }
        serde_json::from_str(text).map_err(|error| at("the document", error.to_string()))
    }

    /// The document's text. The same catalog gives the same text.
    pub fn to_json(&self) -> Result<String> {
        crate::audit::to_json(self)
    }
}

impl Catalog {
    /// The whole catalog, of one instant.
    pub async fn export(&self) -> Result<Document> {
        let mut tx = self.db.read().await?.for_maintenance();
        let outcome = export(&mut tx).await;
        tx.finish(outcome).await
    }
}

async fn export(tx: &mut Tx<'_>) -> Result<Document> {
    let mut labels = Vec::new();
    for label in all_labels(tx).await? {
        let users = match label.kind {
            LabelKind::List => Some(list::store::read(tx, &label).await?),
            LabelKind::Rule => None,
        };
        labels.push(LabelDocument::of(label, users));
    }
    let mut deliveries = Vec::new();
    let sql = format!("{} ORDER BY d.id", delivery_rows::SELECT);
    for row in tx.all(sqlx::query(AssertSqlSafe(sql))).await? {
        let delivery = delivery_rows::delivery(&row, &tx.db.place)?;
        let approvals = approvals_of(tx, delivery.id).await?;
        deliveries.push(DeliveryDocument { delivery, approvals });
    }
    let last = LastNumbers {
        label: tx.counter(Counter::Label).await?,
        delivery: tx.counter(Counter::Delivery).await?,
        approval: tx.counter(Counter::Approval).await?,
        list: tx.counter(Counter::List).await?,
    };
    Ok(Document { muster_catalog: DOCUMENT_VERSION, last, labels, deliveries })
}

/// All labels, by number.
pub(crate) async fn all_labels(tx: &mut Tx<'_>) -> Result<Vec<Label>> {
    let sql = format!("{} ORDER BY l.id", label_rows::select());
    let found = tx.all(sqlx::query(AssertSqlSafe(sql)).bind(i64::MAX)).await?;
    found.iter().map(|row| label_rows::label(row, &tx.db.place)).collect()
}

async fn approvals_of(tx: &mut Tx<'_>, delivery: u64) -> Result<Vec<Approval>> {
    let sql = format!("{} WHERE delivery_id = ? ORDER BY id", delivery_rows::SELECT_APPROVALS);
    let found = tx.all(sqlx::query(AssertSqlSafe(sql)).bind(delivery as i64)).await?;
    found.iter().map(|row| delivery_rows::approval(row, 0, &tx.db.place)).collect()
}

/// How many rows a table has.
pub(crate) async fn count(tx: &mut Tx<'_>, table: &'static str) -> Result<u64> {
    let rows = tx.all(sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))).await?;
    rows.first().map_or(Ok(0), |row| Ok(value::<i64>(row, 0, &tx.db.place)? as u64))
}

impl LabelDocument {
    fn of(label: Label, users: Option<Vec<u64>>) -> Self {
        Self {
            id: label.id,
            name: label.name,
            description: label.description,
            kind: label.kind,
            rule: label.rule,
            users,
            enabled: label.enabled,
            private: label.private,
            predefined: label.predefined,
            creator: label.creator,
            version: label.version,
            created_us: label.created_us,
            updated_us: label.updated_us,
            updated_by: label.updated_by,
            list_version: label.list_version,
        }
    }
}
