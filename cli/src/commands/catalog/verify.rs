//! `muster catalog verify`.

use std::time::Instant;

use clap::Args;
use muster_catalog::Verified;

use super::plural;
use crate::catalog::{CatalogArgs, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{duration, grouped, line};

/// Read everything in the catalog: the database's own check, every rule, every list, every delivery
///
/// It may be in use. What is damaged is told, with exit status 3: restore a backup.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    #[command(flatten)]
    catalog: CatalogArgs,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog verify --store store
  muster catalog verify --catalog sqlite:backup/catalog-2026-11-20.db";

impl Verify {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let (place, verified) = wait(async {
            let catalog = self.catalog.open_made().await?;
            let verified = catalog.verify().await;
            catalog.close().await;
            Ok((catalog.place().to_owned(), verified?))
        })?;
        line(&format!("{place} is whole: {}; read in {}", told(&verified), duration(begun.elapsed())))?;
        Ok(Outcome::Fine)
    }
}

/// What was read, in words.
pub(super) fn told(verified: &Verified) -> String {
    let Verified { labels, list_users, deliveries, audit } = *verified;
    format!(
        "{} label{} ({} user{} in lists), {} {}, {} record{} of the audit",
        grouped(labels),
        plural(labels),
        grouped(list_users),
        plural(list_users),
        grouped(deliveries),
        if deliveries == 1 { "delivery" } else { "deliveries" },
        grouped(audit),
        plural(audit),
    )
}
