//! `muster verify`: is what is in the store what was written?

use clap::Args;
use muster_loader::progress::{Bars, Progress};
use serde::Serialize;

use crate::arguments::StoreArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, grouped, json_report, line};

/// Read a whole generation: every checksum, and every invariant of the format
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the one in service
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster verify --store store
  muster verify --store store --generation 7";

/// What was verified.
#[derive(Debug, Serialize)]
struct Report {
    generation: u64,
    rows: u64,
    bytes: u64,
    columns: usize,
    leaves: u64,
}

impl Verify {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let snapshot = self.store.snapshot(self.generation)?;
        let bars = Bars::new();
        bars.begin("checksums", Some(snapshot.manifest().data.checksums_at));
        let verified = snapshot.verify(&|more| bars.advance(more));
        bars.end();
        let verified = verified?;
        let report = Report {
            generation: snapshot.generation(),
            rows: snapshot.rows().into(),
            bytes: verified.bytes,
            columns: verified.columns,
            leaves: verified.leaves,
        };
        if self.json {
            json_report(&report)?;
        } else {
            line(&format!(
                "generation {} is whole: {} users, {} in {} columns and {} bitmaps",
                report.generation,
                grouped(report.rows),
                bytes(report.bytes),
                report.columns,
                grouped(report.leaves),
            ))?;
        }
        Ok(Outcome::Fine)
    }
}
