//! `muster verify`: is what is in the store what was written, and does it answer what its source answers?

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use muster_engine::rule::ast::Rule;
use muster_loader::agreement::{
    Agreement, Closeness, Difference, Rebuilt, Reference, Side, Values, Warehouse, compare, made_rules,
    side_by_side,
};
use muster_loader::build::BuildOptions;
use muster_loader::config::Config;
use muster_loader::progress::{Bars, Progress};
use muster_loader::source::ClickHouseOptions;
use serde::Serialize;

use super::absent;
use crate::failure::{Failure, Outcome};
use crate::output::{bytes, duration, grouped, json_report, stdout};
use crate::request::{AskArgs, Asking, rules_in, user_ids_in};

/// Read a whole generation: every checksum and every invariant of the format; then compare with the source
///
/// With --against, rules are put to the source as well: those of --file, or some for each column. All members are compared by a
/// digest, a sample of users one by one; if anything differs, the first users who do are found and shown with what both sides have of them.
/// Parquet is read again, into the folder for temporary files (TMPDIR), and every user asked. The exit status is 1 if anything differs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    #[command(flatten)]
    ask: AskArgs,

    /// What to compare with: clickhouse:http://HOST:PORT, or parquet:GLOB
    #[arg(long, value_name = "SOURCE")]
    against: Option<String>,

    /// Rules to compare, one a line; - is standard input; without it, rules made from the schema
    #[arg(long, value_name = "FILE", requires = "against")]
    file: Option<PathBuf>,

    /// How many users to ask about one by one, for each rule
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sample: u32,

    /// How many users who differ to look for, for each rule
    #[arg(long, value_name = "N", default_value_t = 10, requires = "against")]
    differences: u32,

    /// The configuration that the store was built with: what it says of columns, and how it connects
    #[arg(long, value_name = "FILE", requires = "against")]
    config: Option<PathBuf>,

    /// The table on the server: TABLE or DATABASE.TABLE [default: the configuration's, or user_features]
    #[arg(long, value_name = "TABLE", requires = "against")]
    table: Option<String>,

    /// Read the table with FINAL: the last row of a user counts
    #[arg(long = "final", requires = "against")]
    last_row_only: bool,

    /// Who asks the server
    #[arg(long, value_name = "NAME", requires = "against")]
    user: Option<String>,

    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "against")]
    password_env: Option<String>,

    /// Prove instead that no generation on the disk has these users: ids, one a line; - is standard input. The exit status is 1 if any
    /// of them is still there, or was not erased
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "generation"])]
    absent: Option<PathBuf>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster verify --store store
  muster verify --store store --absent erased.txt
  muster verify --store store --against 'parquet:features/*.parquet'
  muster verify --store store --against clickhouse:http://127.0.0.1:8123 --table cdp.user_features --file rules.txt";

/// What was verified.
#[derive(Debug, Serialize)]
struct Report {
    generation: u64,
    rows: u64,
    bytes: u64,
    columns: usize,
    leaves: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Compared>>,
}

/// One rule, compared.
#[derive(Debug, Serialize)]
struct Compared {
    rule: String,
    #[serde(flatten)]
    finding: Finding,
}

/// How a comparison went.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Finding {
    /// Both answered.
    Compared(Agreement),
    /// The rule is bad.
    Refused { error: String },
}

