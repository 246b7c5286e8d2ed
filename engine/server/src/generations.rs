//! Which generations can be asked: the one in service, and those still held for whoever asks for them by number.
//!
//! A thread looks at `CURRENT` every now and then. What is new there is opened, verified and warmed while the old one answers;
//! then one pointer is exchanged. A request takes a generation once and keeps it to its end, so no answer mixes two. Files of a
//! generation stay on disk as long as anybody holds it: the snapshot pins them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::error::RuleError;
use muster_engine::rule::labels::Labels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Masks, Snapshot, Store};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::config::{Config, Verify};
use crate::fault::{Fault, Result};
use crate::meters::Tallies;
use crate::priority::{WAITED_FOR, step_back_if_allowed};

/// How long a generation that failed to open or verify is left alone before it is tried again.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// Rules of the generation before are compiled for the next one for so long at most.
const WARMING_MAX: Duration = Duration::from_secs(5);

/// A generation that can be asked, with the rules that were compiled for it.
#[derive(Debug)]
pub(crate) struct Generation {
    snapshot: Arc<Snapshot>,
    compiled: Cache<RuleKey, Arc<Audience>>,
    counts: Option<Cache<RuleKey, Counted>>,
}

/// A count as it was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// Users in the segment.
    pub(crate) count: u64,
    /// Those of them who did not opt out.
    pub(crate) targetable: u64,
    /// With which masks it was counted.
    pub(crate) masks: u64,
}

/// How a rule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As text.
    Text,
    /// As a JSON tree.
    Json,
}

/// A rule as it was asked for, and what `now()` was said to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RuleRef<'a> {
    pub(crate) form: Form,
    pub(crate) text: &'a str,
    pub(crate) now: Option<i64>,
    /// Which labels it is read with, where it may use some: another number means that they may be other labels. 0 where it uses none.
    pub(crate) labels: u64,
}

/// The same, owned: what caches are keyed by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RuleKey {
    form: Form,
    text: Box<str>,
    now: Option<i64>,
    labels: u64,
}

impl RuleKey {
    fn of(rule: RuleRef<'_>) -> Self {
        Self { form: rule.form, text: rule.text.into(), now: rule.now, labels: rule.labels }
    }

    fn borrowed(&self) -> RuleRef<'_> {
        RuleRef { form: self.form, text: &self.text, now: self.now, labels: self.labels }
    }
}

impl std::hash::Hash for RuleKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<RuleKey> for RuleRef<'_> {
    fn equivalent(&self, key: &RuleKey) -> bool {
        *self == key.borrowed()
    }
}

/// What a rule is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) labels: &'a dyn Labels,
    /// The number that rules with labels have which are read like this.
    pub(crate) key: u64,
    pub(crate) limits: &'a Limits,
}

impl Generation {
    fn new(snapshot: Arc<Snapshot>, config: &Config) -> Self {
        let counts = (config.cached_counts > 0).then(|| Cache::new(config.cached_counts));
        Self { snapshot, compiled: Cache::new(config.compiled_rules.max(1)), counts }
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.snapshot.generation()
    }

    /// When its source was read, in Unix seconds.
    pub(crate) fn as_of(&self) -> i64 {
        self.snapshot.as_of()
    }

    /// The data.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What `now()` means if it was not said.
    pub(crate) fn now(&self, said: Option<i64>) -> i64 {
        said.unwrap_or_else(|| self.as_of())
    }

    /// The rule's audience, if it was compiled before.
    pub(crate) fn compiled(&self, rule: &RuleRef<'_>) -> Option<Arc<Audience>> {
        self.compiled.get(rule)
    }

    /// Compiles a rule and keeps it. Reads dictionaries, so it is no work for a thread that answers membership.
    pub(crate) fn compile(
        &self,
        rule: RuleRef<'_>,
        reading: Reading<'_>,
    ) -> Result<Arc<Audience>, QueryError> {
        let audience = Arc::new(self.bind(&self.read(rule, reading.limits)?, rule, reading)?);
        self.compiled.insert(RuleKey::of(rule), Arc::clone(&audience));
        Ok(audience)
    }

