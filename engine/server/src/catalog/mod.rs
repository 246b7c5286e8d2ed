//! The catalog as the server holds it: a connection that comes and goes, and all labels in memory, so that no answer waits for a
//! database.
//!
//! Labels are read whole when the catalog says that they changed, and exchanged as one pointer. While the database is away, what was
//! read last holds, and changes are refused.

mod book;
mod faults;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use muster_catalog::label::{LabelKey, LabelRule};
use muster_catalog::{Caller, Catalog, Changes, Error, Settings};
use muster_engine::rule::limits::Limits;
use tokio::sync::watch;

use crate::fault::{Fault, Result};

use book::List;

pub(crate) use book::Book;

/// The catalog and what was read of it.
pub(crate) struct Shelf {
    settings: Settings,
    catalog: ArcSwapOption<Catalog>,
    book: ArcSwap<Book>,
    /// Whether the last look found it.
    there: AtomicBool,
    /// Tells which edition of the labels there is.
    editions: watch::Sender<u64>,
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
            there: AtomicBool::new(true),
            editions: watch::channel(0).0,
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

    /// Hears of every new reading of the labels.
    pub(crate) fn editions(&self) -> watch::Receiver<u64> {
        self.editions.subscribe()
    }

    /// Looks whether labels have changed, and reads them if so. What goes wrong is logged when it begins.
    pub(crate) async fn follow(&self) {
        match self.look().await {
            Ok(()) => {
                if !self.there.swap(true, Ordering::Relaxed) {
                    tracing::info!(catalog = self.place(), "the catalog answers again");
                }
            }
            Err(error) => self.note(&error),
        }
    }

    /// Reads labels anew: whoever changed one finds it in the next question.
    pub(crate) async fn read_again(&self) {
        if let Err(error) = self.read().await {
            self.note(&error);
        }
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
        let Changes { labels, .. } = catalog.changes().await?;
        if self.book.load().is_of(labels) { Ok(()) } else { self.read().await }
    }

    async fn read(&self) -> Result<(), Error> {
        let Some(catalog) = self.catalog.load_full() else { return Ok(()) };
        let rules = catalog.label_rules().await?;
        let (book, mut lists) = (self.book(), HashMap::new());
        for label in rules.labels.iter().filter(|label| label.rule.is_none()) {
            let list = match book.list(label) {
                Some(list) => list,
                None => self.list(&catalog, label).await?,
            };
            lists.insert(label.id, list);
        }
        // Two readings may end in another order than they began; the newer one stays.
        self.book.rcu(|book| {
            if book.is_newer_than(&rules) { Arc::clone(book) } else { Arc::new(book.next(&rules, &lists)) }
        });
        self.editions.send_replace(self.book.load().edition());
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

    fn note(&self, error: &Error) {
        if self.there.swap(false, Ordering::Relaxed) {
            tracing::warn!("{error}; labels hold as they were read last");
        }
    }

    fn place(&self) -> String {
        self.catalog.load().as_ref().map_or_else(String::new, |catalog| catalog.place().to_owned())
    }
}