impl Verify {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        if let Some(file) = &self.absent {
            return absent::prove(&self.ask.store()?, &user_ids_in(file)?, self.json);
        }
        let asking = self.ask.open()?;
        let snapshot = &asking.snapshot;
        let rules = match &self.file {
            Some(file) => rules_in(file)?,
            None if self.against.is_some() => made_rules(snapshot)?.iter().map(Rule::to_string).collect(),
            None => Vec::new(),
        };
        let bars = Bars::new();
        bars.begin("checksums", Some(snapshot.manifest().data.checksums_at));
        let verified = snapshot.verify(&|more| bars.advance(more));
        bars.end();
        let verified = verified?;
        let (mut source_rows, mut compared) = (None, None);
        if let Some(against) = &self.against {
            let reference = self.reference(against, &asking)?;
            source_rows = Some(reference.count(&Rule::Const(true))?);
            compared = Some(self.compared(&asking, &*reference, rules)?);
        }
        let report = Report {
            generation: snapshot.generation(),
            rows: snapshot.rows().into(),
            bytes: verified.bytes,
            columns: verified.columns,
            leaves: verified.leaves,
            source_rows,
            rules: compared,
        };
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        let agrees = |rule: &Compared| matches!(&rule.finding, Finding::Compared(found) if found.agrees);
        Ok(if report.rules.iter().flatten().all(agrees) { Outcome::Fine } else { Outcome::No })
    }

    fn reference(&self, against: &str, asking: &Asking) -> Result<Box<dyn Reference>, Failure> {
        match against.split_once(':') {
            Some(("clickhouse", _)) => {
                let options = ClickHouseOptions::new(&self.server(against)?.source)?;
                Ok(Box::new(Warehouse::new(options, asking.snapshot.schema().clone(), asking.now)?))
            }
            Some(("parquet", _)) => {
                let mut config = Config::load(self.config.as_deref(), env::vars())?;
                config.set_source(against);
                let source = config.open_source()?;
                let folder = tempfile::tempdir()
                    .map_err(|error| Failure::file("write to", &env::temp_dir(), &error))?;
                let options = BuildOptions::from(&config);
                let rebuilt = Rebuilt::new(&*source, &options, folder.path(), asking.now, &Bars::new())?;
                // Who was erased here may still be in the source.
                rebuilt.apply_masks(&self.ask.store()?.masks()?)?;
                Ok(Box::new(rebuilt))
            }
            _ => Err(Failure::Usage(format!(
                "'{against}' is nothing to compare with; give clickhouse:http://HOST:PORT or parquet:GLOB"
            ))),
        }
    }

    /// The configuration's way to the server, and what the flags say instead.
    fn server(&self, against: &str) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.as_deref(), env::vars())?;
        config.set_source(against);
        let source = &mut config.source;
        if let Some(table) = &self.table {
            (source.table, source.query) = (Some(table.clone()), None);
        }
        if self.last_row_only {
            source.final_rows = Some(true);
        }
        if let Some(user) = &self.user {
            source.user = Some(user.clone());
        }
        if let Some(variable) = &self.password_env {
            (source.password_env, source.password_file) = (Some(variable.clone()), None);
        }
        Ok(config)
    }

    fn compared(
        &self,
        asking: &Asking,
        reference: &dyn Reference,
        rules: Vec<String>,
    ) -> Result<Vec<Compared>, Failure> {
        let closeness = Closeness { sample: self.sample, differences: self.differences as usize };
        let bars = Bars::new();
        bars.begin("rules", Some(rules.len() as u64));
        let found = side_by_side(&rules, reference.side_by_side(), |rule| {
            let finding = match asking.audience(rule) {
                Ok(audience) => Finding::Compared(compare(&audience, reference, closeness)?),
                Err(Failure::Rule(error)) => Finding::Refused { error },
                Err(other) => return Err(other),
            };
            bars.advance(1);
            Ok(finding)
        });
        bars.end();
        Ok(rules.into_iter().zip(found?).map(|(rule, finding)| Compared { rule, finding }).collect())
    }
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = stdout();
    writeln!(
        out,
        "generation {} is whole: {} users, {} in {} columns and {} bitmaps",
        report.generation,
        grouped(report.rows),
        bytes(report.bytes),
        report.columns,
        grouped(report.leaves),
    )?;
    if let Some(rows) = report.source_rows {
        writeln!(out, "the source has {} rows", grouped(rows))?;
    }
    if let Some(rules) = &report.rules {
        rules.iter().try_for_each(|rule| print_rule(&mut out, rule))?;
        let agree =
            rules.iter().filter(|rule| matches!(&rule.finding, Finding::Compared(found) if found.agrees));
        writeln!(out, "{} of {} rules agree", grouped(agree.count() as u64), grouped(rules.len() as u64))?;
    }
    out.flush()?;
    Ok(())
}

fn print_rule(out: &mut impl Write, Compared { rule, finding }: &Compared) -> Result<(), Failure> {
    let found = match finding {
        Finding::Refused { error } => return Ok(writeln!(out, "error    {rule}: {error}")?),
        Finding::Compared(found) => found,
    };
    let (ours, theirs, sampled) = (grouped(found.count), grouped(found.expected), grouped(found.sampled));
    let took = duration(Duration::from_secs_f64(found.millis / 1e3));
    if found.agrees {
        return Ok(writeln!(out, "agrees   {ours} users, {sampled} asked one by one, in {took}: {rule}")?);
    }
    writeln!(out, "DIFFERS  {ours} users here, {theirs} there, in {took}: {rule}")?;
    for Difference { user, side, here, there } in &found.differing {
        let side = match side {
            Side::OnlyHere => "only here ",
            Side::OnlyThere => "only there",
            Side::Repeated => "repeated  ",
        };
        let here = here.as_ref().map_or("no such user".to_owned(), listed);
        let rows: Vec<String> = there.iter().map(listed).collect();
        let there = if rows.is_empty() { "no such user".to_owned() } else { rows.join("; and ") };
        writeln!(out, "  user {user}  {side}  here: {here}  there: {there}")?;
        if rows.len() > 1 {
            writeln!(
                out,
                "    the source has several rows of this user; where the newest counts, compare with --final"
            )?;
        }
    }
    if found.more {
        writeln!(out, "  there may be more; --differences N looks for more")?;
    }
    Ok(())
}

fn listed(values: &Values) -> String {
    if values.is_empty() {
        return "a row".to_owned();
    }
    values.iter().map(|(name, value)| format!("{name} is {value}")).collect::<Vec<_>>().join(", ")
}
