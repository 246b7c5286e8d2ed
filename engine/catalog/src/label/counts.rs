//! How many users labels have, generation by generation.
//!
//! Recording a count is no change of a label: its version stays, and nobody is told. The latest count and the one before are
//! kept beside the label, so that a page of labels reads no history.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::{LabelCount, LabelKey, rows};
use crate::caller::Caller;
use crate::catalog::Catalog;
use crate::db::{Tx, by_chunks, marks, nullable, value};
use crate::error::Result;

/// What became of counting a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountOfLabel {
    /// Which label.
    pub label_id: u64,
    /// What became of it.
    pub outcome: CountOutcome,
}

/// A count, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountOutcome {
    /// It was counted.
    Counted {
        /// Users that the label has.
        users: u64,
        /// Users that there are.
        universe: u64,
    },
    /// It could not be counted.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How many counts were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Those that were stored.
    pub stored: u64,
    /// Those of labels that are not there any more.
    pub gone: u64,
}

/// A count of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountRecord {
    /// In which generation.
    pub generation: u64,
    /// When its source was read, in microseconds since 1970.
    pub as_of_us: i64,
    /// When it was stored.
    pub recorded_us: i64,
    /// What became of it.
    pub outcome: CountOutcome,
}

/// What is kept beside a label; the columns of `label_latest` after the label's number.
#[derive(Debug, Clone, Default)]
struct Latest {
    count: Option<(i64, i64, i64, i64)>,
    previous: Option<(i64, i64, i64)>,
    failed: Option<(i64, String)>,
}

impl Catalog {
    /// Stores what counting labels in one generation gave. Counting the same generation again replaces its counts.
    pub async fn record_counts(
        &self,
        generation: u64,
        as_of_us: i64,
        counts: &[CountOfLabel],
        now_us: i64,
    ) -> Result<Recorded> {
        let mut tx = self.db.write().await?;
        let outcome = record(&mut tx, generation as i64, as_of_us, counts, now_us).await;
        tx.finish(outcome).await
    }

    /// Counts of a label, the newest generation first, `limit` of them at most; 0 is 100.
    pub async fn label_counts(
        &self,
        caller: &Caller,
        key: &LabelKey,
        limit: u32,
        now_us: i64,
    ) -> Result<Vec<CountRecord>> {
        let size = self.db.settings.page_size(limit);
        let mut tx = self.db.read().await?;
        let outcome = async {
            let label = rows::get(&mut tx, caller, key, now_us).await?;
            let sql = format!(
                "SELECT generation, as_of_us, recorded_us, users, universe, failed FROM label_counts
                 WHERE label_id = ? ORDER BY generation DESC LIMIT {size}"
            );
            tx.all(sqlx::query(AssertSqlSafe(sql)).bind(label.id as i64)).await
        }
        .await;
        let found = tx.finish(outcome).await?;
        found.iter().map(|row| count_record(row, &self.db.place)).collect()
    }
}

impl Catalog {
    /// The last counts of labels, of each `most` at most, the oldest first; what could not be counted is left out. A label without counts is
    /// not in it. Whoever asks has seen the labels.
    pub async fn recent_counts(&self, label_ids: &[u64], most: u32) -> Result<HashMap<u64, Vec<LabelCount>>> {
        let mut found: HashMap<u64, Vec<LabelCount>> = HashMap::new();
        if label_ids.is_empty() || most == 0 {
            return Ok(found);
        }
        let sql = format!(
            "SELECT label_id, generation, as_of_us, users, universe FROM
             (SELECT label_id, generation, as_of_us, users, universe,
              ROW_NUMBER() OVER (PARTITION BY label_id ORDER BY generation DESC) AS newest
              FROM label_counts WHERE users IS NOT NULL AND label_id IN ({})) AS counted
             WHERE newest <= {most} ORDER BY label_id, generation",
            marks(label_ids.len())
        );
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for id in label_ids {
            asked = asked.bind(*id as i64);
        }
        let mut tx = self.db.read().await?;
        let outcome = tx.all(asked).await;
        for row in &tx.finish(outcome).await? {
            let number = |at: usize| value::<i64>(row, at, &self.db.place);
            let count = LabelCount {
                generation: number(1)? as u64,
                as_of_us: number(2)?,
                users: number(3)? as u64,
                universe: number(4)? as u64,
            };
            found.entry(number(0)? as u64).or_default().push(count);
        }
        Ok(found)
    }
}

