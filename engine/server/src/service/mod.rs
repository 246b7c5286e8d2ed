//! The one service layer: what gRPC and REST both call, in terms of the engine. It knows no wire types and no HTTP.
//!
//! Membership is answered on the thread that received it; everything that looks at more than a few rows goes through the pool.

mod admin;
mod audit;
mod counting;
mod deliveries;
mod effect;
mod export;
mod generations;
mod labels;
mod matching;
mod members;
mod membership;
mod pages;
mod progress;
mod reach;
mod refresh;
mod rules;
mod slow;
mod users;
mod write_back;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_engine::execute::Audience;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Author;
use tokio::sync::Semaphore;
use tracing::Span;

use crate::caller::{Caller, Role};
use crate::catalog::{Book, Shelf};
use crate::config::Config;
use crate::fault::{Fault, Result};
use crate::generations::{Form, Generation, Generations, Reading, RuleRef};
use crate::pool::{Load, Pool, PoolSize};
use crate::rebuild::{Rebuild, RebuildState};
use crate::sparing::Sparing;
use matching::Matcher;
use progress::Progress;

pub(crate) use admin::{Changed, Columns, Listed, ListedState, Rolled, Status};
pub(crate) use counting::{Count, Overlaps, Previewed, Profile, ProfileOf, ProfiledColumn};
pub(crate) use deliveries::{ContentOf, DeliveryOf, Step, Stored};
pub(crate) use effect::{Effect, LabelEffects, Reckoned};
pub(crate) use export::{Content, Export, ExportOf, Lines, Piece};
pub(crate) use generations::{Check, Happened, Judged, Report, Verdict};
pub(crate) use labels::{LabelOf, RuleOf, now_us};
pub(crate) use matching::Matched;
pub(crate) use members::{MembersBatch, MembersOf};
pub(crate) use pages::{Page, UsersPage, generations_page};
pub(crate) use progress::{LabelsProgress, Stands, WriteBackProgress};
pub(crate) use reach::{Reach, ReachOf};
pub(crate) use rules::ReadRule;
pub(crate) use users::{Explained, User};

/// Threads that compile rules: apart from the heavy ones, so that membership of a new rule does not wait for counts.
const COMPILING_THREADS: usize = 1;
/// By how much they step back.
const COMPILING_NICE: u8 = 5;
/// The server's own work that may wait; it never has more than a few pieces at a time.
const BACKGROUND_QUEUE: usize = 64;

/// Users, told by a label or by a rule, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// A label's number.
    LabelId(u64),
    /// A label's name.
    Label(&'a str),
    /// A rule as text.
    Rule(&'a str),
    /// A rule as a JSON tree.
    Json(&'a str),
}

impl Segment<'_> {
    /// Whether labels may matter, told without reading a rule. A tree of JSON may write any letter as an escape.
    fn may_use_labels(self) -> bool {
        match self {
            Self::LabelId(_) | Self::Label(_) => true,
            Self::Rule(text) => text.contains("label"),
            Self::Json(text) => text.contains("label") || text.contains('\\'),
        }
    }
}

/// What every request has besides its question.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Who asks.
    pub(crate) caller: Caller,
    /// Until when an answer is of use.
    pub(crate) deadline: Instant,
    /// Which generation; 0 is the one in service.
    pub(crate) generation: u64,
    /// What `now()` means, in Unix seconds, if it was said.
    pub(crate) now: Option<i64>,
    /// The request in logs and traces; none for most memberships.
    pub(crate) span: Span,
    /// Its id; none for most memberships.
    pub(crate) request: Option<Arc<str>>,
}

/// Of which generation an answer is, and of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The generation.
    pub(crate) generation: u64,
    /// When its source was read, in Unix seconds.
    pub(crate) as_of: i64,
    /// What `now()` was, in Unix seconds.
    pub(crate) now: i64,
    /// Users in all.
    pub(crate) universe: u64,
}

impl Origin {
    fn of(generation: &Generation, ask: &Ask) -> Self {
        Self {
            generation: generation.number(),
            as_of: generation.as_of(),
            now: generation.now(ask.now),
            universe: generation.snapshot().users(),
        }
    }
}

/// Everything that can be asked.
pub(crate) struct Service {
    pub(crate) config: Arc<Config>,
    pub(crate) generations: Arc<Generations>,
    heavy: Pool,
    compiling: Pool,
    /// For what nobody waits for: counting labels, making indexes.
    background: Pool,
    streams: Arc<Semaphore>,
    /// Exports that are whole in memory.
    bitmaps: Arc<Semaphore>,
    /// Slow questions that are logged.
    slow: Sparing,
    rebuild: Option<Arc<dyn Rebuild>>,
    /// Labels and deliveries, if there is a catalog.
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) matcher: Matcher,
    /// How the server's own work goes.
    progress: Progress,
    /// This machine and its clock, for the history of the store.
    author: Author,
    started: Timestamp,
}

