//! The one binary, `muster`: a file per subcommand, and no logic of its own.
//!
//! Everything that decides an answer is in the engine, everything that reads a source in the loader. Here are
//! the flags, what is printed, and the exit status: 0 fine, 1 the answer is no or a rule was bad, 2 wrong
//! usage, 3 the store or the source failed.

mod arguments;
mod background;
mod catalog;
mod commands;
mod failure;
mod formats;
mod logging;
mod noting;
mod output;
mod rebuilding;
mod request;
mod signals;
mod writing_back;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::{Failure, Outcome};

/// Exact audience counts, members and membership over a table of user features.
///
/// A rule is a ClickHouse WHERE expression over the table's columns. Build a store from a source once, then
/// ask it.
#[derive(Debug, Parser)]
#[command(name = "muster", version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    log: logging::LogArgs,

    #[command(subcommand)]
    command: commands::Command,
}

const EXAMPLES: &str = "\
Examples:
  muster demo
  muster synth --users 1000000 --out features
  muster build --store store --source 'parquet:features/*.parquet'
  muster count --store store \"has_poh AND NOT bot_warning AND balance_usd >= 100\"

Exit status: 0 fine, 1 the answer is no or a rule was bad, 2 wrong usage, 3 the store or the source failed.";

fn main() -> ExitCode {
    let Arguments { log, command } = Arguments::parse();
    let started = if command.starts_log() { Ok(()) } else { log.start(command.is_service(), None) };
    match started.and_then(|()| command.run(&log)) {
        Ok(Outcome::Fine) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("muster: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
