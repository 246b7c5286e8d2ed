//! Counting labels: all of them when a generation comes into service, those that mean something else when labels change.
//!
//! They are counted together, so that what they share is evaluated once, and apart from what people ask: those first that live
//! deliveries name, then the system's own, then the rest. A label that cannot be counted is noted with the reason, and stops no
//! other. The rows of the first ones, and of those that are asked about most, are kept, so that rules that name them do not evaluate
//! them again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_catalog::Catalog;
use muster_catalog::label::{CountOfLabel, CountOutcome};
use muster_engine::execute::{Batch, count_many};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::snapshot::RowSet;

use super::Service;
use super::labels::now_us;
use crate::caller::Caller;
use crate::catalog::{Book, Entry, Shelf};
use crate::fault::{Fault, Result};
use crate::generations::Generation;

/// Work that nobody waits for ends after this time, and is begun again at the next change.
const LASTS_MAX: Duration = Duration::from_mins(10);
/// After what could not be counted or noted, the next try waits so long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Labels whose rows are kept, those of live deliveries before others.
const KEPT_MAX: usize = 512;
/// Counts that are noted in one transaction: whoever changes a label waits for no more than that.
const NOTED_TOGETHER: usize = 1_000;

/// What was counted last: in which generation, and what each label meant.
#[derive(Debug, Default)]
struct Counted {
    generation: u64,
    meanings: HashMap<u64, u64>,
    /// Labels that could not be counted.
    failed: HashSet<u64>,
    /// The meanings of the labels whose rows are kept.
    kept: HashSet<u64>,
}

/// Where counts are noted: opened when there are some.
type Notes = Option<Catalog>;

/// A label to be counted.
#[derive(Debug)]
struct Due {
    id: u64,
    meaning: u64,
    rule: Rule,
}

impl Due {
    fn of(entry: &Entry) -> Self {
        Self { id: entry.label.id, meaning: entry.meaning, rule: Rule::Label(entry.label.name.clone()) }
    }
}

impl Service {
    /// Counts labels whenever there is something new to count, without end, and notes it over a connection of its own.
    pub(crate) async fn refresh_labels(self: Arc<Self>, shelf: Arc<Shelf>) {
        let (mut generations, mut editions) = (self.generations.changes(), shelf.editions());
        let (mut counted, mut notes) = (Counted::default(), Notes::default());
        loop {
            generations.mark_unchanged();
            editions.mark_unchanged();
            if self.progress.take_again() {
                counted = Counted::default();
            }
            let again = match self.refresh(&shelf, &mut counted, &mut notes).await {
                Ok(()) => None,
                Err(fault) => {
                    self.progress.end_labels(Some(fault.to_string()));
                    let wait = AGAIN_AFTER.as_secs();
                    tracing::warn!("labels could not be counted, and are again in {wait} s: {fault}");
                    Some(AGAIN_AFTER)
                }
            };
            tokio::select! {
                changed = generations.changed() => if changed.is_err() { return },
                changed = editions.changed() => if changed.is_err() { return },
                () = self.progress.wanted.notified() => {}
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
            }
        }
    }

    async fn refresh(
        self: &Arc<Self>,
        shelf: &Shelf,
        counted: &mut Counted,
        notes: &mut Notes,
    ) -> Result<()> {
        let Ok(generation) = self.generations.serving() else { return Ok(()) };
        let (book, live) = (shelf.book(), shelf.live());
        let is_new = counted.generation != generation.number();
        if is_new {
            *counted = Counted { generation: generation.number(), ..Counted::default() };
        }
        let named = live.labels(&book, &self.config.rules);
        let (mut due, mut known): ([Vec<Due>; 3], u64) = Default::default();
        let mut failed = HashSet::new();
        for entry in book.enabled() {
            if counted.meanings.get(&entry.label.id) == Some(&entry.meaning) {
                known += 1;
                failed.extend(counted.failed.take(&entry.label.id));
                continue;
            }
            let turn = match &entry.label {
                label if named.binary_search(&label.name).is_ok() => 0,
                label if label.predefined => 1,
                _ => 2,
            };
            due[turn].push(Due::of(entry));
        }
        // Of labels that were removed or turned off, nothing is told.
        counted.failed = failed;
        let count = due.iter().map(Vec::len).sum::<usize>() as u64;
        // What changes nothing that is counted begins nothing.
        if is_new || count > 0 {
            let failed = counted.failed.len() as u64;
            self.progress.begin_labels(generation.number(), known, known + count, failed);
        }
        for (turn, due) in due.into_iter().enumerate() {
            if !due.is_empty() {
                if notes.is_none() {
                    *notes = Some(shelf.apart().await?);
                }
                let Some(catalog) = notes else { continue };
                self.count_due(catalog, &generation, &book, due, counted).await?;
            }
            if turn == 0 {
                self.keep_rows(&generation, &book, &named, counted).await?;
            }
        }
        self.progress.end_labels(None);
        Ok(())
    }

