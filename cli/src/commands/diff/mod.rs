//! `muster diff`: what has changed between two generations.

mod print;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use muster_engine::diff::{Change, ColumnDiff, Diff as Generations, Moved, Movement, UserCounts};
use muster_engine::error::Error;
use muster_engine::execute::Audience;
use muster_engine::snapshot::Store;
use muster_loader::progress::{Bars, Progress};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::formats::{Format, refuse_terminal, write_to};
use crate::output::{json_report, time};
use crate::request::{AskArgs, Asking, rules_in};
use print::print;

/// Tell what has changed between two generations: users, values by column, audiences by rule
///
/// Up to two generations come first: numbers, current or previous. One is compared with the one in service; none means
/// previous and current. Rules follow. now() in a rule is the instant at which each generation's source was read, unless --now says otherwise.
#[derive(Debug, Args)]
#[command(
    override_usage = "muster diff [OPTIONS] --store <DIR> [BEFORE [AFTER]] [RULE]...",
    after_help = EXAMPLES
)]
pub(crate) struct Diff {
    #[command(flatten)]
    ask: AskArgs,

    /// Generations, then rules
    #[arg(value_name = "GENERATION or RULE")]
    words: Vec<String>,

    /// Rules, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Compare the values of this column only; may be given more than once
    #[arg(long = "column", value_name = "NAME", conflicts_with = "no_columns")]
    columns: Vec<String>,

    /// Compare no values: users and rules only
    #[arg(long)]
    no_columns: bool,

    /// List these users instead
    #[arg(long, value_enum, value_name = "SET", conflicts_with_all = ["file", "json"])]
    members: Option<Members>,

    /// With --members: at most this many users
    #[arg(long, value_name = "N", requires = "members")]
    limit: Option<u64>,

    /// With --members: how to write them
    #[arg(long, value_enum, default_value_t = Format::Ids, requires = "members")]
    format: Format,

    /// With --members: write to this file, which appears when it is complete
    #[arg(long, value_name = "FILE", requires = "members")]
    out: Option<PathBuf>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster diff --store store
  muster diff --store store 7 9 \"has_poh AND NOT bot_warning\" \"balance_usd >= 100\"
  muster diff --store store --file rules.txt --no-columns --json
  muster diff --store store --members entered-changed --format csv --out entered.csv \"has_poh\"
  muster diff --store store --column country --members changed --limit 10";

/// Which users to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Members {
    /// New in the table; with a rule, those of them in its audience
    Added,
    /// No longer in the table; with a rule, those of them who were in its audience
    Gone,
    /// In the rule's audience now, not before
    Entered,
    /// The same, without those who are new in the table
    EnteredChanged,
    /// In the rule's audience before, not now
    Left,
    /// The same, without those who are no longer in the table
    LeftChanged,
    /// In the rule's audience before and now; without a rule, in the table before and now
    Stayed,
    /// With another value in --column
    Changed,
    /// With a value in --column, and none before
    GotValue,
    /// Without a value in --column, and one before
    LostValue,
}

impl Members {
    /// What it means of a rule, or of a column.
    fn of(self) -> Result<Moved, Change> {
        Ok(match self {
            Self::Added => Moved::Added,
            Self::Gone => Moved::Gone,
            Self::Entered => Moved::Entered,
            Self::EnteredChanged => Moved::EnteredChanged,
            Self::Left => Moved::Left,
            Self::LeftChanged => Moved::LeftChanged,
            Self::Stayed => Moved::Stayed,
            Self::Changed => return Err(Change::Changed),
            Self::GotValue => return Err(Change::GotValue),
            Self::LostValue => return Err(Change::LostValue),
        })
    }
}

/// What is told.
#[derive(Debug, Serialize)]
struct Report {
    before: Side,
    after: Side,
    users: UserCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<ColumnDiff>>,
    rules: Vec<Ruled>,
    millis: f64,
}

/// One of the generations.
#[derive(Debug, Serialize)]
struct Side {
    generation: u64,
    as_of: String,
    now: String,
}

/// One rule.
#[derive(Debug, Serialize)]
struct Ruled {
    rule: String,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Finding {
    /// It has an audience in both.
    Moved(Movement),
    /// It has none in one of them, or in both.
    Refused { error: String },
}

impl Diff {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        refuse_terminal(self.out.as_deref(), self.format)?;
        self.ask.names_no_generation()?;
        let (generations, mut rules) = self.generations_and_rules(&self.ask.store()?)?;
        rules.extend(self.file.as_deref().map(rules_in).transpose()?.unwrap_or_default());
        let before = self.ask.open_generation(Some(generations.0))?;
        let after = self.ask.open_generation(Some(generations.1))?;
        let both = (&before, &after);
        if let Some(members) = self.members {
            return self.list(members, both, &rules);
        }
        let diff = Generations::new(&before.snapshot, &after.snapshot)?;
        let report = Report {
            before: side(&before),
            after: side(&after),
            users: diff.user_counts(),
            columns: if self.no_columns { None } else { Some(self.compared(&diff)?) },
            rules: moved(&diff, both, rules)?,
            millis: begun.elapsed().as_secs_f64() * 1e3,
        };
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        let fine = |rule: &Ruled| matches!(rule.finding, Finding::Moved(_));
        Ok(if report.rules.iter().all(fine) { Outcome::Fine } else { Outcome::No })
    }

