//! What a user meets: the deliveries that are shown now, the labels that hold.
//!
//! All live deliveries are one index of rules over the generation in service, all labels another. They are made anew behind what
//! they answer whenever a generation comes into service, and changed when deliveries or labels change; until that is done the ones
//! before answer, of the generation before.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use muster_catalog::delivery::{Delivery, Status};
use muster_engine::execute::{Feature, IndexedRule, Overlay, RuleIndex, Standing};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use tokio::sync::watch;

use super::labels::now_us;
use super::membership::fresher;
use super::{Ask, Origin, Service};
use crate::caller::Caller;
use crate::catalog::{Book, Live, Shelf, indexed};
use crate::fault::{Fault, Result};
use crate::generations::Generation;

/// After an index could not be made, the next try waits so long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Whoever changed a delivery waits so long at most until users see the change.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// What users meet, as it is kept.
#[derive(Debug)]
pub(crate) struct Matcher {
    deliveries: ArcSwapOption<Index>,
    labels: ArcSwapOption<Index>,
    /// The editions of labels and deliveries that are in the index of deliveries.
    kept: watch::Sender<(u64, u64)>,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            deliveries: ArcSwapOption::empty(),
            labels: ArcSwapOption::empty(),
            kept: watch::channel((0, 0)).0,
        }
    }
}

impl Matcher {
    /// How many live deliveries are matched, how many cannot be, and how many labels are.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        let deliveries = self.deliveries.load();
        let (matched, refused) =
            deliveries.as_ref().map_or((0, 0), |index| (index.rules.len(), index.refused.len()));
        (matched, refused, self.labels.load().as_ref().map_or(0, |index| index.rules.len()))
    }
}

/// Rules over a generation, and what they were made of.
#[derive(Debug)]
struct Index {
    generation: Arc<Generation>,
    book: Arc<Book>,
    live: Arc<Live>,
    rules: RuleIndex,
    /// What could not be indexed, and why.
    refused: BTreeMap<u64, String>,
}

/// What a user meets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matched<T> {
    /// In the order of priority.
    pub(crate) met: Vec<T>,
    /// Whether the user is in the generation at all.
    pub(crate) known_user: bool,
    /// Whether the user opted out of targeting, and so meets nothing.
    pub(crate) opted_out: bool,
    /// Of which generation.
    pub(crate) origin: Origin,
    /// What the clock said, in microseconds.
    pub(crate) now_us: i64,
}

impl Service {
    /// The deliveries that a user should see now. An empty placement is anywhere; a limit of 0 is none.
    pub(crate) fn match_deliveries(
        &self,
        ask: &Ask,
        user_id: u64,
        placement: &str,
        limit: usize,
        overlay: &[(String, Feature)],
    ) -> Result<Matched<Arc<Delivery>>> {
        let index = self.index(|matcher| &matcher.deliveries)?;
        let (live, now_us) = (&index.live, now_us());
        let is_shown = |key| {
            live.get(key).is_some_and(|delivery| {
                let place = &delivery.body.placement;
                delivery.status_at(now_us) == Status::Ongoing
                    && (placement.is_empty() || place.is_empty() || place == placement)
            })
        };
        let found = |key: &u64| live.get(*key).cloned();
        index.asked(ask, user_id, overlay, limit, is_shown, found, now_us)
    }

    /// The labels that hold for a user, as far as the caller may see them.
    pub(crate) fn match_labels(
        &self,
        ask: &Ask,
        user_id: u64,
        limit: usize,
        overlay: &[(String, Feature)],
    ) -> Result<Matched<(u64, String)>> {
        let index = self.index(|matcher| &matcher.labels)?;
        let book = &index.book;
        let is_seen = |key| book.by_id(key, &ask.caller).is_some();
        let found = |key: &u64| Some((*key, book.by_id(*key, &ask.caller)?.label.name.clone()));
        index.asked(ask, user_id, overlay, limit, is_seen, found, now_us())
    }

    /// The names of the labels that hold for a user in a generation, if that is the one whose labels are known.
    pub(super) fn label_names(&self, ask: &Ask, user_id: u64, generation: u64) -> Result<Vec<String>> {
        let Some(index) = self.matcher.labels.load_full() else { return Ok(Vec::new()) };
        if index.generation.number() != generation {
            return Ok(Vec::new());
        }
        let matched = self.match_labels(ask, user_id, 0, &[])?;
        Ok(matched.met.into_iter().map(|(_, name)| name).collect())
    }

