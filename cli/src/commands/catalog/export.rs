//! `muster catalog export`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_catalog::transfer::Document;

use super::plural;
use crate::catalog::{CatalogArgs, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, grouped, line, stdout};

/// Write labels, lists, deliveries and approvals as one JSON document, for another catalog
///
/// It is of one instant, and the same catalog gives the same text. Counts and the audit are not in it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// The file to write, replaced when it is complete [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog export --store store --out catalog.json
  muster catalog export --catalog mysql://muster@db:3306/muster | gzip > catalog.json.gz";

impl Export {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let document = wait(async {
            let catalog = self.catalog.open_made().await?;
            let exported = catalog.export().await;
            catalog.close().await;
            Ok(exported?)
        })?;
        let text = document.to_json()? + "\n";
        let Some(file) = &self.out else {
            let mut out = stdout();
            out.write_all(text.as_bytes())?;
            out.flush()?;
            return Ok(Outcome::Fine);
        };
        replace(file, text.as_bytes()).map_err(|error| Failure::file("write", file, &error))?;
        let (file, size) = (file.display(), bytes(text.len() as u64));
        line(&format!("exported {} to {file}: {size}", held(&document)))?;
        Ok(Outcome::Fine)
    }
}

/// What a document holds, in words.
pub(super) fn held(document: &Document) -> String {
    let (labels, deliveries) = (document.labels.len() as u64, document.deliveries.len() as u64);
    let users = document.labels.iter().flat_map(|label| &label.users).map(Vec::len).sum::<usize>() as u64;
    format!(
        "{} label{} ({} user{} in lists) and {} {}",
        grouped(labels),
        plural(labels),
        grouped(users),
        plural(users),
        grouped(deliveries),
        if deliveries == 1 { "delivery" } else { "deliveries" },
    )
}

/// Writes a file aside, brings it to disk and gives it its name.
pub(super) fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".part");
    let written = (|| {
        let mut out = File::create(&aside)?;
        out.write_all(text)?;
        out.sync_all()?;
        fs::rename(&aside, file)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}
