//! Reading deliveries: one, pages of them, what was asked for and decided, and all that are live.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::{Approval, Delivery, Status, rows};
use crate::catalog::Catalog;
use crate::db::{Counter, by_chunks, marks};
use crate::error::Result;
use crate::page::{Page, read_number};

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Those that stand like this.
    pub status: Option<Status>,
    /// With this in the name, whatever its case.
    pub search: String,
    /// Made by this person.
    pub creator: Option<String>,
    /// Only those for which something waits for approval.
    pub waiting: bool,
    /// Deliveries of a page; 0 is 100.
    pub page_size: u32,
    /// Where an earlier page ended.
    pub page_token: String,
}

/// All deliveries that are or will be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What [`Changes::deliveries`](crate::Changes) was, at least, when they were read.
    pub change: u64,
    /// Upcoming and ongoing ones, by number. What waits for approval is in them and not in force.
    pub deliveries: Vec<Delivery>,
}

const TOKEN: &str = "d";

impl Catalog {
    /// A delivery.
    pub async fn delivery(&self, id: u64) -> Result<Delivery> {
        let mut tx = self.db.read().await?;
        let outcome = rows::get(&mut tx, id).await;
        tx.finish(outcome).await
    }

    /// Deliveries, the newest first.
    pub async fn deliveries(&self, filter: &DeliveryFilter, now_us: i64) -> Result<Page<Delivery>> {
        let size = self.db.settings.page_size(filter.page_size);
        let before = read_number(&filter.page_token, TOKEN)?;
        let mut sql = format!("{} WHERE 1 = 1", rows::SELECT);
        if let Some(status) = filter.status {
            let _ = write!(sql, " AND {}", status.condition(now_us));
        }
        if filter.waiting {
            sql.push_str(" AND d.open_approval IS NOT NULL");
        }
        if let Some(before) = before {
            let _ = write!(sql, " AND d.id < {before}");
        }
        let search = filter.search.trim().to_lowercase();
        if !search.is_empty() {
            sql.push_str(" AND INSTR(d.search, ?) > 0");
        }
        if filter.creator.is_some() {
            sql.push_str(" AND d.creator = ?");
        }
        let _ = write!(sql, " ORDER BY d.id DESC LIMIT {}", size + 1);
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        if !search.is_empty() {
            asked = asked.bind(search);
        }
        if let Some(creator) = &filter.creator {
            asked = asked.bind(creator.as_str());
        }
        let mut tx = self.db.read().await?;
        let outcome = tx.all(asked).await;
        let found = tx.finish(outcome).await?;
        let found = found.iter().map(|row| rows::delivery(row, &self.db.place)).collect::<Result<_>>()?;
        Ok(Page::of(found, size, |delivery: &Delivery| format!("{TOKEN}{}", delivery.id)))
    }

    /// All deliveries that are not over and that name one of these labels, in what they are or in what they are asked to become; by number.
    pub async fn deliveries_of(&self, labels: &[u64], now_us: i64) -> Result<Vec<Delivery>> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            let mut found = BTreeMap::new();
            for chunk in by_chunks(labels) {
                let sql = format!(
                    "{} WHERE {} AND d.id IN (SELECT delivery_id FROM delivery_uses WHERE label_id IN ({}))",
                    rows::SELECT,
                    rows::NOT_OVER,
                    marks(chunk.len())
                );
                let mut asked = sqlx::query(AssertSqlSafe(sql)).bind(now_us);
                for id in chunk {
                    asked = asked.bind(*id as i64);
                }
                for row in tx.all(asked).await? {
                    let delivery = rows::delivery(&row, &tx.db.place)?;
                    found.insert(delivery.id, delivery);
                }
            }
            Ok(found)
        }
        .await;
        Ok(tx.finish(outcome).await?.into_values().collect())
    }

    /// All that was asked for about a delivery, and what was decided, the oldest first.
    pub async fn approvals(&self, id: u64) -> Result<Vec<Approval>> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            rows::get(&mut tx, id).await?;
            let sql = format!("{} WHERE delivery_id = ? ORDER BY id", rows::SELECT_APPROVALS);
            tx.all(sqlx::query(AssertSqlSafe(sql)).bind(id as i64)).await
        }
        .await;
        let found = tx.finish(outcome).await?;
        found.iter().map(|row| rows::approval(row, 0, &self.db.place)).collect()
    }

    /// All deliveries that are shown now or will be, for whoever shows them. They stay right as time goes on:
    /// [`Delivery::status_at`] tells which of them is shown at an instant.
    pub async fn live(&self, now_us: i64) -> Result<Live> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            // First, so that what is read is at least as new.
            let change = tx.counter(Counter::DeliveryChanges).await?;
            let sql = format!("{} WHERE d.state = 2 AND d.end_us > ? ORDER BY d.id", rows::SELECT);
            Ok((change, tx.all(sqlx::query(AssertSqlSafe(sql)).bind(now_us)).await?))
        }
        .await;
        let (change, found) = tx.finish(outcome).await?;
        let deliveries =
            found.iter().map(|row| rows::delivery(row, &self.db.place)).collect::<Result<_>>()?;
        Ok(Live { change, deliveries })
    }
}
