//! `muster build`: a source into the next generation of a store.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use muster_engine::snapshot::RowOrder;
use muster_loader::build::{BuildOptions, BuildReport, Outcome as Settlement, build_joined};
use muster_loader::config::Config;

use crate::arguments::{ReasonArg, instant, warn};
use crate::background::Background;
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, duration, grouped, json_report, stdout};

/// Read a source and publish it as the next generation of a store
///
/// What is not said by a flag is taken from MUSTER_* variables, then from the configuration file. If anything
/// fails, nothing is published and the store stays as it was. A build that differs too much from the generation in service is
/// held back for a person to decide: exit status 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    /// Folder of the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// parquet:GLOB, or clickhouse:http://HOST:PORT, which may go on with ?database=D&table=T&final=true&user=U
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,

    /// When the source was read, which is what now() means for this generation; the clock unless given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    as_of: Option<i64>,

    /// How rows are ordered, so that bitmaps are small: auto, none, or columns with commas between; auto unless given
    #[arg(long, value_name = "ORDER")]
    row_order: Option<String>,

    /// Why the build may be published even if it would be held back
    #[arg(long, value_name = "REASON")]
    accept: Option<ReasonArg>,

    /// Every check in the report, not only what moved
    #[arg(long)]
    verbose: bool,

    #[command(flatten)]
    background: Background,

    /// The report as JSON
    #[arg(long)]
    json: bool,
}

/// Columns of the row order that are named to people; a report has all.
const ORDER_SHOWN: usize = 4;

const EXAMPLES: &str = "\
Examples:
  muster build --store store --source 'parquet:features/*.parquet'
  muster build --store store --source 'clickhouse:http://127.0.0.1:8123?table=cdp.user_features'
  muster build --config muster.toml
  muster build --config muster.toml --accept 'the bots are gone'
  muster build --config muster.toml --json > report.json";

impl Build {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        self.background.apply()?;
        let mut config = Config::load(self.config.as_deref(), env::vars())?;
        if let Some(source) = &self.source {
            config.set_source(source);
        }
        if let Some(store) = self.store {
            config.store = store;
        }
        let mut options = BuildOptions::from(&config);
        if let Some(as_of) = self.as_of {
            options.as_of = as_of;
        }
        if let Some(order) = &self.row_order {
            options.row_order = RowOrder::parse(order);
        }
        options.accept = self.accept.map(|reason| reason.0);
        let inputs = config.open_inputs()?;
        let report = build_joined(&inputs.inputs(), &options, &*self.background.listener())?;
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
            print_settled(&report, self.verbose, &options.store)?;
        }
        warn(&report.settled.warnings);
        Ok(if report.settled.outcome == Settlement::Held { Outcome::No } else { Outcome::Fine })
    }
}

/// How it compares with the generation that was in service, and what became of it.
fn print_settled(report: &BuildReport, verbose: bool, store: &Path) -> Result<(), Failure> {
    let (settled, generation) = (&report.settled, report.generation);
    let mut out = stdout();
    if !settled.gates.checks.is_empty() {
        write!(out, "\n{}\n", settled.gates.text(verbose))?;
    }
    for removed in &settled.collected.removed {
        writeln!(out, "generation {removed} is removed, as no more are kept")?;
    }
    for pinned in &settled.collected.pinned {
        writeln!(out, "generation {pinned} would be removed, but somebody reads it")?;
    }
    match settled.outcome {
        Settlement::Published => writeln!(out, "generation {generation} is in service")?,
        Settlement::Accepted => {
            writeln!(out, "generation {generation} is in service, because that was accepted")?;
        }
        Settlement::Held => {
            let store = store.display();
            writeln!(
                out,
                "generation {generation} is held back; what was in service still is. Next, one of:"
            )?;
            writeln!(out, "  muster inspect --store {store} --generation {generation}")?;
            writeln!(out, "  muster publish --store {store} --generation {generation} --accept REASON")?;
            writeln!(out, "  muster discard --store {store} --generation {generation}")?;
        }
    }
    out.flush()?;
    Ok(())
}

/// What was built, and what in it deserves a look.
pub(crate) fn print(report: &BuildReport) -> Result<(), Failure> {
    let mut out = stdout();
    write!(
        out,
        "generation {}: {} users, {} columns, {}, in {}",
        report.generation,
        grouped(report.rows),
        report.columns.len(),
        bytes(report.bytes),
        duration(Duration::from_secs_f64(report.seconds)),
    )?;
    if let Some(peak) = report.peak_memory_bytes {
        write!(out, "; {} of memory at most", bytes(peak))?;
    }
    writeln!(out)?;
    if report.duplicates_dropped > 0 {
        let dropped = grouped(report.duplicates_dropped);
        writeln!(out, "{dropped} rows left out: newer rows of the same users were there")?;
    }
    if report.erased > 0 {
        writeln!(out, "{} users left out: they were erased", grouped(report.erased))?;
    }
    if !report.row_order.is_empty() {
        let (first, others) = report.row_order.split_at(report.row_order.len().min(ORDER_SHOWN));
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        writeln!(out, "rows are ordered by {}{more}", first.join(", "))?;
    }
    for column in &report.columns {
        let Some(found) = &column.json else { continue };
        if found.malformed > 0 {
            let first: Vec<String> =
                found.examples.iter().map(|e| format!("user {}: {}", e.user_id, e.text)).collect();
            let count = grouped(found.malformed);
            writeln!(
                out,
                "{}: {count} values are not JSON of its kind and count as NULL ({})",
                column.name,
                first.join("; ")
            )?;
        }
        if found.not_numbers > 0 {
            let count = grouped(found.not_numbers);
            writeln!(out, "{}: {count} entries are not numbers and count as absent", column.name)?;
        }
    }
    out.flush()?;
    Ok(())
}