    /// The tree of a rule.
    pub(crate) fn read(&self, rule: RuleRef<'_>, limits: &Limits) -> Result<Rule, RuleError> {
        match rule.form {
            Form::Text => Rule::parse(rule.text, limits),
            Form::Json => Rule::from_json(rule.text, self.snapshot.schema(), limits),
        }
    }

    fn bind(&self, tree: &Rule, rule: RuleRef<'_>, reading: Reading<'_>) -> Result<Audience, QueryError> {
        let scope = Scope { now: self.now(rule.now), labels: reading.labels, limits: reading.limits };
        Audience::new(&self.snapshot, tree, &scope).map_err(|error| match error {
            // Binding knows names, not where they stand in the text.
            QueryError::Rule(error) if rule.form == Form::Text => {
                QueryError::Rule(error.located_in(rule.text))
            }
            error => error,
        })
    }

    /// The count of a rule, if it was counted before with the masks that hold now.
    pub(crate) fn counted(&self, rule: &RuleRef<'_>) -> Option<Counted> {
        let counted = self.counts.as_ref()?.get(rule)?;
        (counted.masks == self.snapshot.masks_version()).then_some(counted)
    }

    /// Remembers a count.
    pub(crate) fn remember(&self, rule: RuleRef<'_>, counted: Counted) {
        if let Some(counts) = &self.counts {
            counts.insert(RuleKey::of(rule), counted);
        }
    }

    /// Rules compiled so far.
    pub(crate) fn compiled_rules(&self) -> usize {
        self.compiled.len()
    }

    /// Compiles what was in use with the generation before, so that the first callers do not wait.
    fn warm(&self, before: &Self, reading: Reading<'_>) {
        let until = Instant::now() + WARMING_MAX;
        for (key, _) in before.compiled.iter() {
            if Instant::now() > until {
                break;
            }
            // What somebody's own labels mean, or labels that changed, is compiled for whoever asks.
            if key.labels == 0 || key.labels == reading.key {
                // A rule of a column that is gone fails for whoever asks, not here.
                let _ = self.compile(key.borrowed(), reading);
            }
        }
    }
}

/// The generations that can be asked.
#[derive(Debug)]
pub(crate) struct Generations {
    dir: PathBuf,
    config: Arc<Config>,
    serving: ArcSwapOption<Generation>,
    /// Why there is none, or why it is not the newest.
    problem: ArcSwapOption<String>,
    others: Mutex<Others>,
    tallies: Tallies,
    /// The number in service, for those who wait for a change.
    changed: watch::Sender<u64>,
    masks: ArcSwap<Masks>,
    /// Masks are applied by one thread at a time, in their order.
    applying: Mutex<()>,
}

/// Generations besides the one in service.
#[derive(Debug, Default)]
struct Others {
    /// Kept open for those who ask, the one asked for last at the end.
    held: VecDeque<Arc<Generation>>,
    /// All that somebody may still be asking: masks must reach them.
    alive: Vec<Weak<Generation>>,
    /// What could not be put into service, and when that was tried.
    failed: Option<(u64, Instant)>,
}

impl Generations {
    /// Those of a store, which need not have any yet.
    pub(crate) fn new(dir: &Path, config: &Arc<Config>) -> Self {
        Self {
            dir: dir.to_owned(),
            config: Arc::clone(config),
            serving: ArcSwapOption::empty(),
            problem: ArcSwapOption::empty(),
            others: Mutex::default(),
            tallies: Tallies::default(),
            changed: watch::channel(0).0,
            masks: ArcSwap::default(),
            applying: Mutex::default(),
        }
    }

    /// What is counted of them and of their rules.
    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// All that are open: in service, held, or still asked by somebody.
    pub(crate) fn alive(&self) -> Vec<Arc<Generation>> {
        self.others().alive.iter().filter_map(Weak::upgrade).collect()
    }

