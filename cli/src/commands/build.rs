//! `muster build`: a source into the next generation of a store.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use muster_engine::snapshot::RowOrder;
use muster_loader::build::{BuildOptions, BuildReport, build};
use muster_loader::config::Config;
use muster_loader::progress::Bars;

use crate::arguments::instant;
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, duration, grouped, json_report, stdout};

/// Read a source and publish it as the next generation of a store
///
/// What is not said by a flag is taken from MUSTER_* variables, then from the configuration file. If anything
/// fails, nothing is published and the store stays as it was.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    /// Folder of the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// parquet:GLOB, or parquet:FILE
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,

    /// When the source was read, which is what now() means for this generation; the clock unless given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    as_of: Option<i64>,

    /// How rows are ordered, so that bitmaps are small: auto, none, or columns with commas between; auto unless given
    #[arg(long, value_name = "ORDER")]
    row_order: Option<String>,

    /// The report as JSON
    #[arg(long)]
    json: bool,
}

/// Columns of the row order that are named to people; a report has all.
const ORDER_SHOWN: usize = 4;

const EXAMPLES: &str = "\
Examples:
  muster build --store store --source 'parquet:features/*.parquet'
  muster build --config muster.toml
  muster build --config muster.toml --json > report.json";

impl Build {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
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
        let source = config.open_source()?;
        let report = build(&*source, &options, &Bars::new())?;
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Fine)
    }
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
