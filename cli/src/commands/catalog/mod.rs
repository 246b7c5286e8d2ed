//! `muster catalog`: labels, lists, deliveries and the audit as a whole: kept, brought back, checked, carried over, looked at.

mod audit;
mod backup;
mod export;
mod fitting;
mod import;
mod restore;
mod verify;

use clap::{Args, Subcommand};

use crate::failure::{Failure, Outcome};

/// Back up, check, restore, export and import the catalog of labels and deliveries, and read its audit
///
/// The catalog is the one that a server with the same configuration uses: the address under `[catalog]` in the configuration, or a file
/// called catalog.db beside the store. Snapshots can be built again; the catalog cannot, so it is what needs a backup.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Catalog {
    #[command(subcommand)]
    command: CatalogCommand,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog backup --store store --to backup/catalog-2026-11-20.db
  muster catalog verify --config muster.toml
  muster catalog restore --store store --from backup/catalog-2026-11-20.db
  muster catalog export --store store --out catalog.json
  muster catalog import --store other/store catalog.json --merge --dry-run
  muster catalog audit --store store --kind delivery --since 2026-11-20T00:00:00Z";

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    Backup(backup::Backup),
    Verify(verify::Verify),
    Restore(restore::Restore),
    Export(export::Export),
    Import(import::Import),
    Audit(audit::Audit),
}

impl Catalog {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self.command {
            CatalogCommand::Backup(command) => command.run(),
            CatalogCommand::Verify(command) => command.run(),
            CatalogCommand::Restore(command) => command.run(),
            CatalogCommand::Export(command) => command.run(),
            CatalogCommand::Import(command) => command.run(),
            CatalogCommand::Audit(command) => command.run(),
        }
    }
}

/// `s` unless there is one.
fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
