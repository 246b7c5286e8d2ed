//! `muster breakdown`: an audience by the values of a column.

use std::io::Write;

use clap::{Args, ValueEnum};
use muster_engine::execute::{Breakdown as Values, Histogram, Scale};
use muster_engine::rule::ast::Operand;
use muster_engine::schema::{ColumnType, ScalarType};
use muster_engine::snapshot::Snapshot;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Align, figure, grouped, json_report, share, stdout, table, time};
use crate::request::{AskArgs, OPERAND_HELP};

/// Break an audience down by a column: its most frequent values, or a histogram
///
/// An array counts by element and a map by key, so a user may count more than once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Breakdown {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    #[arg(long, value_name = "COLUMN", help = OPERAND_HELP)]
    by: String,

    /// How many values to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// Instead of values, at most this many bins of a number or time column, between round numbers or times; `population` is all
    /// users
    #[arg(long, value_name = "N", conflicts_with = "top", value_parser = clap::value_parser!(u16).range(1..))]
    bins: Option<u16>,

    /// How bins are laid out
    #[arg(long, value_enum, default_value_t = BinScale::Auto, requires = "bins")]
    scale: BinScale,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// How bins are laid out.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BinScale {
    /// Whichever of the other two users spread over more
    Auto,
    /// Of equal width; times by the calendar
    Linear,
    /// By decades around zero; times by their age
    Log,
}

impl From<BinScale> for Scale {
    fn from(scale: BinScale) -> Self {
        match scale {
            BinScale::Auto => Self::Auto,
            BinScale::Linear => Self::Linear,
            BinScale::Log => Self::Log,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  muster breakdown --store store \"has_poh\" --by country --top 5
  muster breakdown --store store \"has_poh\" --by active_chains
  muster breakdown --store store \"has_poh\" --by thirdwave_wallet_score --bins 10";

/// The answer, with where it comes from.
#[derive(Debug, Serialize)]
struct Report<'a, T> {
    rule: &'a str,
    by: &'a str,
    generation: u64,
    #[serde(flatten)]
    answer: &'a T,
}

/// What a table of either kind shows.
struct Rows {
    total: u64,
    rows: Vec<(String, u64)>,
}

impl Breakdown {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let operand = asking.operand(&self.by)?;
        let audience = asking.audience(&self.rule)?;
        let generation = asking.snapshot.generation();
        if let Some(bins) = self.bins {
            let answer = audience.histogram(&operand, bins.into(), self.scale.into())?;
            let edge = if is_time(&asking.snapshot, &operand) { |edge| time(edge as i64) } else { figure };
            self.print(generation, &answer, |answer| histogram_rows(answer, edge))?;
        } else {
            let answer = audience.breakdown(&operand, self.top)?;
            self.print(generation, &answer, value_rows)?;
        }
        Ok(Outcome::Fine)
    }

    fn print<T: Serialize>(
        &self,
        generation: u64,
        answer: &T,
        rows: impl FnOnce(&T) -> Rows,
    ) -> Result<(), Failure> {
        if self.json {
            return json_report(&Report { rule: &self.rule, by: &self.by, generation, answer });
        }
        let Rows { total, rows } = rows(answer);
        let rows: Vec<[String; 3]> =
            rows.into_iter().map(|(name, count)| [name, grouped(count), share(count, total)]).collect();
        let mut out = stdout();
        let heading = [(self.by.as_str(), Align::Left), ("users", Align::Right), ("share", Align::Right)];
        table(&mut out, heading, &rows)?;
        out.flush()?;
        Ok(())
    }
}

fn value_rows(answer: &Values) -> Rows {
    let mut rows: Vec<_> = answer.values.iter().map(|value| (value.value.to_string(), value.count)).collect();
    let hidden = answer.distinct.saturating_sub(answer.values.len() as u64);
    if hidden > 0 {
        rows.push((format!("({} others)", grouped(hidden)), answer.others));
    }
    rows.push(("(NULL)".to_owned(), answer.null));
    rows.push(("(all)".to_owned(), answer.total));
    Rows { total: answer.total, rows }
}

fn histogram_rows(answer: &Histogram, edge: fn(f64) -> String) -> Rows {
    let last = answer.bins.len().saturating_sub(1);
    let mut rows: Vec<_> = answer
        .bins
        .iter()
        .enumerate()
        .map(|(at, bin)| {
            let end = if at == last { ']' } else { ')' };
            (format!("[{}, {}{end}", edge(bin.low), edge(bin.high)), bin.count)
        })
        .collect();
    if answer.not_finite > 0 {
        rows.push(("(not finite)".to_owned(), answer.not_finite));
    }
    rows.push(("(NULL)".to_owned(), answer.null));
    rows.push(("(all)".to_owned(), answer.total));
    Rows { total: answer.total, rows }
}

/// Whether the edges of the operand's bins are instants.
fn is_time(snapshot: &Snapshot, operand: &Operand) -> bool {
    let Operand::Column(name) = operand else { return false };
    let ty = snapshot.schema().column(name).map(|(_, column)| &column.ty);
    matches!(
        ty,
        Some(ColumnType::Scalar(
            ScalarType::Date | ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. }
        ))
    )
}
