//! `muster members`: who.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::formats::{Format, refuse_terminal, write_to};
use crate::request::AskArgs;

/// List the users a rule matches
///
/// The order is the store's own and stays the same within a generation; it is not the order of the ids.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Members {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    /// At most this many users
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Only those who may be targets: without users who opted out
    #[arg(long)]
    targetable: bool,

    /// Go on where a run with --limit ended: the token it told, with the same rule, --now and generation
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,

    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Ids)]
    format: Format,

    /// Write to this file, which appears when it is complete; otherwise to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  muster members --store store --limit 10 \"has_poh AND country = 'US'\"
  muster members --store store --format csv --out audience.csv \"balance_usd >= 100\"
  muster members --store store --format roaring --out audience.roaring \"has_zkme OR has_babt\"";

impl Members {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        refuse_terminal(self.out.as_deref(), self.format)?;
        let asking = self.ask.open()?;
        let audience = asking.audience(&self.rule)?;
        let mut members = audience.members(self.page_token.as_deref())?;
        if let Some(limit) = self.limit {
            members = members.limit(limit);
        }
        if self.targetable {
            members = members.targetable();
        }
        let key = &asking.snapshot.schema().user_id;
        write_to(self.out.as_deref(), self.format, key, &mut members)?;
        if let Some(token) = members.token().filter(|_| self.limit.is_some()) {
            eprintln!("muster: there may be more; go on with --page-token {token}");
        }
        Ok(Outcome::Fine)
    }
}
