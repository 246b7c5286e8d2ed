//! `muster catalog import`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use jiff::Timestamp;
use muster_catalog::transfer::{Document, ImportMode, ImportReport};
use muster_catalog::{Catalog, Settings};

use super::export::held;
use super::fitting;
use crate::catalog::{CatalogArgs, caller, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{grouped, json_report, line};

/// Import what `muster catalog export` wrote: into an empty catalog as it was, or merged into another by names
///
/// It is all or nothing. Where a store is there, its columns are looked at first: a rule that the generation in service cannot read is
/// refused. A dry run goes the whole way and stores nothing, so its report is exact. The exit status is 1 if the document is refused.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// The document; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    mode: ModeArgs,

    /// Store nothing and say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Take rules as they are, without looking whether the store has their columns
    #[arg(long)]
    unchecked: bool,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What becomes of what is there.
#[derive(Debug, Args)]
struct ModeArgs {
    /// Into a catalog that holds something: labels that are not there are made, deliveries become drafts
    #[arg(long)]
    merge: bool,

    /// Labels that are there and differ become as in the document; without it they stay
    #[arg(long, requires = "merge")]
    replace: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog import --store store catalog.json
  muster catalog import --store store catalog.json --merge --dry-run
  muster catalog import --store store catalog.json --merge --replace";

impl Import {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let document = Document::from_json(&read(&self.file)?)?;
        let ModeArgs { merge, replace } = self.mode;
        let mode = if merge { ImportMode::Merge { replace } } else { ImportMode::Empty };
        let settings = self.catalog.settings()?;
        let store = self.catalog.store()?;
        let report = wait(async {
            let (catalog, _aside) = self.open(settings).await?;
            let done = async {
                if !self.unchecked {
                    fitting::check(&catalog, &document, &store).await?;
                }
                let now_us = Timestamp::now().as_microsecond();
                let imported = catalog.import(&caller(), &document, mode, self.dry_run, now_us).await;
                imported.map_err(Failure::from)
            }
            .await;
            catalog.close().await;
            done
        })?;
        if self.json {
            json_report(&report)?;
        } else {
            self.tell(&document, &report)?;
        }
        Ok(Outcome::Fine)
    }

    /// The catalog; a dry run where there is none goes through an empty one that is gone afterwards.
    async fn open(&self, settings: Settings) -> Result<(Catalog, Option<tempfile::TempDir>), Failure> {
        if !self.dry_run {
            return Ok((Catalog::open(settings).await?, None));
        }
        if let Some(catalog) = Catalog::open_made(settings.clone()).await? {
            return Ok((catalog, None));
        }
        let aside = tempfile::tempdir()?;
        let url = format!("sqlite:{}", aside.path().join("catalog.db").display());
        Ok((Catalog::open(Settings { url, ..settings }).await?, Some(aside)))
    }

    fn tell(&self, document: &Document, report: &ImportReport) -> Result<(), Failure> {
        let done = if self.dry_run { "would be imported" } else { "imported" };
        if !self.mode.merge {
            return line(&format!("{done}: {}", held(document)));
        }
        let count = |names: &[String]| grouped(names.len() as u64);
        line(&format!(
            "{done}: labels: {} made, {} changed, {} that differ kept, {} the same; deliveries: {} made drafts, {} kept, {} left out",
            count(&report.labels_created),
            count(&report.labels_updated),
            count(&report.labels_kept),
            grouped(report.labels_unchanged),
            count(&report.deliveries_created),
            count(&report.deliveries_kept),
            count(&report.deliveries_skipped),
        ))?;
        let parts = [
            ("label made", &report.labels_created),
            ("label changed", &report.labels_updated),
            ("label kept", &report.labels_kept),
            ("delivery made a draft", &report.deliveries_created),
            ("delivery kept", &report.deliveries_kept),
            ("delivery left out", &report.deliveries_skipped),
        ];
        for (what, names) in parts {
            for name in names {
                line(&format!("  {what}: {name}"))?;
            }
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let text =
        if file == Path::new("-") { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    text.map_err(|error| Failure::file("read", file, &error))
}
