//! How members of labels get to where others read them: whoever starts the server hands in something that can write. The server knows
//! no warehouse; it says who is in which label, and when to look.

use std::path::Path;
use std::sync::Arc;

use muster_catalog::Settings;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};

use crate::caller::Caller;
use crate::catalog::{Book, Shelf};
use crate::fault::Fault;

/// Something that keeps members of labels elsewhere.
pub trait WriteBack: Send + Sync + 'static {
    /// The names of the labels that are to be there.
    fn labels(&self) -> &[String];
    /// Brings what is there to what is wanted, and returns when that is done. An error is one of the whole: nothing was written.
    fn write(&self, wanted: WriteBackWanted) -> Result<WriteBackReport, String>;
}

/// Members of labels in one generation.
#[derive(Debug, Clone)]
pub struct WriteBackWanted {
    /// The generation.
    pub generation: u64,
    /// When its source was read, in Unix seconds.
    pub as_of: i64,
    /// Which masks hold.
    pub masks: u64,
    /// The labels.
    pub labels: Vec<WriteBackLabel>,
    /// Numbers of the labels that may be there: others are to be removed. `None` removes nothing.
    pub only: Option<Vec<u64>>,
}

/// A label and its members.
#[derive(Debug, Clone)]
pub struct WriteBackLabel {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its members.
    pub audience: Arc<Audience>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBackReport {
    /// Labels that were written.
    pub written: u64,
    /// Labels that were there as they are.
    pub unchanged: u64,
    /// Labels that are not there any more.
    pub removed: u64,
    /// Users that were written.
    pub users: u64,
    /// Labels that could not be written, and why.
    pub failed: Vec<(String, String)>,
    /// What ended it early.
    pub ended: Option<String>,
}

impl WriteBackReport {
    /// Whether everything is as it was wanted.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.ended.is_none()
    }
}

/// Why members of labels were not written at all.
#[derive(Debug, thiserror::Error)]
pub enum WriteBackFault {
    /// A label that was named is not one that can be written.
    #[error("{0}")]
    Label(String),
    /// The catalog, the store or whoever writes failed.
    #[error("{0}")]
    Failed(String),
}

/// Writes members of labels once, from the generation in service: of these labels, or of all that are wanted, if none is named.
pub async fn write_back_once(
    mut catalog: Settings,
    store: &Path,
    named: &[String],
    to: Arc<dyn WriteBack>,
) -> Result<WriteBackReport, WriteBackFault> {
    let failed = |error: &dyn std::fmt::Display| WriteBackFault::Failed(error.to_string());
    let limits = Limits::default();
    // Nothing is changed there, and where there is no catalog none is made.
    catalog.read_only = true;
    let shelf = Shelf::open(catalog, &limits).await.map_err(|error| failed(&error))?;
    // One that does not answer is no reason to wait here.
    shelf.catalog().map_err(|fault| failed(&fault))?;
    let (book, store, named) = (shelf.book(), store.to_owned(), named.to_vec());
    let write = move || {
        let snapshot = Store::open(&store).and_then(|store| store.current());
        let snapshot = snapshot.map_err(|error| WriteBackFault::Failed(error.to_string()))?;
        let names = if named.is_empty() { to.labels() } else { &named };
        let found = Found::new(&book, &snapshot, names, &limits);
        if let (Some(unknown), false) = (found.unknown.first(), named.is_empty()) {
            return Err(WriteBackFault::Label(unknown.clone()));
        }
        found.write(&snapshot, &*to, named.is_empty()).map_err(WriteBackFault::Failed)
    };
    // It waits for the network, in its own way.
    tokio::task::spawn_blocking(write).await.map_err(|error| failed(&error))?
}

/// Labels by their names, in one generation.
pub(crate) struct Found {
    labels: Vec<WriteBackLabel>,
    /// All that may be there: these, and those that have no members because something is wrong with them.
    ids: Vec<u64>,
    /// Names that are of no label, or of one that is turned off.
    unknown: Vec<String>,
    /// Whether a name is of no label: which labels are wanted is not known then.
    missing: bool,
    failed: Vec<(String, String)>,
}

impl Found {
    /// Looks labels up and compiles them.
    pub(crate) fn new(book: &Book, snapshot: &Arc<Snapshot>, names: &[String], limits: &Limits) -> Self {
        let server = Caller::server();
        let seen = book.seen_by(&server);
        let scope = Scope { now: snapshot.as_of(), labels: &seen, limits };
        let mut found = Self {
            labels: Vec::new(),
            ids: Vec::new(),
            unknown: Vec::new(),
            missing: false,
            failed: Vec::new(),
        };
        for name in names {
            let entry = book.by_name(name, &server);
            found.missing |= entry.is_none();
            let label = match Book::usable(entry, "write_back.labels", &format!("`{name}`")) {
                Ok(entry) => &entry.label,
                Err(fault) => {
                    found.unknown.push(fault.to_string());
                    continue;
                }
            };
            found.ids.push(label.id);
            match Audience::new(snapshot, &Rule::Label(name.clone()), &scope) {
                Ok(audience) => {
                    let (name, audience) = (name.clone(), Arc::new(audience));
                    found.labels.push(WriteBackLabel { id: label.id, name, audience });
                }
                Err(error) => {
                    let fault = Fault::of_query(error, &format!("label `{name}`"));
                    found.failed.push((name.clone(), fault.to_string()));
                }
            }
        }
        found
    }

    /// Writes them. With `all`, they are all that may be there.
    pub(crate) fn write(
        self,
        snapshot: &Snapshot,
        to: &dyn WriteBack,
        all: bool,
    ) -> Result<WriteBackReport, String> {
        // Where a label has another name now, nobody knows that it is wanted no longer.
        let only = (all && !self.missing).then_some(self.ids);
        let mut report = to.write(WriteBackWanted {
            generation: snapshot.generation(),
            as_of: snapshot.as_of(),
            masks: snapshot.masks_version(),
            labels: self.labels,
            only,
        })?;
        report.failed.extend(self.failed);
        if self.missing {
            let unknown = self.unknown.into_iter().map(|what| ("labels".to_owned(), what));
            report.failed.extend(unknown);
        }
        Ok(report)
    }
}
