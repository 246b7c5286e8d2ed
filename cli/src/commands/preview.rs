//! `muster preview`: how many users each part of a rule has, and what leaving it out would change.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use muster_engine::execute::{Preview as Previewed, PreviewNode};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Align, duration, grouped, json_report, share, stdout, table, time};
use crate::request::AskArgs;

/// Count a rule and every part of it, and say what leaving a part out would change
///
/// All in one pass over the data. A JSON tree is told group by group as it is given; a text by its groups, negations and
/// conditions.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Preview {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster preview --store store \"has_poh AND country = 'US' AND balance_usd >= 100\"
  muster preview --store store --json \"at_least(2, has_zkme, has_babt, has_binance_kyc)\"";

#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    preview: Previewed,
    universe: u64,
    generation: u64,
    as_of: String,
    now: String,
    micros: f64,
}

impl Preview {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let begun = Instant::now();
        let preview = asking.preview(&self.rule)?;
        let took = begun.elapsed();
        let universe = u64::from(asking.snapshot.rows());
        let (generation, as_of) = (asking.snapshot.generation(), time(asking.snapshot.as_of()));
        if self.json {
            let (now, micros) = (time(asking.now), took.as_nanos() as f64 / 1e3);
            json_report(&Report { preview, universe, generation, as_of, now, micros })?;
            return Ok(Outcome::Fine);
        }
        let mut rows = Vec::new();
        add_rows(&preview.root, universe, 0, &mut rows);
        let heading = [
            ("users", Align::Right),
            ("share", Align::Right),
            ("without this", Align::Right),
            ("rule", Align::Left),
        ];
        let mut out = stdout();
        table(&mut out, heading, &rows)?;
        writeln!(
            out,
            "{} users, in {}; generation {generation} as of {as_of}",
            grouped(universe),
            duration(took)
        )?;
        out.flush()?;
        Ok(Outcome::Fine)
    }
}

/// A part a line, those of a group below it.
fn add_rows(node: &PreviewNode, universe: u64, depth: usize, rows: &mut Vec<[String; 4]>) {
    let without = node.without.map_or_else(String::new, |change| match change {
        0 => "0".to_owned(),
        change => format!("{}{}", if change > 0 { "+" } else { "-" }, grouped(change.unsigned_abs())),
    });
    let rule = format!("{:indent$}{}", "", node.rule, indent = depth * 2);
    rows.push([grouped(node.count), share(node.count, universe), without, rule]);
    for part in &node.parts {
        add_rows(part, universe, depth + 1, rows);
    }
}
