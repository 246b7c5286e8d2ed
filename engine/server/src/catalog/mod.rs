//! The catalog as the server holds it: a connection that comes and goes, and all labels and live deliveries in memory, so that no answer waits for a
//! database.
//!
//! Labels, and the deliveries that are live, are read whole when the catalog says that they changed, and exchanged as one pointer each. While the database is away, what was
//! read last holds, and changes are refused.

mod book;
mod faults;
mod live;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use muster_catalog::label::{LabelKey, LabelRule};
use muster_catalog::{Caller, Catalog, Changes, Error, Settings};
use muster_engine::rule::limits::Limits;
use tokio::sync::watch;

use crate::fault::{Fault, Result};

use book::List;

pub(crate) use book::{Book, Entry, Seen, sees};
pub(crate) use live::{Live, indexed, meant};

/// Whoever changed something waits so long at most until it is read.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// The catalog and what was read of it.
pub(crate) struct Shelf {
    settings: Settings,
    catalog: ArcSwapOption<Catalog>,
    book: ArcSwap<Book>,
    live: ArcSwap<Live>,
    /// Whether the last look found it.
    there: AtomicBool,
    /// How often somebody wanted a look, and how often of these it was taken.
    wanted: watch::Sender<u64>,
    taken: watch::Sender<u64>,
    /// Tells which edition of the labels there is, and of the live deliveries.
    editions: watch::Sender<(u64, u64)>,
}

impl Shelf {
    /// Opens the catalog and reads its labels. One that does not answer now is looked for again later; anything else that is wrong
    /// with it is told at once.
    pub(crate) async fn open(mut settings: Settings, rules: &Limits) -> Result<Self, Error> {
        settings.rules = rules.clone();
        let shelf = Self {
            settings,
            catalog: ArcSwapOption::empty(),
            book: ArcSwap::default(),
            live: ArcSwap::default(),
            there: AtomicBool::new(true),
            wanted: watch::channel(0).0,
            taken: watch::channel(0).0,
            editions: watch::channel((0, 0)).0,
        };
        match shelf.look().await {
            Ok(()) => {}
            Err(error @ Error::Unavailable { .. }) => shelf.note(&error),
            Err(error) => return Err(error),
        }
        Ok(shelf)
    }

    /// The catalog, for who reads or changes it.
    pub(crate) fn catalog(&self) -> Result<Arc<Catalog>> {
        self.catalog.load_full().ok_or_else(|| {
            let what = "the catalog has not answered since the server began; its log says why, and it is tried again and again";
            Fault::Unavailable { what: what.to_owned() }
        })
    }

    /// The labels as they were read last.
    pub(crate) fn book(&self) -> Arc<Book> {
        self.book.load_full()
    }

    /// The live deliveries as they were read last.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Hears of every new reading of labels or deliveries.
    pub(crate) fn editions(&self) -> watch::Receiver<(u64, u64)> {
        self.editions.subscribe()
    }

    /// A connection of its own, for who notes what nobody waits for: its threads have the priority of the one that opens it.
    pub(crate) async fn apart(&self) -> Result<Catalog> {
        Ok(Catalog::open(self.settings.clone()).await?)
    }

    /// Takes over what changes in the catalog, without end: every now and then, and when somebody wants it. Reading many labels is
    /// work, so this is for a thread that answers nobody.
    pub(crate) async fn keep(&self, every: Duration) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let asked = *wanted.borrow_and_update();
            self.follow().await;
            self.taken.send_replace(asked);
            let _ = tokio::time::timeout(every, wanted.changed()).await;
        }
    }

    /// Looks whether labels have changed, and reads them if so. What goes wrong is logged when it begins.
    async fn follow(&self) {
        match self.look().await {
            Ok(()) => {
                if !self.there.swap(true, Ordering::Relaxed) {
                    tracing::info!(catalog = self.place(), "the catalog answers again");
                }
            }
            Err(error) => self.note(&error),
        }
    }

    /// Looks after a change that was made here: whoever changed something finds it in the next question.
    pub(crate) async fn look_again(&self) {
        let mut taken = self.taken.subscribe();
        let mut mine = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            mine = *wanted;
        });
        let _ = tokio::time::timeout(SEEN_WITHIN, taken.wait_for(|taken| *taken >= mine)).await;
    }

    async fn look(&self) -> Result<(), Error> {
        if self.catalog.load().is_none() {
            let catalog = Catalog::open(self.settings.clone()).await?;
            tracing::info!(
                catalog = catalog.place(),
                read_only = catalog.is_read_only(),
                "the catalog is open"
            );
            self.catalog.store(Some(Arc::new(catalog)));
        }
        let Some(catalog) = self.catalog.load_full() else { return Ok(()) };
        let Changes { labels, deliveries } = catalog.changes().await?;
        // Labels first: deliveries name them.
        let is_known = (self.book.load().is_of(labels), self.live.load().is_of(deliveries));
        if !is_known.0 {
            self.read_labels(&catalog).await?;
        }
        if !is_known.1 {
            self.read_deliveries(&catalog).await?;
        }
        if is_known != (true, true) {
            self.editions.send_replace((self.book.load().edition(), self.live.load().edition()));
        }
        Ok(())
    }

    async fn read_deliveries(&self, catalog: &Catalog) -> Result<(), Error> {
        let read = catalog.live(Timestamp::now().as_microsecond()).await?;
        self.live.rcu(
            |live| if live.is_newer_than(&read) { Arc::clone(live) } else { Arc::new(live.next(&read)) },
        );
        Ok(())
    }

    async fn read_labels(&self, catalog: &Catalog) -> Result<(), Error> {
        let rules = catalog.label_rules().await?;
        let (book, mut lists) = (self.book(), HashMap::new());
        for label in rules.labels.iter().filter(|label| label.rule.is_none()) {
            let list = match book.list(label) {
                Some(list) => list,
                None => self.list(catalog, label).await?,
            };
            lists.insert(label.id, list);
        }
        // Two readings may end in another order than they began; the newer one stays.
        self.book.rcu(|book| {
            if book.is_newer_than(&rules) { Arc::clone(book) } else { Arc::new(book.next(&rules, &lists)) }
        });
        Ok(())
    }

    /// The users of a list. One that was removed meanwhile is empty until labels are read again, which they are.
    async fn list(&self, catalog: &Catalog, label: &LabelRule) -> Result<Arc<List>, Error> {
        let server = Caller::admin("muster");
        match catalog.list_users(&server, &LabelKey::Id(label.id), 0).await {
            Ok((version, users)) => Ok(Arc::new(List::new(version, users))),
            Err(Error::NotFound { .. }) => Ok(Arc::new(List::new(label.list_version, Vec::new()))),
            Err(error) => Err(error),
        }
    }

    /// Whether it answered the last time it was asked.
    pub(crate) fn answers(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    fn note(&self, error: &Error) {
        if self.there.swap(false, Ordering::Relaxed) {
            tracing::warn!("{error}; labels and deliveries hold as they were read last");
        }
    }

    fn place(&self) -> String {
        self.catalog.load().as_ref().map_or_else(String::new, |catalog| catalog.place().to_owned())
    }
}
