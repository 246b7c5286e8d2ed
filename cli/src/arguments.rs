//! Flags that several commands share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::{SpanRelativeTo, Timestamp};
use muster_engine::snapshot::{Snapshot, Store};

use crate::failure::Failure;

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store
    #[arg(long = "store", value_name = "DIR", env = "MUSTER_STORE")]
    pub(crate) dir: PathBuf,
}

impl StoreArgs {
    /// The store, which must be there.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.dir)?)
    }

    /// A generation, or the one in service.
    pub(crate) fn snapshot(&self, generation: Option<u64>) -> Result<Arc<Snapshot>, Failure> {
        let store = self.open()?;
        Ok(generation.map_or_else(|| store.current(), |number| store.generation(number))?)
    }
}

/// An instant with its zone, in Unix seconds.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    text.parse::<Timestamp>().map(Timestamp::as_second).map_err(|_| {
        "give an instant with its zone, as 2026-11-20T00:00:00Z or 2026-11-20T08:00:00+08:00".to_owned()
    })
}

/// A reason that somebody gives; not an empty one.
#[derive(Debug, Clone)]
pub(crate) struct ReasonArg(pub(crate) String);

impl std::str::FromStr for ReasonArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            Err("say why, it is kept for others to read")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// What went wrong without keeping the command from doing what it was asked.
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("muster: warning: {warning}");
    }
}

/// A span of days or hours, from now on: `90d`, `12h`, `1w`.
pub(crate) fn ahead(text: &str) -> Result<Duration, String> {
    let span: Result<jiff::Span, _> = text.parse();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let duration = duration.and_then(Duration::try_from).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "give a number with its unit, as 90d or 12h".to_owned())
}

/// A time span with its unit: `500ms`, `30s`, `5m`, `24h`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let span: Result<jiff::Span, _> = text.parse();
    let duration = span.and_then(Duration::try_from);
    duration.map_err(|_| "give a number with its unit, as 500ms, 30s, 5m or 24h".to_owned())
}
