//! `muster demo`: a population, a store, questions, and a server to ask more, in one go.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
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
use muster_proto::v1;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_server::Config as Serving;
use tonic::transport::Channel;

use crate::commands::build::print;
use crate::commands::serve::{Addresses, serve};
use crate::failure::{Failure, Outcome};
use crate::output::{Align, bytes, duration, grouped, line, share, stdout, table};

/// Generate a sample population, build a store from it, ask it some questions, and serve it
///
/// Everything is written into one folder, which can be removed afterwards. The server runs until it is ended by Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    users: u64,

    /// Folder for the population and the store
    #[arg(long, value_name = "DIR", default_value = "muster-demo")]
    dir: PathBuf,

    /// Where gRPC listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    grpc: String,

    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7071")]
    http: String,

    /// End after the questions instead of serving
    #[arg(long)]
    no_serve: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster demo
  muster demo --users 10000000 --dir /tmp/demo
  muster demo --users 10000 --no-serve";

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

/// The server has so long until it is ready, and is asked so often whether it is.
const READY_MAX: Duration = Duration::from_mins(2);
const READY_EVERY: Duration = Duration::from_millis(50);

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
        if self.no_serve {
            return Ok(Outcome::Fine);
        }
        self.serve(&dir)
    }

    /// Serves the store, and shows once it answers how it is asked.
    fn serve(self, store: &Path) -> Result<Outcome, Failure> {
        let mut config = Config::default();
        store.clone_into(&mut config.store);
        let catalog = Serving::read_catalog(config.catalog.clone(), &config.store).map_err(Failure::Usage)?;
        let serving =
            Serving { grpc: self.grpc, http: self.http, catalog: Some(catalog), ..Serving::default() };
        serve(serving, &config.store, |addresses| {
            std::thread::spawn(move || {
                if let Err(failure) = show(&addresses) {
                    eprintln!("muster: {failure}");
                }
            });
        })
    }
}

/// What can be asked of the server, and what it answers.
fn show(addresses: &Addresses) -> Result<(), Failure> {
    let Addresses { grpc, http } = addresses;
    line(&format!("\nServing gRPC at {grpc} and HTTP at {http}, until Ctrl-C. Ask it:"))?;
    // Not the same rule twice: an answer that is known already says nothing of how long one takes.
    let [first, second, ..] = QUESTIONS;
    let body = serde_json::json!({ "rule": first }).to_string();
    line(&format!("\n  curl -s http://{http}/api/v1/audience/count --json '{body}'"))?;
    line(&format!("  {}", asked(http, &body)?))?;
    let request = serde_json::json!({ "segment": { "rule": second } });
    line(&format!("\n  grpcurl -plaintext -d '{request}' {grpc} muster.v1.Segments/Count"))?;
    line(&format!("  {}", counted(grpc, second)?))?;
    line(&format!("\n  http://{http}/    (the console)"))?;
    Ok(())
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

/// What REST answers, once the server is ready.
fn asked(http: &str, body: &str) -> Result<String, Failure> {
    let failed =
        |error: ureq::Error| Failure::Store(format!("the server does not answer at {http}: {error}"));
    let begun = Instant::now();
    while ureq::get(format!("http://{http}/readyz")).call().is_err() {
        if begun.elapsed() > READY_MAX {
            return Err(Failure::Store(format!("the server is not ready; http://{http}/readyz says why")));
        }
        std::thread::sleep(READY_EVERY);
    }
    let request = ureq::post(format!("http://{http}/api/v1/audience/count"));
    let mut answer = request.header("content-type", "application/json").send(body).map_err(failed)?;
    answer.body_mut().read_to_string().map_err(failed)
}

/// What gRPC answers, as grpcurl prints it, on one line.
fn counted(grpc: &str, rule: &str) -> Result<String, Failure> {
    let failed = |error: String| Failure::Store(format!("the server does not answer at {grpc}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let answer = runtime.block_on(async {
        let endpoint = Channel::from_shared(format!("http://{grpc}")).map_err(|error| error.to_string())?;
        let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
        let segment = v1::Segment { by: Some(v1::segment::By::Rule(rule.to_owned())) };
        let request = v1::CountRequest { segment: Some(segment), ..v1::CountRequest::default() };
        let answer =
            SegmentsClient::new(channel).count(request).await.map_err(|status| status.to_string())?;
        Ok(answer.into_inner())
    });
    let answer = answer.map_err(failed)?;
    let instant = |at: Option<prost_types::Timestamp>| {
        at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok()).map(|at| at.to_string())
    };
    // Numbers of 64 bits are text in the JSON of protobuf.
    Ok(serde_json::json!({
        "count": answer.count.to_string(),
        "universe": answer.universe.to_string(),
        "generation": answer.generation.to_string(),
        "asOf": instant(answer.as_of),
        "elapsed": answer.elapsed.map(|took| format!("{}.{:09}s", took.seconds, took.nanos)),
        "now": instant(answer.now),
        "targetable": answer.targetable.to_string(),
    })
    .to_string())
}
