//! `muster collect`: what is not kept, removed without a build.

use std::env;
use std::path::PathBuf;

use clap::Args;
use muster_engine::snapshot::Store;
use muster_loader::author;
use muster_loader::config::Config;

use crate::arguments::warn;
use crate::failure::{Failure, Outcome};
use crate::output::{json_report, line};

/// Remove generations that are not kept, and what a process that died left behind
///
/// Every build does this at its end. Never removed: the generation in service, the one that `muster rollback` would go back
/// to, and any that somebody has open.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Collect {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Configuration file, TOML, for what it says under `keep`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Published generations to keep, the newest
    #[arg(long, value_name = "N")]
    generations: Option<usize>,

    /// Generations to keep of those held back, the newest
    #[arg(long, value_name = "N")]
    held: Option<usize>,

    /// One JSON object: removed, pinned, failed
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster collect --store store
  muster collect --store store --generations 2 --held 0";

impl Collect {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let config = Config::load(self.config.as_deref(), env::vars())?;
        let mut keep = config.keep;
        keep.generations = self.generations.unwrap_or(keep.generations);
        keep.held = self.held.unwrap_or(keep.held);
        let store = Store::open(&self.store.unwrap_or(config.store))?;
        let mut writer = store.write(&author::here(), "muster collect")?;
        let collected = writer.collect(keep)?;
        warn(writer.warnings());
        warn(&collected.failed);
        if self.json {
            json_report(&collected)?;
        } else {
            for generation in &collected.removed {
                line(&format!("generation {generation} is removed"))?;
            }
            for generation in &collected.pinned {
                line(&format!("generation {generation} stays as long as somebody reads it"))?;
            }
        }
        Ok(if collected.failed.is_empty() { Outcome::Fine } else { Outcome::No })
    }
}