    fn index(&self, which: impl FnOnce(&Matcher) -> &ArcSwapOption<Index>) -> Result<Arc<Index>> {
        self.shelf()?;
        if let Some(index) = which(&self.matcher).load_full() {
            return Ok(index);
        }
        self.generations.serving()?;
        let what = "what users meet is being prepared for the first generation; try again soon";
        Err(Fault::Unavailable { what: what.to_owned() })
    }

    /// Keeps what users meet up to date, without end.
    pub(crate) async fn keep_matching(self: Arc<Self>, shelf: Arc<Shelf>) {
        let (mut generations, mut editions) = (self.generations.changes(), shelf.editions());
        loop {
            generations.mark_unchanged();
            editions.mark_unchanged();
            let failed = match self.match_anew(&shelf).await {
                Ok(()) => false,
                Err(fault) => {
                    tracing::warn!("what users meet stays as it was: {fault}");
                    true
                }
            };
            tokio::select! {
                changed = generations.changed() => if changed.is_err() { return },
                changed = editions.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN_AFTER), if failed => {}
            }
        }
    }

    async fn match_anew(self: &Arc<Self>, shelf: &Shelf) -> Result<()> {
        let Ok(generation) = self.generations.serving() else { return Ok(()) };
        // Labels are read before deliveries, so these have all that those name.
        let (live, book) = (shelf.live(), shelf.book());
        let editions = (book.edition(), live.edition());
        let make = |which: Of| {
            let (service, generation) = (Arc::clone(self), Arc::clone(&generation));
            let (book, live) = (Arc::clone(&book), Arc::clone(&live));
            self.in_background(move || service.made(which, generation, book, live))
        };
        let gone = self.matcher.deliveries.swap(Some(Arc::new(make(Of::Deliveries).await?)));
        self.matcher.kept.send_replace(editions);
        let is_new = |index: &Index| {
            index.generation.number() != generation.number() || index.book.edition() != book.edition()
        };
        if self.matcher.labels.load().as_deref().is_none_or(is_new) {
            let gone = self.matcher.labels.swap(Some(Arc::new(make(Of::Labels).await?)));
            self.let_go(gone).await;
        }
        self.let_go(gone).await;
        Ok(())
    }

    /// Frees an index where that disturbs nobody, unless somebody is still asking it.
    async fn let_go(&self, index: Option<Arc<Index>>) {
        let _ = self
            .in_background(move || {
                drop(index);
                Ok(())
            })
            .await;
    }

    /// An index of what is there now, made of the one before where that is of the same generation.
    fn made(&self, of: Of, generation: Arc<Generation>, book: Arc<Book>, live: Arc<Live>) -> Result<Index> {
        let place = match of {
            Of::Deliveries => &self.matcher.deliveries,
            Of::Labels => &self.matcher.labels,
        };
        let before = place.load_full().filter(|before| before.generation.number() == generation.number());
        let due = of.due(before.as_deref(), &book, &live, &self.config.rules);
        let made = self.as_server(&generation, &book, |scope| match &before {
            Some(before) => before.rules.changed(due.put, &due.removed, scope.labels, scope.limits),
            None => RuleIndex::new(generation.snapshot(), due.put, scope),
        });
        let (rules, errors) = made.map_err(|error| Fault::of_query(error, of.name()))?;
        let mut refused: BTreeMap<u64, String> =
            errors.into_iter().map(|(key, error)| (key, error.to_string())).collect();
        refused.extend(due.refused);
        if let Some(before) = &before {
            let stays = |key: &u64| !due.touched.contains(key);
            let old = before.refused.iter().filter(|(key, _)| stays(key));
            refused.extend(old.map(|(key, why)| (*key, why.clone())));
        }
        for (key, why) in &refused {
            if before.as_ref().is_none_or(|before| before.refused.get(key) != Some(why)) {
                tracing::warn!(id = key, "one of the {} meets nobody: {why}", of.name());
            }
        }
        Ok(Index { generation, book, live, rules, refused })
    }

    /// Waits until users see what was changed, or it takes too long.
    pub(super) async fn until_matched(&self) {
        let Some(shelf) = &self.shelf else { return };
        if self.generations.serving().is_err() {
            return;
        }
        let (labels, deliveries) = (shelf.book().edition(), shelf.live().edition());
        let mut kept = self.matcher.kept.subscribe();
        let is_kept = |kept: &(u64, u64)| kept.0 >= labels && kept.1 >= deliveries;
        let _ = tokio::time::timeout(SEEN_WITHIN, kept.wait_for(is_kept)).await;
    }
}

