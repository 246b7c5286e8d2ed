//! `muster rollback`: another generation into service, at once.

use clap::Args;
use muster_catalog::audit::Event;
use muster_loader::author;

use crate::arguments::{ReasonArg, StoreArgs, warn};
use crate::failure::{Failure, Outcome};
use crate::noting::note;
use crate::output::line;

/// Put the previous generation back into service, at once
///
/// The previous one is the one that was in service before this one. Nothing is removed: `--to` with the number of the newer generation goes forward again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rollback {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the previous one; `muster inspect` lists them
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,

    /// Why, for the history
    #[arg(long, value_name = "REASON")]
    reason: Option<ReasonArg>,
}

const EXAMPLES: &str = "\
Examples:
  muster rollback --store store
  muster rollback --store store --to 7 --reason 'balances are wrong'";

impl Rollback {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut writer = self.store.open()?.write(&author::here(), "muster rollback")?;
        let reason = self.reason.as_ref().map(|reason| reason.0.as_str());
        let moved = writer.rollback(self.to, reason)?;
        warn(writer.warnings());
        drop(writer);
        let event =
            Event::generation("rollback", moved.to, moved.from, Some(moved.to), reason.unwrap_or_default());
        note(None, Some(&self.store.dir), event);
        match moved.from {
            Some(from) => line(&format!("generation {} is in service; before, it was {from}", moved.to))?,
            None => line(&format!("generation {} is in service", moved.to))?,
        }
        Ok(Outcome::Fine)
    }
}
