//! The subcommands, one file each: flags, the call, what is printed.

mod absent;
mod breakdown;
mod build;
mod catalog;
mod check;
mod collect;
mod count;
mod demo;
mod diff;
mod discard;
mod erase;
mod explain;
mod history;
mod inspect;
mod members;
mod opt_in;
mod opt_out;
mod overlap;
mod preview;
mod publish;
mod pull;
mod push;
mod rollback;
mod schedule;
mod serve;
mod sql;
mod stats;
mod synth;
mod token;
mod verify;
mod write_back;

use clap::Subcommand;

use crate::failure::{Failure, Outcome};
use crate::logging::LogArgs;

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
    Preview(preview::Preview),
    Breakdown(breakdown::Breakdown),
    Stats(stats::Stats),
    Overlap(overlap::Overlap),
    Sql(sql::Sql),
    Diff(diff::Diff),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Erase(erase::Erase),
    OptOut(opt_out::OptOut),
    OptIn(opt_in::OptIn),
    Publish(publish::Publish),
    Discard(discard::Discard),
    Rollback(rollback::Rollback),
    Collect(collect::Collect),
    History(history::History),
    Schedule(schedule::Schedule),
    Serve(serve::Serve),
    Token(token::Token),
    Catalog(catalog::Catalog),
    Push(push::Push),
    Pull(pull::Pull),
    WriteBack(write_back::WriteBack),
}

impl Command {
    /// Whether it goes on for as long as nobody ends it.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Self::Schedule(command) => command.is_service(),
            Self::Pull(command) => command.is_service(),
            Self::Serve(_) => true,
            _ => false,
        }
    }

    /// Whether it starts the log itself, because its configuration says where spans go.
    pub(crate) fn starts_log(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// Does it.
    pub(crate) fn run(self, log: &LogArgs) -> Result<Outcome, Failure> {
        match self {
            Self::Demo(command) => command.run(),
            Self::Synth(command) => command.run(),
            Self::Build(command) => command.run(),
            Self::Count(command) => command.run(),
            Self::Members(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Preview(command) => command.run(),
            Self::Breakdown(command) => command.run(),
            Self::Stats(command) => command.run(),
            Self::Overlap(command) => command.run(),
            Self::Sql(command) => command.run(),
            Self::Diff(command) => command.run(),
            Self::Inspect(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Erase(command) => command.run(),
            Self::OptOut(command) => command.run(),
            Self::OptIn(command) => command.run(),
            Self::Publish(command) => command.run(),
            Self::Discard(command) => command.run(),
            Self::Rollback(command) => command.run(),
            Self::Collect(command) => command.run(),
            Self::History(command) => command.run(),
            Self::Schedule(command) => command.run(log),
            Self::Serve(command) => command.run(log),
            Self::Token(command) => command.run(),
            Self::Catalog(command) => command.run(),
            Self::Push(command) => command.run(),
            Self::Pull(command) => command.run(),
            Self::WriteBack(command) => command.run(),
        }
    }
}
