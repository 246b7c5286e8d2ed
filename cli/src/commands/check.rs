//! `muster check`: is this user in, and why?

use std::io::{self, Write};

use clap::Args;
use muster_engine::execute::{Feature, Outcome as Truth, Verdict};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{json_report, stdout, time};
use crate::request::AskArgs;

/// Say whether a rule matches a user, and why, condition by condition
///
/// The exit status is 0 if it does and 1 if it does not, or if there is no such user.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    ask: AskArgs,

    /// The user's id
    user_id: u64,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster check --store store 1000011 \"has_poh AND NOT bot_warning\"
  muster check --store store --json 1000011 \"balance_usd >= 100 OR country = 'US'\"";

/// What is said of a user.
#[derive(Debug, Serialize)]
struct Report {
    user_id: u64,
    in_audience: bool,
    known_user: bool,
    generation: u64,
    as_of: String,
    now: String,
    /// Condition by condition; absent for an unknown user.
    verdict: Option<Verdict>,
}

impl Check {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let verdict = asking.audience(&self.rule)?.check(self.user_id)?;
        let report = Report {
            user_id: self.user_id,
            in_audience: verdict.as_ref().is_some_and(|verdict| verdict.outcome == Truth::True),
            known_user: verdict.is_some(),
            generation: asking.snapshot.generation(),
            as_of: time(asking.snapshot.as_of()),
            now: time(asking.now),
            verdict,
        };
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        Ok(if report.in_audience { Outcome::Fine } else { Outcome::No })
    }
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = stdout();
    let Report { user_id, generation, as_of, .. } = report;
    match &report.verdict {
        None => writeln!(out, "user {user_id} is not in generation {generation} as of {as_of}")?,
        Some(verdict) => {
            let place = if report.in_audience { "in" } else { "out" };
            writeln!(out, "user {user_id} is {place}; generation {generation} as of {as_of}")?;
            explain(&mut out, verdict, 1)?;
        }
    }
    out.flush()
}

fn explain(out: &mut impl Write, verdict: &Verdict, depth: usize) -> io::Result<()> {
    let outcome = match verdict.outcome {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    };
    write!(out, "{:indent$}{outcome:<7}  {}", "", verdict.rule, indent = depth * 2)?;
    // A group's values stand with its terms.
    if verdict.terms.is_empty() && !verdict.features.is_empty() {
        let values: Vec<String> =
            verdict.features.iter().map(|(name, feature)| format!("{name} is {}", shown(feature))).collect();
        write!(out, "    ({})", values.join(", "))?;
    }
    writeln!(out)?;
    verdict.terms.iter().try_for_each(|term| explain(out, term, depth + 1))
}

fn shown(feature: &Feature) -> String {
    match feature {
        Feature::Value(value) => value.to_string(),
        Feature::Length(length) => format!("a list of {length}"),
        Feature::List(values) => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("[{}]", values.join(", "))
        }
        Feature::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
