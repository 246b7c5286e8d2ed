//! `muster discard`: a build that was held back, removed.

use clap::Args;
use muster_catalog::audit::Event;
use muster_loader::author;

use crate::arguments::{ReasonArg, StoreArgs, warn};
use crate::failure::{Failure, Outcome};
use crate::noting::note;
use crate::output::line;

/// Remove a build that was held back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Discard {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the newest that is held back; `muster inspect` lists them
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// Why, for the history
    #[arg(long, value_name = "REASON")]
    reason: Option<ReasonArg>,
}

const EXAMPLES: &str = "\
Examples:
  muster discard --store store
  muster discard --store store --generation 8 --reason 'the source was half loaded'";

impl Discard {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let store = self.store.open()?;
        let serving = store.current_generation().ok().flatten();
        let mut writer = store.write(&author::here(), "muster discard")?;
        let reason = self.reason.as_ref().map(|reason| reason.0.as_str());
        let generation = writer.discard(self.generation, reason)?;
        warn(writer.warnings());
        drop(writer);
        let event = Event::generation("discard", generation, serving, serving, reason.unwrap_or_default());
        note(None, Some(&self.store.dir), event);
        line(&format!("generation {generation} is removed"))?;
        Ok(Outcome::Fine)
    }
}