impl Service {
    /// A service over a store.
    pub(crate) fn new(
        config: Config,
        store: &Path,
        author: Author,
        rebuild: Option<Arc<dyn Rebuild>>,
        shelf: Option<Arc<Shelf>>,
    ) -> std::io::Result<Arc<Self>> {
        let config = Arc::new(config);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if config.heavy_threads == 0 { cores } else { config.heavy_threads };
        let size = PoolSize {
            threads,
            nice: config.heavy_nice,
            queue: config.heavy_queue,
            queue_per_caller: config.heavy_queue_per_caller,
            keys: ["serve.heavy_queue", "serve.heavy_queue_per_caller"],
        };
        let compiling = PoolSize {
            threads: COMPILING_THREADS,
            nice: COMPILING_NICE,
            queue: config.compiling_queue,
            queue_per_caller: config.compiling_queue,
            keys: ["serve.compiling_queue"; 2],
        };
        let background = PoolSize {
            threads: 1,
            nice: config.heavy_nice,
            queue: BACKGROUND_QUEUE,
            queue_per_caller: BACKGROUND_QUEUE,
            keys: ["BACKGROUND_QUEUE"; 2],
        };
        Ok(Arc::new(Self {
            generations: Arc::new(Generations::new(store, &config)),
            heavy: Pool::start("heavy", size)?,
            compiling: Pool::start("compiling", compiling)?,
            background: Pool::start("background", background)?,
            streams: Arc::new(Semaphore::new(config.streams)),
            bitmaps: Arc::new(Semaphore::new(export::BITMAPS_AT_ONCE)),
            slow: Sparing::default(),
            rebuild,
            shelf,
            matcher: Matcher::default(),
            progress: Progress::default(),
            author,
            started: Timestamp::now(),
            config,
        }))
    }

    /// How busy the pool for heavy questions is.
    pub(crate) fn load(&self) -> Load {
        self.heavy.load()
    }

    /// How busy each pool is: its name, its threads, its load.
    pub(crate) fn loads(&self) -> [(&'static str, usize, Load); 3] {
        let of = |name, pool: &Pool| (name, pool.threads(), pool.load());
        [of("heavy", &self.heavy), of("compiling", &self.compiling), of("background", &self.background)]
    }

    /// Streams of members that are open.
    pub(crate) fn open_streams(&self) -> usize {
        self.config.streams.saturating_sub(self.streams.available_permits())
    }

    /// Counts a rebuild that has ended. Whether one runs.
    pub(crate) fn note_rebuild(&self) -> bool {
        let Some(status) = self.rebuild.as_ref().and_then(|rebuild| rebuild.status()) else { return false };
        self.generations.tallies().rebuilt(&status);
        status.state == RebuildState::Running
    }

    /// The generation in service, 0 if there is none yet, and when its source was read.
    pub(crate) fn serving(&self) -> (u64, Option<i64>) {
        let serving = self.generations.serving().ok();
        (serving.as_ref().map_or(0, |serving| serving.number()), serving.map(|serving| serving.as_of()))
    }

    /// The labels as they were read last.
    fn book(&self) -> Arc<Book> {
        self.shelf.as_ref().map_or_else(Arc::default, |shelf| shelf.book())
    }

    /// The same for a segment that may need them; most do not.
    fn book_for(&self, segment: Segment<'_>) -> Option<Arc<Book>> {
        segment.may_use_labels().then(|| self.book())
    }

    /// Does something with how rules are read for somebody.
    fn reading<T>(&self, book: &Book, caller: &Caller, with: impl FnOnce(Reading<'_>) -> T) -> T {
        let seen = book.seen_by(caller);
        with(Reading { labels: &seen, key: book.key(caller), limits: &self.config.rules })
    }

    /// Looks at the store once. What is warmed there is what everybody sees.
    pub(crate) fn follow_store(&self) {
        let nobody = Caller { name: "".into(), role: Role::Reader };
        self.reading(&self.book(), &nobody, |reading| self.generations.follow(reading));
    }

    /// Until when a question is worked on: as long as the caller gave, within the limits.
    pub(crate) fn deadline(&self, begun: Instant, given: Option<Duration>) -> Instant {
        let usual = Duration::from_millis(self.config.heavy_deadline_ms);
        let most = Duration::from_millis(self.config.deadline_max_ms);
        begun + given.unwrap_or(usual).min(most)
    }

    /// The generation that is asked.
    async fn generation(self: &Arc<Self>, ask: &Ask) -> Result<Arc<Generation>> {
        let generation = if let Some(open) = self.generations.get(ask.generation)? {
            open
        } else {
            let (service, number) = (Arc::clone(self), ask.generation);
            let open = move || service.generations.open(number);
            self.compiling.run(&ask.caller.name, ask.deadline, open).await?
        };
        ask.span.record("generation", generation.number());
        Ok(generation)
    }

    /// The rule that a segment stands for. `field` names it in the request, if something is wrong with it.
    fn rule_of<'a>(
        book: Option<&'a Book>,
        segment: Segment<'a>,
        ask: &Ask,
        field: impl Fn() -> String,
    ) -> Result<RuleRef<'a>> {
        let plain = |form, text| Ok(RuleRef { form, text, now: ask.now, labels: 0 });
        let Some(book) = book else {
            return match segment {
                Segment::Rule(text) => plain(Form::Text, text),
                Segment::Json(text) => plain(Form::Json, text),
                Segment::Label(name) => Err(Book::unknown(&field(), &format!("`{name}`"))),
                Segment::LabelId(id) => Err(Book::unknown(&field(), &id.to_string())),
            };
        };
        let (form, text) = match segment {
            Segment::Rule(text) => (Form::Text, text),
            Segment::Json(text) => (Form::Json, text),
            Segment::Label(name) => {
                let entry = book.by_name(name, &ask.caller);
                (Form::Text, &*Book::usable(entry, &field(), &format!("`{name}`"))?.rule)
            }
            Segment::LabelId(id) => {
                let entry = book.by_id(id, &ask.caller);
                (Form::Text, &*Book::usable(entry, &field(), &id.to_string())?.rule)
            }
        };
        Ok(RuleRef { form, text, now: ask.now, labels: book.key(&ask.caller) })
    }

