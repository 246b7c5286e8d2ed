//! `muster verify`: is what is in the store what was written, and does it answer what its source answers?

use std::env;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use muster_loader::agreement::{Agreement, Rebuilt, Reference, Table, Warehouse, compare};
use muster_loader::build::BuildOptions;
use muster_loader::config::Config;
use muster_loader::progress::{Bars, Progress};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{bytes, grouped, json_report, stdout};
use crate::request::{AskArgs, Asking, rules_in};

/// Read a whole generation: every checksum and every invariant of the format; then compare with the source
///
/// With --against, the rules of --file are counted by the source as well, and the source is asked about a
/// sample of users one by one. Parquet is read again, into the folder for temporary files (TMPDIR), and every
/// user asked. The exit status is 1 if anything differs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    #[command(flatten)]
    ask: AskArgs,

    /// This generation instead of the one in service
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// What to compare with: clickhouse:http://HOST:PORT, or parquet:GLOB
    #[arg(long, value_name = "SOURCE", requires = "file")]
    against: Option<String>,

    /// Rules to compare, one a line; - is standard input
    #[arg(long, value_name = "FILE", requires = "against")]
    file: Option<PathBuf>,

    /// How many users to ask about one by one, for each rule
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sample: u32,

    /// The configuration that the store was built with, for what it says of columns
    #[arg(long, value_name = "FILE", requires = "against")]
    config: Option<PathBuf>,

    /// The table on the server: TABLE or DATABASE.TABLE
    #[arg(long, value_name = "TABLE", default_value = "user_features")]
    table: String,

    /// Read the table with FINAL: the last row of a user counts
    #[arg(long = "final")]
    last_row_only: bool,

    /// Who asks the server
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    password_env: Option<String>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster verify --store store
  muster verify --store store --against 'parquet:features/*.parquet' --file rules.txt
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
        let asking = self.ask.open_generation(self.generation)?;
        let rules = self.file.as_deref().map(rules_in).transpose()?.unwrap_or_default();
        let snapshot = &asking.snapshot;
        let bars = Bars::new();
        bars.begin("checksums", Some(snapshot.manifest().data.checksums_at));
        let verified = snapshot.verify(&|more| bars.advance(more));
        bars.end();
        let verified = verified?;
        let rules = match &self.against {
            None => None,
            Some(against) => {
                let reference = self.reference(against, &asking)?;
                Some(self.compared(&asking, &*reference, rules)?)
            }
        };
        let report = Report {
            generation: snapshot.generation(),
            rows: snapshot.rows().into(),
            bytes: verified.bytes,
            columns: verified.columns,
            leaves: verified.leaves,
            rules,
        };
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        let agrees = |rule: &Compared| matches!(&rule.finding, Finding::Compared(found) if found.holds());
        Ok(if report.rules.iter().flatten().all(agrees) { Outcome::Fine } else { Outcome::No })
    }

    fn reference(&self, against: &str, asking: &Asking) -> Result<Box<dyn Reference>, Failure> {
        let password = match &self.password_env {
            None => None,
            Some(name) => Some(env::var(name).map_err(|error| {
                Failure::Usage(format!("the password is not in {name}: {error}; set that variable"))
            })?),
        };
        match against.split_once(':') {
            Some(("clickhouse", url)) => {
                let table = Table {
                    url: url.trim_end_matches('/').to_owned(),
                    name: self.table.clone(),
                    last_row_only: self.last_row_only,
                    user: self.user.clone(),
                    password,
                };
                Ok(Box::new(Warehouse::new(table, asking.snapshot.schema().clone(), asking.now)?))
            }
            Some(("parquet", _)) => {
                let mut config = Config::load(self.config.as_deref(), env::vars())?;
                config.set_source(against);
                let source = config.open_source()?;
                let folder = tempfile::tempdir()
                    .map_err(|error| Failure::file("write to", &env::temp_dir(), &error))?;
                let options = BuildOptions::from(&config);
                let rebuilt = Rebuilt::new(&*source, &options, folder.path(), asking.now, &Bars::new())?;
                Ok(Box::new(rebuilt))
            }
            _ => Err(Failure::Usage(format!(
                "'{against}' is nothing to compare with; give clickhouse:http://HOST:PORT or parquet:GLOB"
            ))),
        }
    }

    fn compared(
        &self,
        asking: &Asking,
        reference: &dyn Reference,
        rules: Vec<String>,
    ) -> Result<Vec<Compared>, Failure> {
        let bars = Bars::new();
        bars.begin("rules", Some(rules.len() as u64));
        let mut all = Vec::with_capacity(rules.len());
        for rule in rules {
            let finding = match asking.audience(&rule) {
                Ok(audience) => Finding::Compared(compare(&audience, reference, self.sample)?),
                Err(Failure::Rule(error)) => Finding::Refused { error },
                Err(other) => return Err(other),
            };
            all.push(Compared { rule, finding });
            bars.advance(1);
        }
        bars.end();
        Ok(all)
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
    for Compared { rule, finding } in report.rules.iter().flatten() {
        match finding {
            Finding::Refused { error } => writeln!(out, "error    {rule}: {error}")?,
            Finding::Compared(found) if found.holds() => {
                let (count, sampled) = (grouped(found.count), grouped(found.sampled));
                writeln!(out, "agrees   {count} users, {sampled} asked one by one: {rule}")?;
            }
            Finding::Compared(found) => {
                let users: Vec<String> = found.differing.iter().take(5).map(u64::to_string).collect();
                let users = if users.is_empty() { "none".to_owned() } else { users.join(", ") };
                let (ours, theirs) = (grouped(found.count), grouped(found.expected));
                writeln!(
                    out,
                    "DIFFERS  {ours} users here, {theirs} there; differing in the sample: {users}: {rule}"
                )?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
