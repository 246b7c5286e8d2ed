//! The subcommands, one file each: flags, the call, what is printed.

mod inspect;
mod rollback;
mod synth;
mod verify;

use clap::Subcommand;

use crate::failure::{Failure, Outcome};

/// What muster can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Synth(synth::Synth),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Rollback(rollback::Rollback),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Synth(command) => command.run(),
            Self::Inspect(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Rollback(command) => command.run(),
        }
    }
}
