//! Counting labels: all of them when a generation comes into service, those that changed when labels do.
//!
//! They are counted together, so that what they share is evaluated once, and behind everything else. A label that cannot be counted is
//! noted with the reason, and stops no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_catalog::label::{CountOfLabel, CountOutcome};
use muster_engine::execute::count_many;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use tracing::Span;

use super::labels::now_us;
use super::{Ask, Service};
use crate::caller::{Caller, Role};
use crate::catalog::{Book, Shelf};
use crate::fault::{Fault, Result};
use crate::generations::Generation;

/// Counting all labels ends after this time, and is begun again at the next change.
const LASTS_MAX: Duration = Duration::from_mins(10);
/// After what could not be counted or noted, the next try waits so long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What was counted last: in which generation, and each label at which version of its rule and of its list.
#[derive(Debug, Default)]
struct Counted {
    generation: u64,
    edition: u64,
    versions: HashMap<u64, (u64, u64)>,
}

impl Service {
    /// Counts labels whenever there is something new to count, without end.
    pub(crate) async fn refresh_labels(self: Arc<Self>, shelf: Arc<Shelf>) {
        let (mut generations, mut editions) = (self.generations.changes(), shelf.editions());
        let mut counted = Counted::default();
        loop {
            let again = match self.refresh(&shelf, &mut counted).await {
                Ok(()) => None,
                Err(fault) => {
                    tracing::warn!(
                        "labels could not be counted, and are again in {} s: {fault}",
                        AGAIN_AFTER.as_secs()
                    );
                    Some(AGAIN_AFTER)
                }
            };
            let wait = async {
                match again {
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = generations.changed() => if changed.is_err() { return },
                changed = editions.changed() => if changed.is_err() { return },
                () = wait => {}
            }
        }
    }

    async fn refresh(self: &Arc<Self>, shelf: &Shelf, counted: &mut Counted) -> Result<()> {
        let Ok(generation) = self.generations.serving() else { return Ok(()) };
        let book = shelf.book();
        if counted.generation != generation.number() {
            *counted = Counted { generation: generation.number(), ..Counted::default() };
        }
        if counted.edition == book.edition() {
            return Ok(());
        }
        let labels: Vec<(u64, (u64, u64), Rule)> = book
            .enabled()
            .map(|label| (label.id, (label.version, label.list_version), Rule::Label(label.name.clone())))
            .filter(|(id, versions, _)| counted.versions.get(id) != Some(versions))
            .collect();
        if labels.is_empty() {
            counted.edition = book.edition();
            return Ok(());
        }
        let begun = Instant::now();
        let ask = Ask {
            caller: Caller { name: "muster".into(), role: Role::Admin },
            deadline: begun + LASTS_MAX,
            generation: 0,
            now: None,
            span: Span::none(),
            request: None,
        };
        let rules: Vec<Rule> = labels.iter().map(|(_, _, rule)| rule.clone()).collect();
        let (service, of, labels_of) = (Arc::clone(self), Arc::clone(&generation), Arc::clone(&book));
        let outcomes = self.heavily(&ask, move || service.outcomes(&of, &labels_of, &rules)).await?;
        let failed = outcomes.iter().filter(|outcome| matches!(outcome, CountOutcome::Failed { .. })).count();
        let counts: Vec<CountOfLabel> = labels
            .iter()
            .zip(outcomes)
            .map(|((id, _, _), outcome)| CountOfLabel { label_id: *id, outcome })
            .collect();
        let as_of_us = generation.as_of().saturating_mul(1_000_000);
        shelf.catalog()?.record_counts(generation.number(), as_of_us, &counts, now_us()).await?;
        tracing::info!(
            generation = generation.number(),
            labels = counts.len(),
            failed,
            seconds = begun.elapsed().as_secs_f64(),
            "labels are counted"
        );
        counted.versions.extend(labels.into_iter().map(|(id, versions, _)| (id, versions)));
        counted.edition = book.edition();
        Ok(())
    }

    /// What becomes of counting each of these rules.
    fn outcomes(&self, generation: &Generation, book: &Book, rules: &[Rule]) -> Result<Vec<CountOutcome>> {
        let server = Caller { name: "muster".into(), role: Role::Admin };
        let seen = book.seen_by(&server);
        let scope = Scope { now: generation.now(None), labels: &seen, limits: &self.config.rules };
        let universe = u64::from(generation.snapshot().users());
        let counts = count_many(generation.snapshot(), rules, &scope)
            .map_err(|error| Fault::of_query(error, "labels"))?;
        Ok(counts
            .into_iter()
            .map(|count| match count {
                Ok(users) => CountOutcome::Counted { users, universe },
                Err(error) => CountOutcome::Failed { reason: error.to_string() },
            })
            .collect())
    }
}
