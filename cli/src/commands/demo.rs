//! `muster demo`: a population, a store, and questions, in one go.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Store;
use muster_loader::build::{BuildOptions, build};
use muster_loader::config::Config;
use muster_loader::progress::Bars;
use muster_loader::synth::{SynthOptions, synth};

use crate::commands::build::print;
use crate::failure::{Failure, Outcome};
use crate::output::{Align, bytes, duration, grouped, line, share, stdout, table};

/// Generate a sample population, build a store from it, and ask it some questions
///
/// Everything is written into one folder, which can be removed afterwards.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    users: u64,

    /// Folder for the population and the store
    #[arg(long, value_name = "DIR", default_value = "muster-demo")]
    dir: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  muster demo
  muster demo --users 10000000 --dir /tmp/demo";

/// Questions that people ask of such a table, from plain to involved.
const QUESTIONS: [&str; 8] = [
    "has_poh AND NOT bot_warning",
    "balance_usd >= 100",
    "country IN ('US', 'GB', 'DE') AND last_active_time >= now() - INTERVAL 7 DAY",
    "erc20_token_holdings['USDT'] >= 100 AND has(active_chains, 'ethereum')",
    "hasAny(active_chains, ['solana', 'base']) AND NOT (balance_usd < 10)",
    "at_least(2, has_zkme, has_babt, has_binance_kyc, has_okx_kyc)",
    "first_activity_time IS NULL AND quest_completed >= 10",
    "bucket('exp-42', 0, 10) AND onchain_action_30d BETWEEN 5 AND 50 AND total_tx_value_usd > balance_usd",
];

/// What to type next.
const TRY: [(&str, &str); 5] = [
    ("count", " \"country = 'US' AND balance_usd >= 1000\""),
    ("members", " --limit 5 \"has_poh AND NOT bot_warning\""),
    ("explain", " \"has_poh AND balance_usd >= 100 AND NOT bot_warning\""),
    ("breakdown", " \"has_poh\" --by country --top 5"),
    ("inspect", ""),
];

/// Each question is asked so often; its median time is told.
const TIMES: usize = 21;

impl Demo {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let (features, dir) = (self.dir.join("features"), self.dir.join("store"));
        let mut population = SynthOptions::new(self.users, &features);
        population.replace = true;
        let written = synth(&population, &Bars::new())?;
        line(&format!(
            "population: {} users, {} of Parquet, in {}",
            grouped(written.users),
            bytes(written.bytes),
            duration(Duration::from_secs_f64(written.seconds)),
        ))?;

        let mut config = Config::default();
        config.set_source(&format!("parquet:{}/*.parquet", features.display()));
        // Another number of users than last time is what was asked for.
        config.gates.enabled = false;
        let mut options = BuildOptions::from(&config);
        options.store.clone_from(&dir);
        // The population is seen at one instant; with it, `now()` means the same in every demo.
        options.as_of = population.reference;
        print(&build(&*config.open_source()?, &options, &Bars::new())?)?;

        ask(&Store::open(&dir)?)?;
        // As it was called, so that the lines can be pasted: from a build it is not on the path.
        let muster = env::args().next().unwrap_or_else(|| "muster".to_owned());
        let store = dir.display();
        line("\nTry:")?;
        for (command, arguments) in TRY {
            line(&format!("  {muster} {command} --store {store}{arguments}"))?;
        }
        Ok(Outcome::Fine)
    }
}

/// Counts each question and tells its median time.
fn ask(store: &Store) -> Result<(), Failure> {
    let snapshot = store.current()?;
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let mut rows = Vec::with_capacity(QUESTIONS.len());
    for question in QUESTIONS {
        let mut times = [Duration::ZERO; TIMES];
        let mut count = 0;
        for time in &mut times {
            let begun = Instant::now();
            let rule = Rule::parse(question, &limits).map_err(|error| Failure::Rule(error.to_string()))?;
            count = Audience::new(&snapshot, &rule, &scope)?.count();
            *time = begun.elapsed();
        }
        times.sort_unstable();
        let universe = snapshot.users();
        rows.push([grouped(count), share(count, universe), duration(times[TIMES / 2]), question.to_owned()]);
    }
    let heading =
        [("users", Align::Right), ("share", Align::Right), ("time", Align::Right), ("rule", Align::Left)];
    line("")?;
    table(&mut stdout(), heading, &rows)?;
    Ok(())
}
