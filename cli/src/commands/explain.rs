//! `muster explain`: how is a rule answered, and at what cost?

use std::io::Write;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output::{json_report, stdout};
use crate::request::AskArgs;

/// Show the plan of a rule, with estimated and actual rows and the cost of every step
///
/// Every step is run by itself, so the times do not add up to that of a count.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
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
  muster explain --store store \"has_poh AND balance_usd >= 100 AND NOT bot_warning\"";

impl Explain {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let explanation = self.ask.open()?.audience(&self.rule)?.explain()?;
        if self.json {
            json_report(&explanation)?;
        } else {
            let mut out = stdout();
            write!(out, "{explanation}")?;
            out.flush()?;
        }
        Ok(Outcome::Fine)
    }
}
