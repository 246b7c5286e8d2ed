//! The audit: read by approvers and administrators, and written to by what operators do here.
//!
//! What was done is noted in a task of its own, begun where it was done: it is noted whether or not the caller waits for the answer.
//! What cannot be noted is logged and stays done.

use std::sync::Arc;
use std::time::Duration;

use muster_catalog::audit::{AuditFilter, Event, Kind, MaskTotals, Record};
use muster_catalog::{Caller as Editor, Catalog, Page as Found};
use muster_engine::snapshot::Masks;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::labels::{editor, now_us};
use super::{Ask, Service};
use crate::audit::AuditRecord;
use crate::caller::Role;
use crate::catalog::Shelf;
use crate::fault::{Fault, Result};

/// What a server that starts with another configuration notes.
const CONFIGURE: &str = "configure";
/// Records among which this machine's last one is looked for.
const LOOKED_AT: u32 = 1_000;

/// Some lines of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditLines {
    /// A record a line, each with a line end.
    pub(crate) lines: String,
    /// The number of the last record.
    pub(crate) last_id: u64,
}

/// Notes what somebody does.
#[derive(Clone)]
pub(crate) struct Notes {
    shelf: Option<Arc<Shelf>>,
    by: Editor,
    runtime: Handle,
}

/// What is being noted.
#[derive(Debug)]
pub(super) struct Noted(Option<JoinHandle<()>>);

impl Noted {
    /// Waits until it is.
    pub(super) async fn done(self) {
        if let Some(task) = self.0 {
            // A task that panicked has been told of.
            let _ = task.await;
        }
    }
}

impl Notes {
    /// Begins to note something. To be called by the thread that did it, as soon as it is done.
    pub(super) fn begin(&self, event: Event) -> Noted {
        let Some(shelf) = self.shelf.clone() else { return Noted(None) };
        let by = self.by.clone();
        Noted(Some(self.runtime.spawn(async move {
            let what = format!("{} {}", event.kind.name(), event.action);
            let noted = async { Ok::<_, Fault>(shelf.catalog()?.record(&by, event, now_us()).await?) }.await;
            if let Err(fault) = noted {
                tracing::error!(by = by.user, "{what} was done, and is not in the audit: {fault}");
            }
        })))
    }

    /// Notes something, and does not wait for it.
    pub(crate) fn note(&self, event: Event) {
        drop(self.begin(event));
    }
}

impl Service {
    /// Notes what whoever asks does.
    pub(super) fn notes(&self, ask: &Ask) -> Notes {
        Notes { shelf: self.shelf.clone(), by: editor(ask), runtime: Handle::current() }
    }

    /// Notes what the server sees by itself.
    pub(crate) fn own_notes(&self) -> Notes {
        Notes { shelf: self.shelf.clone(), by: Editor::admin("muster"), runtime: Handle::current() }
    }

    /// The catalog, for who may read the audit: everything is in it, the private labels of others as well.
    fn audited(&self, ask: &Ask) -> Result<Arc<Catalog>> {
        let shelf = self.shelf.as_ref().ok_or_else(Fault::no_catalog)?;
        ask.caller.needs(Role::Approver, "reading the audit")?;
        shelf.catalog()
    }

    /// Records, the newest first.
    pub(crate) async fn audit(&self, ask: &Ask, filter: &AuditFilter) -> Result<Found<Record>> {
        let catalog = self.audited(ask)?;
        check(filter)?;
        Ok(catalog.audit(filter).await?)
    }

    /// All records that match after the one of a number, the oldest first, in pieces; each is read when the reader has room for it. The
    /// stream's end is the channel's.
    pub(crate) fn export_audit(
        self: &Arc<Self>,
        ask: &Ask,
        filter: AuditFilter,
        after: Option<u64>,
    ) -> Result<mpsc::Receiver<Result<AuditLines>>> {
        let catalog = self.audited(ask)?;
        check(&filter)?;
        let permit = self.stream()?;
        let (sender, receiver) = mpsc::channel(1);
        let stall = Duration::from_millis(self.config.stream_stall_ms);
        tokio::spawn(async move {
            let mut after = after;
            loop {
                let piece = lines(&catalog, &filter, after).await;
                after = piece.as_ref().ok().and_then(Option::as_ref).map(|piece| piece.last_id);
                let Some(piece) = piece.transpose() else { break };
                // A reader that is gone, or that does not read, goes on later with the last number it has.
                if !matches!(timeout(stall, sender.send(piece)).await, Ok(Ok(()))) || after.is_none() {
                    break;
                }
            }
            drop(permit);
        });
        Ok(receiver)
    }
}

impl Service {
    /// Notes with what configuration the server runs, if that is another one than this machine's last server had.
    pub(crate) async fn note_configuration(self: Arc<Self>) {
        let noted = async {
            let Some(shelf) = &self.shelf else { return Ok(()) };
            let catalog = shelf.catalog()?;
            if catalog.is_read_only() {
                return Ok(());
            }
            let filter =
                AuditFilter { kind: Some(Kind::Server), page_size: LOOKED_AT, ..AuditFilter::default() };
            let records = catalog.audit(&filter).await?.items;
            let host = &self.author.host;
            let last =
                records.into_iter().find(|record| record.action == CONFIGURE && record.object == *host);
            let after = json!({ "version": env!("CARGO_PKG_VERSION"), "serve": &*self.config });
            let before = last.and_then(|record| record.after);
            if before.as_ref() != Some(&after) {
                let after = Some(after);
                let event =
                    Event { name: host.clone(), before, after, ..Event::new(Kind::Server, CONFIGURE) };
                self.own_notes().begin(event).done().await;
            }
            Ok::<_, Fault>(())
        };
        if let Err(fault) = noted.await {
            tracing::warn!("the server's configuration is not in the audit: {fault}");
        }
    }
}

/// The next piece of an export; none at the end.
async fn lines(catalog: &Catalog, filter: &AuditFilter, after: Option<u64>) -> Result<Option<AuditLines>> {
    let records = catalog.audit_after(filter, after).await?;
    let Some(last_id) = records.last().map(|record| record.id) else { return Ok(None) };
    let mut lines = String::new();
    for record in records {
        let line = serde_json::to_string(&AuditRecord::from(record));
        lines += &line
            .map_err(|error| Fault::Internal { what: format!("a record cannot be written: {error}") })?;
        lines.push('\n');
    }
    Ok(Some(AuditLines { lines, last_id }))
}

fn check(filter: &AuditFilter) -> Result<()> {
    match (filter.from_us, filter.until_us) {
        (Some(from), Some(until)) if from >= until => {
            Err(Fault::invalid("until", "it is not after from; give a later instant"))
        }
        _ => Ok(()),
    }
}

/// How many users are masked.
pub(super) fn totals(masks: &Masks) -> MaskTotals {
    MaskTotals { erased: masks.erased().count() as u64, opted_out: masks.opted_out().count() as u64 }
}
