//! `muster discard`: a build that was held back, removed.

use clap::Args;
use muster_loader::author;

use crate::arguments::{ReasonArg, StoreArgs, warn};
use crate::failure::{Failure, Outcome};
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
        let mut writer = self.store.open()?.write(&author::here(), "muster discard")?;
        let reason = self.reason.as_ref().map(|reason| reason.0.as_str());
        let generation = writer.discard(self.generation, reason)?;
        warn(writer.warnings());
        line(&format!("generation {generation} is removed"))?;
        Ok(Outcome::Fine)
    }
}
