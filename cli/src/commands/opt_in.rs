//! `muster opt-in`: users who had opted out are targets again.

use clap::Args;
use muster_engine::snapshot::MaskChange;

use super::erase::Masking;
use crate::failure::{Failure, Outcome};

/// Let users be targets again who had opted out
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OptIn {
    #[command(flatten)]
    masking: Masking,
}

const EXAMPLES: &str = "\
Examples:
  muster opt-in --store store 1000011
  muster opt-in --store store --file opted-in.txt";

impl OptIn {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        self.masking.change(MaskChange::OptIn, "opted in; they may be targets again")
    }
}
