//! One generation with how it was judged, and what happened to the store: what somebody looks at before deciding about a night.
//!
//! How a build was judged is in a file beside its generation that the loader writes; `docs/publishing.md` says what is in it.

use std::sync::Arc;

use muster_engine::error::Error;
use muster_engine::snapshot::{Event, EventKind, Record, Store};
use serde::Deserialize;

use super::admin::{Listed, ListedState};
use super::{Ask, Page, Service};
use crate::fault::{Fault, Result};

/// The file beside a generation with how it was judged.
const GATES_FILE: &str = "gates.json";
/// Events of a page unless asked for, and at most.
const EVENTS_PAGE: (u64, u64) = (100, 1_000);

/// A generation with all that is known of how it came about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    /// What a list tells of it.
    pub(crate) listed: Listed,
    /// When and by whom it was published or held back.
    pub(crate) record: Option<Record>,
    /// How it was judged; none if nobody kept that.
    pub(crate) report: Option<Report>,
}

/// How a build was judged before it was published.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// What became of it by that.
    pub(crate) verdict: Verdict,
    /// The generation that it was compared with.
    pub(crate) compared_with: Option<u64>,
    /// Everything that was compared, worst first.
    pub(crate) checks: Vec<Check>,
}

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was compared.
    Nothing,
    /// Nothing moved too far.
    Passed,
    /// Something did.
    Failed,
    /// Something did, and somebody accepted it.
    Waived,
}

/// One thing that was compared, as the file has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Check {
    /// By which gate.
    pub(crate) gate: String,
    /// Of which column or rule.
    pub(crate) of: Option<String>,
    /// What it was: a number, or a type.
    pub(crate) before: Option<serde_json::Value>,
    /// What it is.
    pub(crate) after: Option<serde_json::Value>,
    /// By which share it moved.
    pub(crate) change: Option<f64>,
    /// By which share it may move.
    pub(crate) allowed: Option<f64>,
    /// Whether it holds a build back.
    pub(crate) trips: bool,
    /// What the figures do not say.
    pub(crate) note: Option<String>,
}

/// What the file holds, as far as it is told.
#[derive(Deserialize)]
struct GatesFile {
    verdict: FileVerdict,
}

#[derive(Deserialize)]
struct FileVerdict {
    compared_with: Option<u64>,
    checks: Vec<Check>,
}

/// Things that happened to a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    /// The newest first.
    pub(crate) events: Vec<Event>,
    /// Lines of the history that cannot be read.
    pub(crate) unreadable: u64,
    /// Where to go on.
    pub(crate) next_page_token: Option<String>,
}

impl Service {
    /// One generation of the store, published or held back.
    pub(crate) async fn judged(self: &Arc<Self>, ask: &Ask, number: u64) -> Result<Judged> {
        let service = Arc::clone(self);
        self.heavily(ask, move || {
            let store = service.generations.store()?;
            let Some(state) = state_of(&store, number)? else {
                let (have, held) = (store.generations()?, store.held()?);
                return Err(Error::NoGeneration { wanted: number, have, held }.into());
            };
            let record = store.record(number).ok().flatten();
            let listed = Listed::of(&store, number, state, store.current_generation()?)?;
            let accepted = record.as_ref().is_some_and(|record| record.event == EventKind::Accept);
            let report = report(&store, number, accepted)?;
            Ok(Judged { listed, record, report })
        })
        .await
    }

    /// What happened to the store, the newest first.
    pub(crate) async fn happened(self: &Arc<Self>, ask: &Ask, page: Page) -> Result<Happened> {
        let size = page.size(EVENTS_PAGE.0, EVENTS_PAGE.1)? as usize;
        let before = match &page.token {
            None => usize::MAX,
            Some(token) => token.parse().map_err(|_| {
                Fault::invalid("page_token", "it is not one of ours; give next_page_token of the page before")
            })?,
        };
        let service = Arc::clone(self);
        self.heavily(ask, move || {
            let history = service.generations.store()?.history()?;
            let end = before.min(history.events.len());
            let begin = end.saturating_sub(size);
            let events = history.events.get(begin..end).unwrap_or_default().iter().rev().cloned().collect();
            let next_page_token = (begin > 0).then(|| begin.to_string());
            Ok(Happened { events, unreadable: history.unreadable as u64, next_page_token })
        })
        .await
    }
}

fn state_of(store: &Store, number: u64) -> Result<Option<ListedState>> {
    Ok(if store.generations()?.contains(&number) {
        Some(ListedState::Published)
    } else if store.held()?.contains(&number) {
        Some(ListedState::Held)
    } else {
        None
    })
}

/// How a generation was judged. A file that cannot be read is as if it were not there: it decides nothing.
fn report(store: &Store, number: u64, accepted: bool) -> Result<Option<Report>> {
    let Some(text) = store.read_beside(number, GATES_FILE)? else { return Ok(None) };
    let FileVerdict { compared_with, checks } = match serde_json::from_slice::<GatesFile>(&text) {
        Ok(file) => file.verdict,
        Err(error) => {
            tracing::warn!(generation = number, "{GATES_FILE} cannot be read: {error}");
            return Ok(None);
        }
    };
    let verdict = match (checks.iter().any(|check| check.trips), accepted) {
        (false, _) if checks.is_empty() => Verdict::Nothing,
        (false, _) => Verdict::Passed,
        (true, false) => Verdict::Failed,
        (true, true) => Verdict::Waived,
    };
    Ok(Some(Report { verdict, compared_with, checks }))
}
