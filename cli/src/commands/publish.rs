//! `muster publish`: a build that was held back, into service.

use clap::Args;
use muster_catalog::audit::Event;
use muster_loader::author;

use crate::arguments::{ReasonArg, StoreArgs, warn};
use crate::failure::{Failure, Outcome};
use crate::noting::note;
use crate::output::line;

/// Put a build into service that was held back
///
/// The reason is kept with the generation and in the history, together with who gave it and when.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Publish {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the newest that is held back; `muster inspect` lists them
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// Why it may be published
    #[arg(long, value_name = "REASON")]
    accept: ReasonArg,
}

const EXAMPLES: &str = "\
Examples:
  muster publish --store store --accept 'half of the bots were removed'
  muster publish --store store --generation 8 --accept 'as agreed with the data team'";

impl Publish {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut writer = self.store.open()?.write(&author::here(), "muster publish")?;
        let moved = writer.publish_held(self.generation, &self.accept.0)?;
        warn(writer.warnings());
        drop(writer);
        let event = Event::generation("publish", moved.to, moved.from, Some(moved.to), &self.accept.0);
        note(None, Some(&self.store.dir), event);
        match moved.from {
            Some(from) => line(&format!("generation {} is in service; before, it was {from}", moved.to))?,
            None => line(&format!("generation {} is in service", moved.to))?,
        }
        Ok(Outcome::Fine)
    }
}
