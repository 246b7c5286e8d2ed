//! `muster write-back`: members of labels, to a ClickHouse table.

use std::env;
use std::path::PathBuf;

use clap::Args;
use muster_loader::config::Config;
use muster_server::{Config as Serving, WriteBackFault, write_back_once};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::writing_back::WritesBack;

/// Write the members of labels to a ClickHouse table, as `write_back` in the configuration says
///
/// Members are those of the generation in service, labels those of the catalog. What the table has already is not written again. A
/// server whose configuration has the section does the same by itself.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WriteBack {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of the store, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// This label only, instead of those of the configuration, and nothing is removed; may be given more than once
    #[arg(long = "label", value_name = "NAME")]
    labels: Vec<String>,

    /// Print a report for programs
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster write-back --config muster.toml
  muster write-back --config muster.toml --label kyc_users --label 'big spenders'";

impl WriteBack {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut config = Config::load(self.config.as_deref(), env::vars())?;
        if let Some(store) = self.store {
            config.store = store;
        }
        let Some(table) = &config.write_back else {
            let what = "the configuration has no section [write_back]; give one with --config, or `MUSTER_WRITE_BACK_URL`";
            return Err(Failure::Usage(what.to_owned()));
        };
        let to = WritesBack::new(table)?;
        if table.labels.is_empty() && self.labels.is_empty() {
            let what = "no label is named: give `labels` in [write_back], or --label NAME";
            return Err(Failure::Usage(what.to_owned()));
        }
        let catalog = Serving::read_catalog(config.catalog.clone(), &config.store).map_err(Failure::Usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Store(format!("cannot start threads: {error}")))?;
        let done = runtime.block_on(write_back_once(catalog, &config.store, &self.labels, to));
        let report = done.map_err(|fault| match fault {
            WriteBackFault::Label(what) => Failure::Usage(what),
            WriteBackFault::Failed(what) => Failure::Store(what),
        })?;
        for (label, what) in &report.failed {
            eprintln!("muster: {label}: {what}");
        }
        if self.json {
            let failed = report.failed.iter().map(|(label, what)| json!({"label": label, "error": what}));
            let report = json!({
                "written": report.written,
                "unchanged": report.unchanged,
                "removed": report.removed,
                "users": report.users,
                "failed": failed.collect::<Vec<_>>(),
                "ended": report.ended,
            });
            println!("{report}");
        } else {
            println!(
                "labels written: {}, unchanged: {}, removed: {}; users written: {}",
                report.written, report.unchanged, report.removed, report.users
            );
        }
        match report.ended {
            Some(what) => Err(Failure::Store(what)),
            None if report.failed.is_empty() => Ok(Outcome::Fine),
            None => Ok(Outcome::No),
        }
    }
}