    /// The words that are generations, as far as they come first; the others are rules.
    fn generations_and_rules(&self, store: &Store) -> Result<((u64, u64), Vec<String>), Failure> {
        let named = self.words.iter().take(2).map_while(|word| which(word)).collect::<Vec<_>>();
        let rules = self.words[named.len()..].to_vec();
        let pair = match named[..] {
            [before, after] => (before, after),
            [before] => (before, Which::Current),
            _ => (Which::Previous, Which::Current),
        };
        Ok(((number(store, pair.0)?, number(store, pair.1)?), rules))
    }

    fn list(&self, members: Members, both: (&Asking, &Asking), rules: &[String]) -> Result<Outcome, Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        // What is wrong with the question is told before the work is done.
        let audiences = match (members.of(), rules, &self.columns[..]) {
            (Ok(Moved::Added | Moved::Gone | Moved::Stayed), [], []) | (Err(_), [], [_]) => None,
            (Ok(_), [rule], []) => Some(audiences(both, rule)?.map_err(Failure::Rule)?),
            (Ok(_), _, []) => return usage("give one rule to list users of"),
            (Ok(_), ..) => return usage("--column goes with --members changed, got-value or lost-value"),
            (Err(_), ..) => {
                return usage("give one --column and no rule to list users whose value has changed");
            }
        };
        let diff = Generations::new(&both.0.snapshot, &both.1.snapshot)?;
        let users = match members.of() {
            Ok(moved) => diff.users(moved, audiences.as_ref().map(|(before, after)| (before, after)))?,
            Err(change) => diff.column_users(&self.columns[0], change).map_err(of_column)?,
        };
        let key = &diff.after().schema().user_id;
        write_to(self.out.as_deref(), self.format, key, users.limit(self.limit.unwrap_or(u64::MAX)))?;
        Ok(Outcome::Fine)
    }

    fn compared(&self, diff: &Generations) -> Result<Vec<ColumnDiff>, Failure> {
        let names: Vec<&str> = match &self.columns[..] {
            [] => diff.column_names(),
            some => some.iter().map(String::as_str).collect(),
        };
        let bars = Bars::new();
        bars.begin("columns", Some(names.len() as u64));
        let compare = |name| {
            let compared = diff.column(name);
            bars.advance(1);
            compared.map_err(of_column)
        };
        let compared = names.into_iter().map(compare).collect();
        bars.end();
        compared
    }
}

/// A generation as people name it.
#[derive(Debug, Clone, Copy)]
enum Which {
    Number(u64),
    Current,
    Previous,
}

fn which(word: &str) -> Option<Which> {
    match word {
        "current" => Some(Which::Current),
        "previous" => Some(Which::Previous),
        number => number.parse().ok().map(Which::Number),
    }
}

fn number(store: &Store, which: Which) -> Result<u64, Failure> {
    let current = || match store.current_generation()? {
        Some(current) => Ok(current),
        None => Err(Failure::from(Error::NoStore { path: store.dir().to_owned() })),
    };
    match which {
        Which::Number(number) => Ok(number),
        Which::Current => current(),
        Which::Previous => {
            let current = current()?;
            store.previous_of(current)?.ok_or_else(|| {
                Failure::Usage(format!(
                    "generation {current} is in service and the store holds nothing earlier to compare it with; name two generations"
                ))
            })
        }
    }
}

/// A column that is not there, or that has nothing to compare, is the caller's to mend.
fn of_column(error: Error) -> Failure {
    match error {
        Error::Input { what } => Failure::Rule(what),
        other => other.into(),
    }
}

/// A rule's audience in both generations, or why it has none.
fn audiences(
    (before, after): (&Asking, &Asking),
    rule: &str,
) -> Result<Result<(Audience, Audience), String>, Failure> {
    let of = |asking: &Asking| match asking.audience(rule) {
        Ok(audience) => Ok(Ok(audience)),
        Err(Failure::Rule(error)) => Ok(Err((asking.snapshot.generation(), error))),
        Err(other) => Err(other),
    };
    Ok(match (of(before)?, of(after)?) {
        (Ok(before), Ok(after)) => Ok((before, after)),
        (Err((_, before)), Err((_, after))) if before == after => Err(before),
        (Err((generation, error)), _) | (Ok(_), Err((generation, error))) => {
            Err(format!("in generation {generation}: {error}"))
        }
    })
}

fn moved(diff: &Generations, both: (&Asking, &Asking), rules: Vec<String>) -> Result<Vec<Ruled>, Failure> {
    let bars = Bars::new();
    bars.begin("rules", Some(rules.len() as u64));
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let finding = match audiences(both, &rule)? {
            Ok((before, after)) => Finding::Moved(diff.movement((&before, &after))?),
            Err(error) => Finding::Refused { error },
        };
        all.push(Ruled { rule, finding });
        bars.advance(1);
    }
    bars.end();
    Ok(all)
}

fn side(asking: &Asking) -> Side {
    let snapshot = &asking.snapshot;
    Side { generation: snapshot.generation(), as_of: time(snapshot.as_of()), now: time(asking.now) }
}
