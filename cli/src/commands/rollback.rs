//! `muster rollback`: another generation into service, at once.

use clap::Args;

use crate::arguments::StoreArgs;
use crate::failure::{Failure, Outcome};
use crate::output::line;

/// Put the previous generation back into service, at once
///
/// Nothing is removed: `--to` with the number of the newer generation goes forward again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rollback {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the previous one; `muster inspect` lists them
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  muster rollback --store store
  muster rollback --store store --to 7";

impl Rollback {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let store = self.store.open()?;
        let before = store.current_generation()?;
        let generation = store.rollback(self.to)?;
        match before {
            Some(before) => line(&format!("generation {generation} is in service; before, it was {before}"))?,
            None => line(&format!("generation {generation} is in service"))?,
        }
        Ok(Outcome::Fine)
    }
}