fn count_record(row: &sqlx::any::AnyRow, place: &str) -> Result<CountRecord> {
    let outcome = match (nullable::<i64>(row, 3, place)?, nullable::<i64>(row, 4, place)?) {
        (Some(users), Some(universe)) => {
            CountOutcome::Counted { users: users as u64, universe: universe as u64 }
        }
        _ => CountOutcome::Failed { reason: nullable::<String>(row, 5, place)?.unwrap_or_default() },
    };
    Ok(CountRecord {
        generation: value::<i64>(row, 0, place)? as u64,
        as_of_us: value(row, 1, place)?,
        recorded_us: value(row, 2, place)?,
        outcome,
    })
}

async fn record(
    tx: &mut Tx<'_>,
    generation: i64,
    as_of_us: i64,
    counts: &[CountOfLabel],
    now_us: i64,
) -> Result<Recorded> {
    /// Microseconds of a day.
    const DAY_US: i64 = 86_400_000_000;
    let kept_us = i64::from(tx.db.settings.counts_kept_days) * DAY_US;
    let prune = sqlx::query("DELETE FROM label_counts WHERE recorded_us < ?").bind(now_us - kept_us);
    tx.execute(prune).await?;

    // The last one wins where a label is named twice.
    let given: HashMap<i64, &CountOutcome> =
        counts.iter().map(|count| (count.label_id as i64, &count.outcome)).collect();
    let (least, greatest) = (given.keys().min(), given.keys().max());
    let mut latest = match (least, greatest) {
        (Some(least), Some(greatest)) => known(tx, *least, *greatest).await?,
        _ => HashMap::new(),
    };
    let mut kept: Vec<(i64, &CountOutcome)> =
        given.iter().filter(|(id, _)| latest.contains_key(id)).map(|(id, outcome)| (*id, *outcome)).collect();
    kept.sort_unstable_by_key(|(id, _)| *id);
    let before = if kept.iter().any(|(id, _)| is_older(latest.get(id), generation)) {
        counts_before(tx, generation).await?
    } else {
        HashMap::new()
    };
    for chunk in by_chunks(&kept) {
        store_history(tx, chunk, generation, as_of_us, now_us).await?;
        for (id, outcome) in chunk {
            let slot = latest.entry(*id).or_default();
            advance(slot, outcome, generation, as_of_us, before.get(id).copied());
        }
        store_latest(tx, chunk, &latest).await?;
    }
    Ok(Recorded { stored: kept.len() as u64, gone: (given.len() - kept.len()) as u64 })
}

fn is_older(latest: Option<&Latest>, generation: i64) -> bool {
    latest.and_then(|latest| latest.count).is_some_and(|(counted, ..)| counted > generation)
}

/// What is beside a label after one more count.
fn advance(
    slot: &mut Latest,
    outcome: &CountOutcome,
    generation: i64,
    as_of_us: i64,
    before: Option<(i64, i64, i64)>,
) {
    match outcome {
        CountOutcome::Failed { reason } => slot.failed = Some((generation, reason.clone())),
        CountOutcome::Counted { users, universe } => {
            if let Some((counted, _, users, universe)) = slot.count {
                if counted < generation {
                    slot.previous = Some((counted, users, universe));
                } else if counted > generation {
                    // An older generation is in service again.
                    slot.previous = before;
                }
            }
            slot.count = Some((generation, as_of_us, *users as i64, *universe as i64));
            slot.failed = None;
        }
    }
}

