//! `muster opt-out`: users are counted, but are no targets.

use clap::Args;
use muster_engine::snapshot::MaskChange;

use super::erase::Masking;
use crate::failure::{Failure, Outcome};

/// Keep users from being targets, at once
///
/// They are in counts and lists as before, but not among those whom a delivery may reach: `muster members --targetable`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OptOut {
    #[command(flatten)]
    masking: Masking,
}

const EXAMPLES: &str = "\
Examples:
  muster opt-out --store store 1000011 1000012
  muster opt-out --store store --file opted-out.txt
  muster members --store store --targetable \"has_poh\"";

impl OptOut {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        self.masking.change(MaskChange::OptOut, "opted out; they are no targets any more")
    }
}
