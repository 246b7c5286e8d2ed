//! `muster push`: a generation into object storage, for replicas.

use std::time::Duration;

use clap::Args;
use muster_loader::bucket::{Bucket, BucketOptions, CollectOptions, PushOptions, PushReport, push};

use crate::arguments::{StoreArgs, seconds};
use crate::failure::{Failure, Outcome};
use crate::logging::listener;
use crate::output::{bytes, duration, json_report, line};
use crate::signals;

/// Put the generation in service into object storage, where replicas pull it from
///
/// Only what is not there yet is uploaded. A push that is interrupted changes nothing for those who pull, and the next one goes on from
/// there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Push {
    #[command(flatten)]
    store: StoreArgs,

    /// Where to: s3://BUCKET/PREFIX or file:///FOLDER
    #[arg(long, value_name = "URL")]
    to: String,

    #[command(flatten)]
    service: ServiceArgs,

    /// This generation instead of the one in service
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// Upload every part again, also those that are there: mends a damaged bucket
    #[arg(long)]
    all: bool,

    /// Push even if another generation of this number, built elsewhere, is there
    #[arg(long)]
    replace: bool,

    /// Then remove all generations but the last N and what only they needed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,

    /// ... but none that was in service this recently, so that pulls can end; as 90s, 30m, 24h
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds, requires = "keep")]
    grace: Duration,

    /// The report as JSON
    #[arg(long)]
    json: bool,
}

/// How to reach an S3 service that is not Amazon's.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Address of the S3 service, instead of AWS_ENDPOINT
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Take a service that is not encrypted, as AWS_ALLOW_HTTP=true does
    #[arg(long)]
    allow_http: bool,
}

impl ServiceArgs {
    /// The bucket; a folder is made for who writes to it.
    pub(crate) fn open(&self, url: &str, create: bool) -> Result<Bucket, Failure> {
        let options = BucketOptions { endpoint: self.endpoint.clone(), allow_http: self.allow_http, create };
        Ok(Bucket::open(url, &options)?)
    }
}

const EXAMPLES: &str = "\
Examples:
  muster push --store store --to s3://audiences/production
  muster push --store store --to s3://audiences/production --keep 7
  muster push --store store --to s3://audiences/test --endpoint http://127.0.0.1:9000 --allow-http
  muster push --store store --to file:///mnt/shared/audiences

Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and the like.";

impl Push {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let store = self.store.open()?;
        let bucket = self.service.open(&self.to, true)?;
        let collect = self.keep.map(|keep| CollectOptions { keep: keep as usize, grace: self.grace });
        let options =
            PushOptions { generation: self.generation, all: self.all, replace: self.replace, collect };
        let report = push(&store, &bucket, &options, &signals::stop()?, &*listener())?;
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Fine)
    }
}

fn print(report: &PushReport) -> Result<(), Failure> {
    let before = match report.before {
        Some(before) if before != report.generation => format!("; before, it was {before}"),
        _ => String::new(),
    };
    line(&format!(
        "generation {} is in service at {}{before}: {} uploaded in {} parts, {} were there, in {}",
        report.generation,
        report.url,
        bytes(report.moved_bytes),
        report.moved_parts,
        bytes(report.reused_bytes),
        duration(Duration::from_secs_f64(report.seconds)),
    ))?;
    if let Some(removed) = &report.collected {
        let more = if removed.more { "; the next push removes the rest" } else { "" };
        line(&format!(
            "removed {} generations and {} parts of {}{more}",
            removed.generations.len(),
            removed.parts,
            bytes(removed.bytes),
        ))?;
    }
    Ok(())
}