    /// The store.
    pub(crate) fn store(&self) -> Result<Store> {
        Ok(Store::open(&self.dir)?)
    }

    /// The generation in service.
    pub(crate) fn serving(&self) -> Result<Arc<Generation>> {
        self.serving.load_full().ok_or_else(|| {
            let problem = self.problem();
            let why = problem
                .map_or("the first generation is being opened; try again soon".to_owned(), |why| {
                    why.to_string()
                });
            Fault::Unavailable { what: format!("nothing is in service yet: {why}") }
        })
    }

    /// What keeps the newest generation from being served.
    pub(crate) fn problem(&self) -> Option<Arc<String>> {
        self.problem.load_full()
    }

    /// Hears of every generation that comes into service.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A generation that is open; 0 is the one in service.
    pub(crate) fn get(&self, number: u64) -> Result<Option<Arc<Generation>>> {
        let serving = match self.serving() {
            Ok(serving) => serving,
            Err(fault) if number == 0 => return Err(fault),
            Err(_) => return Ok(self.held(number)),
        };
        if number == 0 || serving.number() == number {
            return Ok(Some(serving));
        }
        Ok(self.held(number))
    }

    fn held(&self, number: u64) -> Option<Arc<Generation>> {
        let mut others = self.others();
        let at = others.held.iter().position(|held| held.number() == number)?;
        let found = others.held.remove(at)?;
        others.held.push_back(Arc::clone(&found));
        Some(found)
    }

    /// Opens a generation that is published and still on disk. Reads files.
    pub(crate) fn open(&self, number: u64) -> Result<Arc<Generation>> {
        if let Some(open) = self.get(number)? {
            return Ok(open);
        }
        let store = self.store()?;
        if !store.generations()?.contains(&number) {
            // The error that says which there are.
            store.generation(number)?;
            return Err(Fault::not_found(format!("generation {number} is held back; publish it to ask it")));
        }
        let opened = self.admit(store.generation(number)?)?;
        self.hold(Arc::clone(&opened));
        Ok(opened)
    }

    fn admit(&self, snapshot: Arc<Snapshot>) -> Result<Arc<Generation>> {
        let generation = Arc::new(Generation::new(snapshot, &self.config));
        let mut others = self.others();
        others.alive.retain(|weak| weak.strong_count() > 0);
        others.alive.push(Arc::downgrade(&generation));
        drop(others);
        // What was masked since it was opened; from here on it is told.
        generation.snapshot.apply_masks(&self.masks.load())?;
        Ok(generation)
    }

    fn hold(&self, generation: Arc<Generation>) {
        let mut others = self.others();
        others.held.retain(|held| held.number() != generation.number());
        others.held.push_back(generation);
        while others.held.len() > self.config.generations_held {
            others.held.pop_front();
        }
    }

    fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the store once: masks first, then `CURRENT`. Tells of what goes wrong and goes on with what is there.
    pub(crate) fn follow(&self, reading: Reading<'_>) {
        if let Err(fault) = self.follow_masks() {
            tracing::error!("masks could not be read, those read before hold: {fault}");
        }
        match self.follow_current(reading) {
            Ok(()) => self.problem.store(None),
            Err(fault) => {
                let problem = fault.to_string();
                if self.problem().is_none_or(|before| *before != problem) {
                    tracing::warn!("{problem}");
                }
                self.problem.store(Some(Arc::new(problem)));
            }
        }
    }