/// What an index is of.
#[derive(Debug, Clone, Copy)]
enum Of {
    Deliveries,
    Labels,
}

/// What an index does not have yet, or has and should not.
#[derive(Debug, Default)]
struct Due {
    put: Vec<IndexedRule>,
    removed: Vec<u64>,
    /// What has no rule that can be read.
    refused: Vec<(u64, String)>,
    /// All of these.
    touched: HashSet<u64>,
}

impl Due {
    fn put(&mut self, rule: IndexedRule) {
        self.touched.insert(rule.key);
        self.put.push(rule);
    }

    fn remove(&mut self, key: u64) {
        self.touched.insert(key);
        self.removed.push(key);
    }
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "live deliveries",
            Self::Labels => "labels",
        }
    }

    fn due(self, before: Option<&Index>, book: &Book, live: &Live, limits: &Limits) -> Due {
        match self {
            Self::Deliveries => deliveries_due(before, book, live, limits),
            Self::Labels => labels_due(before, book),
        }
    }
}

/// Deliveries that are new or another; all of them when labels changed, since any of them may name one. What they have in common with
/// those before is not bound again.
fn deliveries_due(before: Option<&Index>, book: &Book, live: &Live, limits: &Limits) -> Due {
    let mut due = Due::default();
    let same_labels = before.filter(|before| before.book.edition() == book.edition());
    for delivery in live.all() {
        let known = same_labels.and_then(|before| before.live.get(delivery.id));
        if known.is_some_and(|known| Arc::ptr_eq(known, delivery)) {
            continue;
        }
        match indexed(delivery, book, limits) {
            Ok(rule) => due.put(rule),
            Err(error) => {
                due.remove(delivery.id);
                due.refused.push((delivery.id, error.to_string()));
            }
        }
    }
    let gone = before.into_iter().flat_map(|before| before.live.all());
    gone.filter(|delivery| live.get(delivery.id).is_none()).for_each(|delivery| due.remove(delivery.id));
    due
}

/// Labels that are new or mean something else.
fn labels_due(before: Option<&Index>, book: &Book) -> Due {
    let mut due = Due::default();
    let server = Caller::server();
    for entry in book.enabled() {
        let id = entry.label.id;
        let known = before.and_then(|before| before.book.by_id(id, &server));
        if known.is_some_and(|known| known.label.enabled && known.meaning == entry.meaning) {
            continue;
        }
        let rule = Rule::Label(entry.label.name.clone());
        due.put(IndexedRule { key: id, priority: 0, rule, except: Vec::new() });
    }
    for known in before.into_iter().flat_map(|before| before.book.enabled()) {
        let id = known.label.id;
        if book.by_id(id, &server).is_none_or(|entry| !entry.label.enabled) {
            due.remove(id);
        }
    }
    due
}

impl Index {
    #[expect(clippy::too_many_arguments, reason = "what is asked, of whom, and what is made of it")]
    fn asked<T>(
        &self,
        ask: &Ask,
        user_id: u64,
        overlay: &[(String, Feature)],
        limit: usize,
        accept: impl Fn(u64) -> bool,
        found: impl Fn(&u64) -> Option<T>,
        now_us: i64,
    ) -> Result<Matched<T>> {
        let overlay = if overlay.is_empty() {
            Overlay::default()
        } else {
            fresher(self.generation.snapshot(), overlay)?
        };
        let limit = if limit == 0 { usize::MAX } else { limit };
        let mut keys = Vec::new();
        let standing = self
            .rules
            .matching_among(user_id, &overlay, limit, accept, &mut keys)
            .map_err(|error| Fault::of_query(error, "overlay"))?;
        ask.span.record("generation", self.generation.number());
        Ok(Matched {
            met: keys.iter().filter_map(found).collect(),
            known_user: standing != Standing::Unknown,
            opted_out: standing == Standing::OptedOut,
            origin: Origin::of(&self.generation, ask),
            now_us,
        })
    }
}
