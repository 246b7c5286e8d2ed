//! `muster overlap`: how much do audiences have in common?

use std::io::Write;

use clap::Args;
use muster_engine::execute::{Audience, Overlap as Pairs, overlap};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{grouped, json_report, share, stdout};
use crate::request::AskArgs;

/// Count the users that each pair of rules has in common
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Overlap {
    #[command(flatten)]
    ask: AskArgs,

    /// Two to fifty WHERE expressions or JSON rule trees
    #[arg(required = true, num_args = 2..=50, value_name = "RULE")]
    rules: Vec<String>,

    /// One JSON object; its counts are a row a rule, a column a rule: the users in both
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster overlap --store store \"has_zkme\" \"has_babt\" \"balance_usd >= 1000\"";

/// The answer, with where it comes from.
#[derive(Debug, Serialize)]
struct Report<'a> {
    rules: &'a [String],
    generation: u64,
    counts: Vec<Vec<u64>>,
}

impl Overlap {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let audiences: Vec<Audience> =
            self.rules.iter().map(|rule| asking.audience(rule)).collect::<Result<_, _>>()?;
        let Pairs { both: counts } = overlap(&audiences.iter().collect::<Vec<_>>())?;
        if self.json {
            json_report(&Report { rules: &self.rules, generation: asking.snapshot.generation(), counts })?;
        } else {
            self.print(&counts)?;
        }
        Ok(Outcome::Fine)
    }

    /// By rule: its users, and what share of them each other rule has as well.
    fn print(&self, counts: &[Vec<u64>]) -> Result<(), Failure> {
        let mut out = stdout();
        for (i, (rule, row)) in self.rules.iter().zip(counts).enumerate() {
            writeln!(out, "{}: {} users, of them", rule, grouped(row[i]))?;
            for (j, (other, &both)) in self.rules.iter().zip(row).enumerate() {
                if i != j {
                    writeln!(out, "  {:>12}  {:>8}  {other}", grouped(both), share(both, row[i]))?;
                }
            }
        }
        out.flush()?;
        Ok(())
    }
}
