//! `muster catalog audit`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use muster_catalog::Catalog;
use muster_catalog::audit::{AuditFilter, Kind, Record};
use muster_server::AuditRecord;

use super::plural;
use crate::arguments::instant;
use crate::catalog::{CatalogArgs, wait};
use crate::failure::{Failure, Outcome};
use crate::output::{Align, grouped, json_line, stdout, table};

/// Read what was done in the catalog, in the store and to tokens: when, by whom, to what
///
/// The newest records come first. With --export all that match are written, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Audit {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// About this: label, list, delivery, approval, import, generation, rebuild, token, erasure or server
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,

    /// About what has this number
    #[arg(long, value_name = "NUMBER")]
    id: Option<u64>,

    /// Done by this person
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,

    /// Not before this instant, as 2026-11-20T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<i64>,

    /// Before this instant
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<i64>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "export")]
    limit: usize,

    /// One JSON object a record
    #[arg(long, conflicts_with = "export")]
    json: bool,

    /// Write all that match to a file as JSON lines, the oldest first; - is standard output
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  muster catalog audit --store store
  muster catalog audit --store store --kind label --id 7
  muster catalog audit --store store --actor alice --since 2026-11-20T00:00:00Z --json
  muster catalog audit --config muster.toml --export audit.jsonl";

fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|error: muster_catalog::Error| error.to_string())
}

impl Audit {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let filter = self.filter()?;
        wait(async {
            let catalog = self.catalog.open_made().await?;
            let done = match &self.export {
                Some(file) => export(&catalog, &filter, file).await,
                None => self.list(&catalog, filter).await,
            };
            catalog.close().await;
            done
        })?;
        Ok(Outcome::Fine)
    }

    fn filter(&self) -> Result<AuditFilter, Failure> {
        let micros = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1_000_000));
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Usage("--until is not after --since; give a later instant".to_owned()));
        }
        Ok(AuditFilter {
            kind: self.kind,
            object_id: self.id,
            actor: self.actor.clone(),
            from_us: micros(self.since),
            until_us: micros(self.until),
            ..AuditFilter::default()
        })
    }

    async fn list(&self, catalog: &Catalog, mut filter: AuditFilter) -> Result<(), Failure> {
        let mut records = Vec::new();
        while records.len() < self.limit {
            filter.page_size = u32::try_from(self.limit - records.len()).unwrap_or(u32::MAX);
            let page = catalog.audit(&filter).await?;
            records.extend(page.items);
            let Some(token) = page.next_page_token else { break };
            filter.page_token = token;
        }
        let mut out = stdout();
        if self.json {
            for record in records {
                json_line(&mut out, &AuditRecord::from(record))?;
            }
        } else {
            let heading = ["id", "time", "by", "what", "to", "comment"];
            let heading = heading.map(|name| (name, if name == "id" { Align::Right } else { Align::Left }));
            table(&mut out, heading, &records.into_iter().map(row).collect::<Vec<_>>())?;
        }
        out.flush()?;
        Ok(())
    }
}

fn row(record: Record) -> [String; 6] {
    let record = AuditRecord::from(record);
    let object = match (record.object_id, record.object) {
        (Some(id), name) if name.is_empty() => id.to_string(),
        (Some(id), name) => format!("{id} {name}"),
        (None, name) => name,
    };
    // A comment may have lines of its own; a table has one.
    let comment = record.comment.split_whitespace().collect::<Vec<_>>().join(" ");
    [
        record.id.to_string(),
        record.at,
        record.actor,
        format!("{} {}", record.kind, record.action),
        object,
        comment,
    ]
}

/// Writes all records of a filter, piece by piece.
async fn export(catalog: &Catalog, filter: &AuditFilter, file: &Path) -> Result<(), Failure> {
    if file == Path::new("-") {
        let mut out = stdout();
        lines(catalog, filter, &mut out).await?;
        out.flush()?;
        return Ok(());
    }
    let cannot = |error: std::io::Error| Failure::file("write", file, &error);
    let mut out = BufWriter::new(File::create(file).map_err(cannot)?);
    let count = lines(catalog, filter, &mut out).await.map_err(|failure| match failure {
        Failure::OutputClosed => Failure::Store(format!("cannot write {}: it was closed", file.display())),
        other => other,
    })?;
    let out = out.into_inner().map_err(|error| cannot(error.into_error()))?;
    out.sync_all().map_err(cannot)?;
    let (count, plural) = (grouped(count), plural(count));
    crate::output::line(&format!("exported {count} record{plural} of the audit to {}", file.display()))
}

async fn lines(catalog: &Catalog, filter: &AuditFilter, out: &mut impl Write) -> Result<u64, Failure> {
    let (mut after, mut count) = (None, 0);
    loop {
        let piece = catalog.audit_after(filter, after).await?;
        let Some(last) = piece.last() else { return Ok(count) };
        after = Some(last.id);
        count += piece.len() as u64;
        for record in piece {
            json_line(out, &AuditRecord::from(record))?;
        }
    }
}
