//! `muster pull`: what is in service in object storage into a store, once or as long as it runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use muster_loader::bucket::{FollowOptions, PullOutcome, PullReport, follow, pull};

use crate::arguments::seconds;
use crate::commands::push::ServiceArgs;
use crate::failure::{Failure, Outcome};
use crate::logging::listener;
use crate::output::{bytes, duration, json_line, json_report, line, stdout};
use crate::signals;

/// Fetch the generation in service in object storage, and put it into service here
///
/// Only what no generation here has is fetched. It is checked and published as a whole: who asks this store gets the old one or the new
/// one. A pull that is interrupted changes nothing, and the next one goes on from there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pull {
    /// Where from: s3://BUCKET/PREFIX or file:///FOLDER
    #[arg(long, value_name = "URL")]
    from: String,

    #[command(flatten)]
    service: ServiceArgs,

    /// Folder of the store; made if it is not there
    #[arg(long, value_name = "DIR", env = "MUSTER_STORE")]
    store: PathBuf,

    /// Go on looking for new generations until ended by SIGTERM or Ctrl-C
    #[arg(long)]
    follow: bool,

    /// How long to wait between two looks; as 500ms, 30s, 5m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds, requires = "follow")]
    every: Duration,

    /// After each pull, remove all generations but the newest N and the one in service
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), requires = "follow")]
    keep: u32,

    /// The report as JSON; with --follow, a line for each change
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster pull --from s3://audiences/production --store store
  muster pull --from s3://audiences/production --store store --follow --every 1m
  muster pull --from file:///mnt/shared/audiences --store store

Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and the like.";

impl Pull {
    /// Whether it goes on for as long as nobody ends it.
    pub(crate) fn is_service(&self) -> bool {
        self.follow
    }

    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        // Who follows may well begin before anything was pushed.
        let bucket = self.service.open(&self.from, self.follow)?;
        let stop = signals::stop()?;
        if self.follow {
            let options = FollowOptions { every: self.every, keep: self.keep as usize };
            let told = |report: &PullReport| {
                // Whoever read the output may be gone; that is no reason to stop following.
                let _ = if self.json { json_line(&mut stdout(), report) } else { print(report) };
            };
            follow(&self.store, &bucket, &options, &stop, &*listener(), &told)?;
            return Ok(Outcome::Fine);
        }
        let report = pull(&self.store, &bucket, &stop, &*listener())?;
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Fine)
    }
}

fn print(report: &PullReport) -> Result<(), Failure> {
    let generation = report.generation;
    line(&match report.outcome {
        PullOutcome::Unchanged => format!("generation {generation} of {} is in service already", report.url),
        PullOutcome::Switched => format!("generation {generation} was here, and is in service again"),
        PullOutcome::Pulled => format!(
            "generation {generation} of {} is in service: {} fetched, {} were here, in {}",
            report.url,
            bytes(report.moved_bytes),
            bytes(report.reused_bytes),
            duration(Duration::from_secs_f64(report.seconds)),
        ),
    })
}
