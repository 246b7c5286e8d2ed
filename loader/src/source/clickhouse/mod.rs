//! A ClickHouse server, over HTTP: a table or a query as a source, and a way to ask it questions.
//!
//! Rows come whole or the build fails; docs/clickhouse.md says how that is known. Who writes to a server (`write_back`)
//! asks through the same [`Link`].

mod address;
mod arrow_stream;
mod columns;
mod fault;
mod link;
mod native;
mod options;
mod pull;
mod ranges;
mod retry;
#[cfg(test)]
pub(crate) mod scripted;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

use super::{Batches, Source};
use crate::error::{LoadError, Result};
use columns::Wanted;
use fault::Remedy;
use options::PULLS;
use pull::{Guard, Pull};
use table::Table;

pub(crate) use fault::Fault;
pub(crate) use link::Link;
pub use options::{ClickHouseOptions, Compression, Rows, WireFormat};
pub(crate) use options::{literal, quoted};
pub(crate) use retry::Attempts;

/// A table or a query on a server.
#[derive(Debug)]
pub struct ClickHouseSource {
    link: Arc<Link>,
    table: Table,
    schema: SchemaRef,
    rows: Option<u64>,
    native: bool,
}

impl ClickHouseSource {
    /// Connects, and asks for the columns, the format and the number of rows, where that costs nothing.
    pub fn open(options: ClickHouseOptions) -> Result<Self> {
        let link = Arc::new(Link::new(options)?);
        let table = Table::look(&link)?;
        let native = native(&link)?;
        let schema = Schema::new(table.columns.iter().map(columns::Column::field).collect::<Vec<_>>());
        let rows = if table.counts_for_free { Some(count(&link, &count_query(&link, false))?) } else { None };
        Ok(Self { link, table, schema: Arc::new(schema), rows, native })
    }

    /// Pieces to pull, whether each is held back until it is whole, and how many at a time.
    fn pieces(&self) -> Result<(Vec<Option<String>>, bool, usize)> {
        let options = self.link.options();
        let id = self.table.columns.iter().find(|column| column.name == options.user_id);
        let sorted = self.table.sorted_by.as_deref() == Some(options.user_id.as_str());
        // Elsewhere each range would read the whole table, unless somebody knows better.
        let cuttable = id.filter(|id| id.is_integer() && (sorted || options.pulls.is_some()));
        let rows = match (self.rows, cuttable) {
            (Some(rows), _) => rows,
            (None, None) => return Ok((vec![None], false, 1)),
            (None, Some(_)) => count(&self.link, &count_query(&self.link, false))?,
        };
        let ranges = ranges::wanted(rows, options.range_rows);
        let pulls = options.pulls.unwrap_or(PULLS) as usize;
        match cuttable {
            Some(id) if ranges > 1 => {
                let cuts = self.link.text(&ranges::cuts_query(&id.name, &unmerged(&self.link), ranges))?;
                Ok((ranges::conditions(&id.name, id.is_nullable(), &ranges::cuts(&cuts)), true, pulls))
            }
            _ => Ok((vec![None], ranges == 1, 1)),
        }
    }

    /// What must be the same after the pull as it is now.
    fn guard(&self) -> Result<Guard> {
        let link = &self.link;
        let (Rows::Table { last_row_only, .. }, strict) = (&link.options().rows, link.options().strict)
        else {
            return Ok(Guard::default());
        };
        let counted = strict || (self.table.counts_for_free && !last_row_only);
        let query = count_query(link, true);
        let rows = if counted { Some((query.clone(), count(link, &query)?)) } else { None };
        let identity = table::identity(link)
            .and_then(|uuid| Some((table::known_query(link, "toString(uuid)", "tables", "name")?, uuid)));
        Ok(Guard { rows, identity })
    }
}

impl Source for ClickHouseSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn rows(&self) -> Option<u64> {
        // Of several rows of a user `FINAL` leaves one.
        self.rows.filter(|_| !matches!(self.link.options().rows, Rows::Table { last_row_only: true, .. }))
    }

    fn batches(&self, columns: &[usize]) -> Result<Batches> {
        if columns.is_empty() {
            return Err(LoadError::Source("no column of the source is wanted.".to_owned()));
        }
        let wanted = columns.iter().enumerate();
        let wanted = wanted.map(|(place, &at)| Wanted::new(&self.table.columns[at], place, !self.native));
        let wanted: Vec<Wanted> = wanted.collect::<Result<_>>()?;
        let guard = self.guard()?;
        let (pieces, held_back, pulls) = self.pieces()?;
        let options = self.link.options();
        tracing::info!(pieces = pieces.len(), pulls, native = self.native, "reading from ClickHouse");
        let pull = Pull {
            link: self.link.clone(),
            wanted: Arc::new(wanted),
            from: options.rows.after_from(),
            pieces,
            held_back,
            native: self.native,
            // Native has no end, so somebody has to count.
            counted: options.strict || self.native,
            deadline: self.link.deadline(),
            guard,
        };
        Ok(Box::new(pull.start(pulls)?))
    }

    fn description(&self) -> String {
        let options = self.link.options();
        let what = match &options.rows {
            Rows::Table { name, last_row_only: true } => format!("{name} FINAL"),
            Rows::Table { name, .. } => name.clone(),
            Rows::Query(_) => "a query".to_owned(),
        };
        format!("clickhouse:{} ({what})", options.address.url)
    }

    fn watermark(&self) -> Option<String> {
        Some(jiff::Timestamp::from_second(self.table.changed?).ok()?.to_string())
    }
}

/// Whether rows must be asked for in Native. Also finds out whether settings are allowed, before it matters.
fn native(link: &Arc<Link>) -> Result<bool> {
    let wanted = link.options().format;
    if wanted == WireFormat::Native {
        return Ok(true);
    }
    match link.knows_arrow()? {
        Ok(()) => Ok(false),
        Err(fault) if fault.remedy == Remedy::OtherFormat && wanted == WireFormat::Auto => {
            tracing::info!(
                "this ClickHouse does not know ArrowStream; reading Native, and counting every row"
            );
            Ok(true)
        }
        Err(fault) => Err(link.failed(&fault)),
    }
}

/// The table as it is stored: several rows of a user are several.
fn unmerged(link: &Link) -> String {
    match &link.options().rows {
        Rows::Table { name, .. } => Rows::Table { name: name.clone(), last_row_only: false }.after_from(),
        query @ Rows::Query(_) => query.after_from(),
    }
}

fn count_query(link: &Link, as_read: bool) -> String {
    let from = if as_read { link.options().rows.after_from() } else { unmerged(link) };
    format!("SELECT count() FROM {from}")
}

fn count(link: &Arc<Link>, query: &str) -> Result<u64> {
    let answer = link.text(query)?;
    answer.trim().parse().map_err(|_| {
        let url = &link.options().address.url;
        LoadError::Source(format!(
            "ClickHouse at {url} does not answer a count with a number; is it ClickHouse?"
        ))
    })
}
