//! `muster catalog restore`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use muster_catalog::{Error, restore};

use super::verify::told;
use crate::catalog::{CatalogArgs, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{duration, line};

/// Put a backup in the place of an SQLite catalog that no program has open
///
/// The backup is copied, brought to this program's schema and read in full before anything is touched. What was there stays beside it, with
/// .before after its name. While a server has the catalog open, nothing is done and the exit status is 3: end the server, restore, start
/// it again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Restore {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog restore --store store --from catalog-2026-11-20.db
  muster catalog restore --catalog sqlite:/var/lib/muster/catalog.db --from /backup/catalog.db";

impl Restore {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let Some(file) = self.catalog.settings()?.file()? else {
            return Err(Failure::Usage(
                "this catalog is in a MySQL server; restore it there with its own tools".to_owned(),
            ));
        };
        let replaces = file.exists();
        let verified = wait(async { Ok(restore(&self.from, &file).await) })?;
        let verified = verified.map_err(|error| match error {
            Error::Unavailable { why, .. } => Failure::Store(format!(
                "another program has the catalog {} open ({why}), and nothing was changed; end the server that uses it, restore, and \
                 start it again",
                file.display()
            )),
            other => other.into(),
        })?;
        let (from, place) = (self.from.display(), file.display());
        line(&format!("restored {place} from {from}: {}; {}", told(&verified), duration(begun.elapsed())))?;
        if replaces {
            line(&format!("what was there is {place}.before"))?;
        }
        Ok(Outcome::Fine)
    }
}