    fn follow_current(&self, reading: Reading<'_>) -> Result<()> {
        let store = self.store()?;
        let serving = self.serving.load_full();
        let wanted = store.current_generation()?;
        if wanted.is_some() && wanted == serving.as_ref().map(|serving| serving.number()) {
            return Ok(());
        }
        if let Some((failed, at)) = self.others().failed
            && Some(failed) == wanted
            && at.elapsed() < AGAIN_AFTER
        {
            return Err(self
                .problem()
                .map_or(Fault::Cancelled, |what| Fault::Unavailable { what: what.to_string() }));
        }
        let begun = Instant::now();
        let next = self.next(&store, wanted, serving.as_deref(), reading);
        self.others().failed =
            if next.is_err() { wanted.map(|number| (number, Instant::now())) } else { None };
        let next = next?;
        let (generation, users) = (next.number(), next.snapshot.users());
        self.serving.store(Some(next));
        if let Some(before) = serving {
            self.hold(before);
        }
        self.tallies.swapped(begun.elapsed());
        self.changed.send_replace(generation);
        tracing::info!(generation, users, seconds = begun.elapsed().as_secs_f64(), "in service");
        Ok(())
    }

    /// The generation that `CURRENT` names, ready to be asked.
    fn next(
        &self,
        store: &Store,
        wanted: Option<u64>,
        before: Option<&Generation>,
        reading: Reading<'_>,
    ) -> Result<Arc<Generation>> {
        // Going back leads to one that is open already, most of the time.
        if let Some(open) = wanted.and_then(|number| self.held(number)) {
            return Ok(open);
        }
        let next = self.admit(store.current()?)?;
        self.verify(store, &next)?;
        next.snapshot.ids().prepare()?;
        if let Some(before) = before {
            next.warm(before, reading);
        }
        Ok(next)
    }

    fn verify(&self, store: &Store, generation: &Generation) -> Result<()> {
        let number = generation.number();
        if self.config.verify == Verify::Open || store.is_verified(number) {
            return Ok(());
        }
        tracing::info!(generation = number, "verifying");
        let report = self.apart(|| generation.snapshot.verify(&|_| {}))?.inspect_err(|error| {
            tracing::error!(
                generation = number,
                "the generation is damaged and stays out of service: {error}"
            );
        })?;
        tracing::info!(generation = number, bytes = report.bytes, columns = report.columns, "verified");
        if let Err(error) = store.note_verified(number) {
            tracing::debug!(
                "that it is verified could not be noted, so the next start verifies again: {error}"
            );
        }
        Ok(())
    }

    /// Does something on threads that step back less than those of heavy questions, which may get next to nothing on a busy machine.
    fn apart<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let nice = self.config.heavy_nice.min(WAITED_FOR);
        let threads = rayon::ThreadPoolBuilder::new().thread_name(|number| format!("verify-{number}"));
        let threads = threads.start_handler(move |_| {
            step_back_if_allowed(nice);
        });
        let threads = threads
            .build()
            .map_err(|error| Fault::Internal { what: format!("no threads can be started: {error}") })?;
        Ok(threads.install(work))
    }

    /// Reads masks that changed and applies them to every generation that anybody may be asking. Once this returns, they hold in
    /// every answer that begins.
    pub(crate) fn follow_masks(&self) -> Result<()> {
        let _alone = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match self.store() {
            Err(Fault::Unavailable { .. }) => return Ok(()),
            store => store?,
        };
        if !store.masks_changed(&self.masks.load().stamp())? {
            return Ok(());
        }
        let masks = Arc::new(store.masks()?);
        // Before the generations are listed: one that is admitted meanwhile finds them.
        self.masks.store(Arc::clone(&masks));
        let alive: Vec<Arc<Generation>> = self.others().alive.iter().filter_map(Weak::upgrade).collect();
        for generation in alive {
            if let Err(error) = generation.snapshot.apply_masks(&masks) {
                // As if they had not been read, so that the next look tries again.
                self.masks.store(Arc::default());
                return Err(error.into());
            }
        }
        let (erased, opted_out) = (masks.erased().count(), masks.opted_out().count());
        tracing::info!(erased, opted_out, "masks apply");
        Ok(())
    }

    /// The masks that hold.
    pub(crate) fn masks(&self) -> Arc<Masks> {
        self.masks.load_full()
    }
}