/// What is beside each label that is there, from one number to another.
async fn known(tx: &mut Tx<'_>, least: i64, greatest: i64) -> Result<HashMap<i64, Latest>> {
    let asked = sqlx::query(
        "SELECT l.id, c.generation, c.as_of_us, c.users, c.universe, c.previous_generation, c.previous_users,
         c.previous_universe, c.failed_generation, c.failed FROM labels l LEFT JOIN label_latest c ON c.label_id = l.id
         WHERE l.id >= ? AND l.id <= ?",
    );
    let mut found = HashMap::new();
    for row in &tx.all(asked.bind(least).bind(greatest)).await? {
        let place = &tx.db.place;
        let maybe = |at: usize| nullable::<i64>(row, at, place);
        let latest = Latest {
            count: match (maybe(1)?, maybe(2)?, maybe(3)?, maybe(4)?) {
                (Some(generation), Some(as_of), Some(users), Some(universe)) => {
                    Some((generation, as_of, users, universe))
                }
                _ => None,
            },
            previous: match (maybe(5)?, maybe(6)?, maybe(7)?) {
                (Some(generation), Some(users), Some(universe)) => Some((generation, users, universe)),
                _ => None,
            },
            failed: maybe(8)?.zip(nullable(row, 9, place)?),
        };
        found.insert(value(row, 0, place)?, latest);
    }
    Ok(found)
}

/// Counts of the newest generation before this one that was counted.
async fn counts_before(tx: &mut Tx<'_>, generation: i64) -> Result<HashMap<i64, (i64, i64, i64)>> {
    let asked = sqlx::query(
        "SELECT label_id, generation, users, universe FROM label_counts WHERE users IS NOT NULL AND generation =
         (SELECT MAX(generation) FROM label_counts WHERE generation < ?)",
    );
    let mut found = HashMap::new();
    for row in &tx.all(asked.bind(generation)).await? {
        let number = |at: usize| value::<i64>(row, at, &tx.db.place);
        found.insert(number(0)?, (number(1)?, number(2)?, number(3)?));
    }
    Ok(found)
}

fn rows_of(count: usize, columns: usize) -> String {
    vec![format!("({})", marks(columns)); count].join(", ")
}

async fn store_history(
    tx: &mut Tx<'_>,
    chunk: &[(i64, &CountOutcome)],
    generation: i64,
    as_of_us: i64,
    now_us: i64,
) -> Result<()> {
    let sql = format!(
        "REPLACE INTO label_counts (label_id, generation, as_of_us, recorded_us, users, universe, failed) VALUES {}",
        rows_of(chunk.len(), 7)
    );
    let mut asked = sqlx::query(AssertSqlSafe(sql));
    for (id, outcome) in chunk {
        asked = asked.bind(*id).bind(generation).bind(as_of_us).bind(now_us);
        asked = match outcome {
            CountOutcome::Counted { users, universe } => {
                asked.bind(Some(*users as i64)).bind(Some(*universe as i64)).bind(None::<String>)
            }
            CountOutcome::Failed { reason } => {
                asked.bind(None::<i64>).bind(None::<i64>).bind(Some(reason.clone()))
            }
        };
    }
    tx.execute(asked).await.map(drop)
}

async fn store_latest(
    tx: &mut Tx<'_>,
    chunk: &[(i64, &CountOutcome)],
    latest: &HashMap<i64, Latest>,
) -> Result<()> {
    let sql = format!(
        "REPLACE INTO label_latest (label_id, generation, as_of_us, users, universe, previous_generation, previous_users,
         previous_universe, failed_generation, failed) VALUES {}",
        rows_of(chunk.len(), 10)
    );
    let mut asked = sqlx::query(AssertSqlSafe(sql));
    for (id, _) in chunk {
        let Latest { count, previous, failed } = latest.get(id).cloned().unwrap_or_default();
        asked = asked
            .bind(*id)
            .bind(count.map(|count| count.0))
            .bind(count.map(|count| count.1))
            .bind(count.map(|count| count.2))
            .bind(count.map(|count| count.3))
            .bind(previous.map(|count| count.0))
            .bind(previous.map(|count| count.1))
            .bind(previous.map(|count| count.2))
            .bind(failed.as_ref().map(|failed| failed.0))
            .bind(failed.map(|failed| failed.1));
    }
    tx.execute(asked).await.map(drop)
}
