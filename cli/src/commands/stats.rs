//! `muster stats`: figures of a column over an audience.

use std::io::Write;

use clap::Args;
use muster_engine::execute::Stats as Figures;
use muster_engine::value::Value;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Align, figure, grouped, json_report, stdout, table};
use crate::request::{AskArgs, OPERAND_HELP};

/// The quantiles told: the extremes are told apart from them.
const LEVELS: [f64; 7] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

/// Tell least, greatest, mean, sum and quantiles of a number or time column over an audience
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stats {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    #[arg(long, value_name = "COLUMN", help = OPERAND_HELP)]
    column: String,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster stats --store store \"has_poh AND NOT bot_warning\" --column balance_usd
  muster stats --store store \"true\" --column \"erc20_token_holdings['USDT']\"";

/// The answer, with where it comes from.
#[derive(Debug, Serialize)]
struct Report<'a> {
    rule: &'a str,
    column: &'a str,
    generation: u64,
    #[serde(flatten)]
    figures: &'a Figures,
}

impl Stats {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let operand = asking.operand(&self.column)?;
        let figures = asking.audience(&self.rule)?.stats(&operand, &LEVELS)?;
        if self.json {
            let generation = asking.snapshot.generation();
            json_report(&Report { rule: &self.rule, column: &self.column, generation, figures: &figures })?;
            return Ok(Outcome::Fine);
        }
        let mut out = stdout();
        table(&mut out, [("figure", Align::Left), (&self.column, Align::Right)], &rows(&figures))?;
        out.flush()?;
        Ok(Outcome::Fine)
    }
}

fn rows(figures: &Figures) -> Vec<[String; 2]> {
    let mut rows = vec![
        ["users".to_owned(), grouped(figures.total)],
        ["with a value".to_owned(), grouped(figures.count)],
        ["NULL".to_owned(), grouped(figures.null)],
    ];
    if figures.nan > 0 {
        rows.push(["NaN".to_owned(), grouped(figures.nan)]);
    }
    let value = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
    let number = |value: Option<f64>| value.map(figure);
    let mut tell = |name: &str, value: Option<String>| {
        rows.extend(value.map(|value| [name.to_owned(), value]));
    };
    tell("sum", number(figures.sum));
    tell("mean", number(figures.mean));
    tell("least", value(&figures.min));
    for quantile in &figures.quantiles {
        let name =
            if quantile.level == 0.5 { "median".to_owned() } else { format!("{} %", quantile.level * 100.0) };
        tell(&name, Some(quantile.value.to_string()));
    }
    tell("greatest", value(&figures.max));
    rows
}
