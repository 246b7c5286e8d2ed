//! `muster check`: is this user in, and why?

use std::io::{self, Write};

use clap::Args;
use muster_engine::execute::{Feature, FeatureChange, Outcome as Truth, Verdict, Why};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{json_report, stdout, time};
use crate::request::AskArgs;

/// Say whether a rule matches a user, why, condition by condition, and what would change the answer
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
    /// The fewest features whose change would turn the answer; absent for an unknown user, empty if none was found.
    change: Option<Vec<FeatureChange>>,
    /// Whether it is known that no smaller change does.
    smallest: Option<bool>,
}

impl Check {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let why = asking.audience(&self.rule)?.why(self.user_id, None)?;
        let known_user = why.is_some();
        let (inside, verdict, change, smallest) = match why {
            Some(Why { verdict, inside, change, smallest }) => {
                (inside, Some(verdict), Some(change), Some(smallest))
            }
            None => (false, None, None, None),
        };
        let report = Report {
            user_id: self.user_id,
            in_audience: inside,
            known_user,
            generation: asking.snapshot.generation(),
            as_of: time(asking.snapshot.as_of()),
            now: time(asking.now),
            verdict,
            change,
            smallest,
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
            tell_change(&mut out, report)?;
        }
    }
    out.flush()
}

fn tell_change(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let turned = if report.in_audience { "out" } else { "in" };
    let smallest = report.smallest == Some(true);
    match report.change.as_deref() {
        None => Ok(()),
        Some([]) if smallest => writeln!(out, "no change of features would put the user {turned}"),
        Some([]) => writeln!(out, "no change of features was found that would put the user {turned}"),
        Some(change) => {
            let some = if smallest { "" } else { "; a smaller change may exist" };
            writeln!(out, "the user would be {turned} with{some}")?;
            change.iter().try_for_each(|FeatureChange { feature, from, to }| {
                writeln!(out, "  {feature} = {to}    (is {from})")
            })
        }
    }
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