    /// Counts some labels and notes what they count.
    async fn count_due(
        self: &Arc<Self>,
        catalog: &Catalog,
        generation: &Arc<Generation>,
        book: &Arc<Book>,
        due: Vec<Due>,
        counted: &mut Counted,
    ) -> Result<()> {
        let begun = Instant::now();
        let rules: Vec<Rule> = due.iter().map(|due| due.rule.clone()).collect();
        let (service, of, labels) = (Arc::clone(self), Arc::clone(generation), Arc::clone(book));
        let outcomes = self.in_background(move || service.outcomes(&of, &labels, &rules)).await?;
        let failed = outcomes.iter().filter(|outcome| matches!(outcome, CountOutcome::Failed { .. })).count();
        let evaluated = begun.elapsed();
        for (due, outcome) in due.iter().zip(&outcomes) {
            if matches!(outcome, CountOutcome::Failed { .. }) {
                counted.failed.insert(due.id);
            }
        }
        let count = |(due, outcome): (&Due, _)| CountOfLabel { label_id: due.id, outcome };
        let mut counts: Vec<CountOfLabel> = due.iter().zip(outcomes).map(count).collect();
        counts.sort_unstable_by_key(|count| count.label_id);
        let as_of_us = generation.as_of().saturating_mul(1_000_000);
        // A catalog that may only be read keeps no counts.
        for part in counts.chunks(NOTED_TOGETHER).filter(|_| !catalog.is_read_only()) {
            catalog.record_counts(generation.number(), as_of_us, part, now_us()).await?;
        }
        let (evaluated_ms, noted_ms) =
            (evaluated.as_millis(), begun.elapsed().saturating_sub(evaluated).as_millis());
        let (generation, labels) = (generation.number(), counts.len());
        tracing::info!(generation, labels, failed, evaluated_ms, noted_ms, "labels are counted");
        self.progress.counted_labels(due.len() as u64, counted.failed.len() as u64);
        counted.meanings.extend(due.into_iter().map(|due| (due.id, due.meaning)));
        Ok(())
    }

    /// What becomes of counting each of these rules.
    fn outcomes(&self, generation: &Generation, book: &Book, rules: &[Rule]) -> Result<Vec<CountOutcome>> {
        let counts =
            self.as_server(generation, book, |scope| count_many(generation.snapshot(), rules, scope));
        let counts = counts.map_err(|error| Fault::of_query(error, "labels"))?;
        let universe = generation.snapshot().users();
        Ok(counts
            .into_iter()
            .map(|count| match count {
                Ok(users) => CountOutcome::Counted { users, universe },
                Err(error) => CountOutcome::Failed { reason: error.to_string() },
            })
            .collect())
    }

    /// Makes the rows of labels that live deliveries name and of those that are asked about most, unless they are there.
    async fn keep_rows(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        book: &Arc<Book>,
        named: &[String],
        counted: &mut Counted,
    ) -> Result<()> {
        let due = worth_keeping(book, named);
        let meanings: HashSet<u64> = due.iter().map(|due| due.meaning).collect();
        if meanings == counted.kept {
            return Ok(());
        }
        let begun = Instant::now();
        let (service, of, labels) = (Arc::clone(self), Arc::clone(generation), Arc::clone(book));
        let rows = self.in_background(move || service.rows_of(&of, &labels, &due)).await?;
        book.known().set(generation.now(None), rows);
        let ((labels, bytes), took_ms) = (book.known().size(), begun.elapsed().as_millis());
        tracing::info!(generation = generation.number(), labels, bytes, took_ms, "rows of labels are kept");
        counted.kept = meanings;
        Ok(())
    }

    fn rows_of(&self, generation: &Generation, book: &Book, due: &[Due]) -> Result<HashMap<u64, RowSet>> {
        let rules: Vec<Rule> = due.iter().map(|due| due.rule.clone()).collect();
        let batch =
            self.as_server(generation, book, |scope| Batch::new(generation.snapshot(), &rules, scope));
        let batch = batch.map_err(|error| Fault::of_query(error, "labels"))?;
        let rows = due.iter().zip(batch.row_sets()?);
        // What cannot be evaluated has no rows; it is noted where it is counted.
        Ok(rows.filter_map(|(due, rows)| Some((due.meaning, rows.ok()?))).collect())
    }

    /// Does something with how rules are read that see all labels.
    pub(super) fn as_server<T>(
        &self,
        generation: &Generation,
        book: &Book,
        with: impl FnOnce(&Scope<'_>) -> T,
    ) -> T {
        let server = Caller::server();
        let seen = book.seen_by(&server);
        with(&Scope { now: generation.now(None), labels: &seen, limits: &self.config.rules })
    }

    /// Does what nobody waits for.
    pub(super) async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.background.run(&"muster".into(), Instant::now() + LASTS_MAX, work).await
    }
}

/// Labels whose rows are worth keeping: rules, not lists, which have rows of their own.
fn worth_keeping(book: &Book, named: &[String]) -> Vec<Due> {
    let rules = book.enabled().filter(|entry| entry.label.rule.is_some());
    let worth = rules.map(|entry| (named.binary_search(&entry.label.name).is_ok(), entry.asked(), entry));
    let mut worth: Vec<_> = worth.filter(|(is_named, asked, _)| *is_named || *asked > 0).collect();
    worth.sort_unstable_by_key(|(is_named, asked, entry)| {
        std::cmp::Reverse((*is_named, *asked, entry.label.id))
    });
    worth.truncate(KEPT_MAX);
    worth.into_iter().map(|(.., entry)| Due::of(entry)).collect()
}
