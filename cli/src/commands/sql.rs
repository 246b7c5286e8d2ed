//! `muster sql`: the same rule, for the warehouse.

use clap::Args;
use muster_engine::rule::sql::{SqlOptions, render};

use crate::failure::{Failure, Outcome};
use crate::output::line;
use crate::request::AskArgs;

/// Print a rule as the ClickHouse WHERE condition that matches the same users in the source table
///
/// NULL, JSON columns and time zones are spelled out, so that nothing depends on the server's settings.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sql {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    /// Leave now() and today() to the server, instead of the instant that they mean here
    #[arg(long, conflicts_with = "now")]
    live: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster sql --store store \"has(active_chains, 'ethereum') AND NOT bot_warning\"
  muster sql --store store --live \"last_active_time >= now() - INTERVAL 7 DAY\"";

impl Sql {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        // Bound first, so that what is wrong with a rule is told as every other command tells it.
        let audience = asking.audience(&self.rule)?;
        let options = SqlOptions {
            now: (!self.live).then_some(asking.now),
            labels: &asking.labels,
            limits: &asking.limits,
        };
        line(
            &render(audience.rule(), asking.snapshot.schema(), &options)
                .map_err(|e| Failure::Rule(e.to_string()))?,
        )?;
        Ok(Outcome::Fine)
    }
}
