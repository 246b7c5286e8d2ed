//! `muster schedule`: builds by the clock, in the foreground.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::{Timestamp, Unit};
use muster_loader::config::Config;
use muster_loader::schedule::{History, Job, Outcome as Ended, Run, Schedule as Builds};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::logging::{LOG, LogArgs, LogFormat};
use crate::output::{Align, duration, json_line, json_report, line, stdout, table};
use crate::signals;

/// Run builds by the clock, as the schedule in the configuration says, until ended by SIGTERM or Ctrl-C
///
/// Each build is a process of its own, at low priority. One that fails is tried again; when that does not help, or when a build is held
/// back, the webhook is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Schedule {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Folder of the store, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Run one build now, with history, retries and webhook, and end
    #[arg(long, conflicts_with_all = ["next", "history"])]
    once: bool,

    /// Print the next N times and end
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5", conflicts_with = "history", value_parser = clap::value_parser!(u32).range(1..=1000))]
    next: Option<u32>,

    /// Print the runs so far and end
    #[arg(long)]
    history: bool,

    /// What is printed as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster schedule --config muster.toml
  muster schedule --config muster.toml --next 3
  muster schedule --config muster.toml --once
  muster schedule --config muster.toml --history";

/// A time that comes.
#[derive(Serialize)]
struct Coming {
    local: String,
    utc: String,
}

impl Schedule {
    /// Whether it goes on for as long as nobody ends it.
    pub(crate) fn is_service(&self) -> bool {
        self.next.is_none() && !self.history
    }

    pub(crate) fn run(self, log: &LogArgs) -> Result<Outcome, Failure> {
        let mut config = Config::load(Some(&self.config), env::vars())?;
        if let Some(store) = &self.store {
            config.store.clone_from(store);
        }
        let job = build_job(&self.config, &config, log)?;
        let builds = Builds::new(&config.schedule, &config.store, &config.time_zone, job)?;
        if let Some(count) = self.next {
            return self.print_next(&builds, count as usize);
        }
        if self.history {
            return self.print_history(&builds.history()?);
        }
        let stop = signals::stop()?;
        if self.once {
            return self.print_run(&builds.run_once(&stop)?);
        }
        builds.run(&stop)?;
        Ok(Outcome::Fine)
    }

    fn print_next(&self, builds: &Builds, count: usize) -> Result<Outcome, Failure> {
        for time in builds.next(Timestamp::now(), count)? {
            let coming = Coming { local: time.to_string(), utc: time.timestamp().to_string() };
            if self.json {
                json_line(&mut stdout(), &coming)?;
            } else {
                line(&format!("{}  {}", coming.utc, coming.local))?;
            }
        }
        Ok(Outcome::Fine)
    }

    fn print_history(&self, history: &History) -> Result<Outcome, Failure> {
        if self.json {
            for run in history.runs() {
                json_line(&mut stdout(), run)?;
            }
            return Ok(Outcome::Fine);
        }
        let rows: Vec<[String; 6]> = history.runs().iter().map(row).collect();
        let heading = [
            ("started", Align::Left),
            ("outcome", Align::Left),
            ("generation", Align::Right),
            ("tries", Align::Right),
            ("time", Align::Right),
            ("error", Align::Left),
        ];
        table(&mut stdout(), heading, &rows)?;
        Ok(Outcome::Fine)
    }

    fn print_run(&self, run: &Run) -> Result<Outcome, Failure> {
        if self.json {
            json_report(run)?;
        } else {
            let [started, outcome, generation, ..] = row(run);
            let error = run.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            line(&format!("{started}: {outcome} {generation}{error}"))?;
        }
        match run.outcome {
            Ended::Published => Ok(Outcome::Fine),
            Ended::Held => Ok(Outcome::No),
            _ => Err(Failure::Store(format!(
                "the build {}: {}",
                run.outcome,
                run.error.as_deref().unwrap_or("see its log")
            ))),
        }
    }
}

/// `muster build`, as this very program.
pub(super) fn build_job(file: &Path, config: &Config, log: &LogArgs) -> Result<Job, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::Store(format!("cannot tell where this program is: {error}")))?;
    let mut arguments: Vec<OsString> = ["build", "--json", "--config"].map(OsString::from).to_vec();
    arguments.push(file.into());
    arguments.extend(["--store".into(), config.store.clone().into()]);
    arguments.extend(["--nice".into(), config.schedule.nice.to_string().into()]);
    arguments.extend(["--child-of".into(), std::process::id().to_string().into()]);
    if log.log_format == LogFormat::Json {
        arguments.extend(["--log-format".into(), "json".into()]);
    }
    let environment = if env::var_os(LOG).is_none() { vec![(LOG.into(), "info".into())] } else { Vec::new() };
    let timeout = Duration::from_secs(config.schedule.timeout_seconds);
    Ok(Job { program, arguments, environment, timeout })
}

fn row(run: &Run) -> [String; 6] {
    let took = run.ended.and_then(|ended| Duration::try_from(ended.duration_since(run.started)).ok());
    let started = run.started.round(Unit::Second).unwrap_or(run.started);
    [
        started.to_string(),
        run.outcome.to_string(),
        run.generation().map_or_else(String::new, |generation| generation.to_string()),
        run.attempts.to_string(),
        took.map_or_else(String::new, duration),
        run.error.clone().unwrap_or_default(),
    ]
}
