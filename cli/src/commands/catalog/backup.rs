//! `muster catalog backup`.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::catalog::{CatalogArgs, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, duration, line};

/// Write a complete copy of an SQLite catalog to a file, while it is in use
///
/// The file is written aside and takes its name when it is complete and on disk; one that is there is replaced. A catalog in MySQL is
/// backed up there, for example with mysqldump --single-transaction.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backup {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog backup --store store --to catalog-2026-11-20.db
  muster catalog backup --catalog sqlite:/var/lib/muster/catalog.db --to /backup/catalog.db";

impl Backup {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let place = wait(async {
            let catalog = self.catalog.open_made().await?;
            let written = catalog.backup(&self.to).await;
            catalog.close().await;
            written.map(|()| catalog.place().to_owned()).map_err(Failure::from)
        })?;
        let size = fs::metadata(&self.to).map_err(|error| Failure::file("look at", &self.to, &error))?.len();
        let (to, took) = (self.to.display(), duration(begun.elapsed()));
        line(&format!("backed up {place} to {to}: {} in {took}", bytes(size)))?;
        Ok(Outcome::Fine)
    }
}
