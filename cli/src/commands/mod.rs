//! The subcommands, one file each: flags, the call, what is printed.

mod breakdown;
mod build;
mod check;
mod count;
mod demo;
mod explain;
mod inspect;
mod members;
mod overlap;
mod rollback;
mod sql;
mod stats;
mod synth;
mod verify;

use clap::Subcommand;

use crate::failure::{Failure, Outcome};

/// What muster can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Synth(synth::Synth),
    Build(build::Build),
    Count(count::Count),
    Members(members::Members),
    Check(check::Check),
    Explain(explain::Explain),
    Breakdown(breakdown::Breakdown),
    Stats(stats::Stats),
    Overlap(overlap::Overlap),
    Sql(sql::Sql),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Rollback(rollback::Rollback),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Demo(command) => command.run(),
            Self::Synth(command) => command.run(),
            Self::Build(command) => command.run(),
            Self::Count(command) => command.run(),
            Self::Members(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Breakdown(command) => command.run(),
            Self::Stats(command) => command.run(),
            Self::Overlap(command) => command.run(),
            Self::Sql(command) => command.run(),
            Self::Inspect(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Rollback(command) => command.run(),
        }
    }
}
