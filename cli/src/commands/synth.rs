//! `muster synth`: a population to try things on.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use muster_loader::progress::Bars;
use muster_loader::synth::{SynthOptions, synth};

use crate::arguments::instant;
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, duration, grouped, json_report, line};

/// Generate a realistic population as Parquet, in the schema of user_features
///
/// Skewed and correlated as real populations are, and deterministic: the same users, seed and time give the
/// same bytes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Synth {
    /// How many users
    #[arg(long, value_name = "N")]
    users: u64,

    /// Another seed, another population
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,

    /// Folder for the Parquet files; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The instant the population is seen at [default: 2026-11-20T00:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    now: Option<i64>,

    /// Remove Parquet files that are already in the folder
    #[arg(long)]
    replace: bool,

    /// The report as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster synth --users 1000000 --out features
  muster synth --users 10000000 --seed 7 --out features --replace";

impl Synth {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut options = SynthOptions::new(self.users, &self.out);
        options.seed = self.seed;
        options.replace = self.replace;
        if let Some(now) = self.now {
            options.reference = now;
        }
        let report = synth(&options, &Bars::new())?;
        if self.json {
            json_report(&report)?;
        } else {
            line(&format!(
                "{} users in {} files, {}, in {}: {}",
                grouped(report.users),
                report.files,
                bytes(report.bytes),
                duration(Duration::from_secs_f64(report.seconds)),
                self.out.display(),
            ))?;
        }
        Ok(Outcome::Fine)
    }
}