    /// The audience of a segment: compiled before, or now.
    async fn audience(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        ask: &Ask,
        segment: Segment<'_>,
        field: impl Fn() -> String,
    ) -> Result<Arc<Audience>> {
        let book = self.book_for(segment);
        let rule = Self::rule_of(book.as_deref(), segment, ask, &field)?;
        let compiled = generation.compiled(&rule);
        self.generations.tallies().rules.asked(compiled.is_some());
        if let Some(compiled) = compiled {
            return Ok(compiled);
        }
        let (service, generation) = (Arc::clone(self), Arc::clone(generation));
        let RuleRef { form, text, now, labels } = rule;
        let (text, field, caller) = (text.to_owned(), field(), ask.caller.clone());
        let compile = move || {
            let rule = RuleRef { form, text: &text, now, labels };
            // Many may have asked for it at once; the first has compiled it for all.
            if let Some(compiled) = generation.compiled(&rule) {
                return Ok(compiled);
            }
            let book = book.unwrap_or_default();
            service
                .reading(&book, &caller, |reading| generation.compile(rule, reading))
                .map_err(|error| Fault::of_query(error, &field))
        };
        let compile = within(step(ask, || tracing::info_span!("compile")), compile);
        self.compiling.run(&ask.caller.name, ask.deadline, compile).await
    }

    /// Fails unless a request names so many users as it may, and at least one.
    fn check_users(&self, found: usize) -> Result<()> {
        let most = self.config.users_per_request;
        if (1..=most).contains(&found) {
            return Ok(());
        }
        let what = format!(
            "{found} users were given; give 1 to {most} (`serve.users_per_request` in the configuration)"
        );
        Err(Fault::invalid("user_ids", what))
    }

    /// Does heavy work on the pool.
    async fn heavily<T: Send + 'static>(
        &self,
        ask: &Ask,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = within(step(ask, || tracing::info_span!("evaluate")), work);
        self.heavy.run(&ask.caller.name, ask.deadline, work).await
    }
}

/// Limits of rules that are put side by side by the server: each is within the limits, and all of them may be larger than one may be.
fn side_by_side(limits: &Limits) -> Limits {
    Limits { leaves: limits.leaves * 4, depth: limits.depth + 2, ..limits.clone() }
}

/// A step of a request, where the request has a span. It begins when the step is asked for, so that waiting is seen, too.
fn step(ask: &Ask, span: impl FnOnce() -> Span) -> Span {
    if ask.span.is_disabled() { Span::none() } else { ask.span.in_scope(span) }
}

/// The same work, within a span.
fn within<T>(span: Span, work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || span.in_scope(work)
}
