//! `muster-bench`: Muster beside its peers, on the same data in the same run, and the page that tells of it.

mod compare;
mod data;
mod dense;
mod labels;
mod leaves;
mod machine;
mod matching;
mod measure;
mod muster;
mod options;
mod peers;
mod random;
mod report;
mod results;
mod run;
mod serving;
mod sets;
mod single;
mod stream;
mod workload;

use anyhow::Result;
use clap::Parser;

use options::{Command, Options, RunOptions};
use results::Results;

fn main() -> Result<()> {
    let options = Options::parse();
    match options.command {
        None => measure(&options.run.checked()?),
        Some(Command::BuildStore { home }) => data::build_store(&home),
        Some(Command::FirstCount { store, rule }) => single::first_count(&store, &rule),
        Some(Command::Match(options)) => matching::run(&options),
        Some(Command::Serving(options)) => serving::serving(&options),
        Some(Command::Soak(options)) => serving::soak(&options),
        Some(Command::Night(options)) => serving::night(&options),
        Some(Command::ServeEmpty { address }) => serving::serve_empty(&address),
    }
}

fn measure(options: &RunOptions) -> Result<()> {
    let tables = options.out.join("benchmarks");
    let results = if options.report_only {
        Results::read(&tables)?
    } else {
        let results = run::run(options)?;
        results.write(&tables)?;
        results
    };
    report::write(&results, &options.out)
}
