//! The night: fifteen thousand labels in a catalog, a server that is asked for membership at a steady pace, and another generation
//! that comes into service. How long until all labels are counted in it, and what membership feels of that.

mod labels;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use muster_engine::execute::count_many;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};
use muster_loader::author;
use muster_loader::build::{BuildOptions, build};
use muster_loader::config::Config;
use muster_loader::progress::Bars;
use muster_loader::synth::DEFAULT_REFERENCE;
use muster_proto::v1;
use muster_proto::v1::labels_client::LabelsClient;
use muster_proto::v1::segment::By;
use tonic::transport::Channel;

use super::children::Child;
use super::figures::{Figures, Sampler, mib, own_bytes};
use super::load::{Answered, Load, Requests, quantile};
use super::{COUNTED, rule, told};
use crate::data::Population;
use crate::labels::rules;
use crate::machine;

/// Membership over each of four connections, a second.
const EACH_PER_SECOND: u32 = 500;
/// Counts of one rule, a second.
const COUNTS_PER_SECOND: u32 = 20;
/// Segments that each membership asks about.
const SEGMENTS: u64 = 5;
/// Nothing takes so long that is not broken.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two looks at how far the server is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Seconds between the instants of the two generations.
const DAY: i64 = 86_400;

/// How many of what.
#[derive(Debug, Clone, Args)]
pub(crate) struct NightOptions {
    /// The muster to start
    #[arg(long, value_name = "FILE", default_value = "target/release/muster")]
    muster: PathBuf,

    /// Size of the population
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    users: u64,

    /// How many labels
    #[arg(long, value_name = "N", default_value_t = crate::labels::LABELS)]
    labels: usize,

    /// How often another generation comes into service; the median is told
    #[arg(long, value_name = "N", default_value_t = 5)]
    swaps: usize,

    /// How long membership is asked before each, for the quiet figure
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    quiet_seconds: u64,

    /// How long it is asked after that: longer than the labels take
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    after_seconds: u64,

    /// Folder for the population, the store and the catalog, kept and found again
    #[arg(long, value_name = "DIR", default_value = "bench-work")]
    work: PathBuf,

    /// Write the page here as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What one swap was like.
struct Swapped {
    /// From `CURRENT` to the first answer of the new generation.
    in_service: Duration,
    /// From there until all labels have their counts of it.
    counted: Duration,
    /// What the server says that counting and storing took.
    told: Option<f64>,
    quiet: Felt,
    opening: Felt,
    counting: Felt,
    /// What counting a rule took, of those who ask for that: before, and while labels are counted, if any did.
    quiet_counts: Felt,
    counts: Option<Felt>,
}

/// What membership felt in a span of time.
#[derive(Clone, Copy)]
struct Felt {
    answered: usize,
    p50: f64,
    p99: f64,
    most: f64,
}

/// Measures, and prints a page.
pub(crate) fn night(options: &NightOptions) -> Result<()> {
    ensure!(
        options.swaps > 0 && options.labels >= SEGMENTS as usize,
        "give at least one swap and {SEGMENTS} labels"
    );
    let population = Population::prepare(&options.work, options.users)?.0;
    let store = two_generations(&population)?;
    let rules = rules(options.labels);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let catalog = population.home.join("night-catalog.db");
    let imported = labels::import(&runtime, &catalog, &rules)?;

    let settings = |labels: bool| {
        let url = if labels { catalog.clone() } else { population.home.join("night-empty.db") };
        let url = serde_json::to_string(&format!("sqlite:{}", url.display()))?;
        anyhow::Ok(format!(
            "[catalog]\nurl = {url}\n\n[serve]\ngenerations_held = 0\nfollow_ms = 50\ncached_counts = 0\n"
        ))
    };
    let bare = {
        let muster = Child::muster(&options.muster, &store.path, &settings(false)?)?;
        own_bytes(muster.pid())?
    };
    let muster = Child::muster(&options.muster, &store.path, &settings(true)?)?;
    let channel = Channel::from_shared(format!("http://{}", muster.address))?;
    let context = runtime.enter();
    let mut client = LabelsClient::new(channel.connect_lazy());
    drop(context);
    let waits = Instant::now();
    runtime.block_on(counted_in(&mut client, store.first, options.labels as u64))?;
    eprintln!(
        "{} labels are counted, {:.1} s after the server began",
        options.labels,
        waits.elapsed().as_secs_f64()
    );
    let at_rest = own_bytes(muster.pid())?;

    let snapshot = Store::open(&store.path)?.current()?;
    let user_id = snapshot.ids().id(snapshot.rows() / 2)?;
    let (mut swaps, mut most) = (Vec::new(), 0);
    for number in 0..options.swaps {
        let to = if number % 2 == 0 { store.second } else { store.first };
        let seconds = options.quiet_seconds + options.after_seconds;
        let paced = |each_per_second| Requests::Paced { seconds, each_per_second };
        let memberships =
            Load::of("IsInSegment", &muster.address, &asked(user_id), 4, 4, paced(EACH_PER_SECOND))?;
        let counts = Load::of("Count", &muster.address, &counted(), 1, 4, paced(COUNTS_PER_SECOND))?;
        let memberships: JoinHandle<Result<Vec<Answered>>> = std::thread::spawn(|| memberships.run_each());
        let counts: JoinHandle<Result<Vec<Answered>>> = std::thread::spawn(|| counts.run_each());
        let sampler = Sampler::start(muster.pid(), Duration::from_millis(20));
        // The first second belongs to connecting.
        std::thread::sleep(Duration::from_secs(1));
        let quiet_from = now()?;
        std::thread::sleep(Duration::from_secs(options.quiet_seconds.saturating_sub(1)));
        let told_before = muster.told("labels are counted").len();
        let begun = (now()?, Instant::now());
        swap(&store.path, to)?;
        in_service(&muster, to)?;
        let open = (now()?, Instant::now());
        let done = runtime.block_on(counted_in(&mut client, to, options.labels as u64))?;
        let answered = memberships.join().map_err(|_| anyhow::anyhow!("the load's thread ended"))??;
        let counts = counts.join().map_err(|_| anyhow::anyhow!("the load's thread ended"))??;
        most = sampler.end().into_iter().max().unwrap_or(0).max(most);
        let last = answered.iter().map(|answer| answer.at_micros).max().unwrap_or(0);
        ensure!(last >= done.0, "membership was asked for too short a time; give more --after-seconds");
        let felt = |from: u64, until: u64| felt(&answered, from, until);
        swaps.push(Swapped {
            in_service: open.1 - begun.1,
            counted: done.1 - open.1,
            told: seconds_told(&muster.told("labels are counted")[told_before..]),
            quiet: felt(quiet_from, begun.0).context("no quiet answers")?,
            opening: felt(begun.0, open.0)
                .context("no answers before the swap; more would come with more users")?,
            counting: felt(open.0, done.0).context("no answers after the swap")?,
            quiet_counts: self::felt(&counts, quiet_from, begun.0).context("no quiet counts")?,
            counts: self::felt(&counts, open.0, done.0),
        });
        compare(&runtime, &mut client, &store.path, to, &rules)?;
    }
    let after = own_bytes(muster.pid())?;
    let figures = Figures::of(muster.http.as_deref().context("a server with metrics")?)?;
    let failed =
        figures.sum("muster_requests_total", &[]) - figures.sum("muster_requests_total", &["\"OK\""]);
    drop(muster);
    let stored = labels::store_counts(&runtime, &catalog, options.labels as u64)?;
    let memory = [
        ("a server without labels", bare),
        ("with all of them counted", at_rest),
        ("at most, around swaps", most),
        ("at the end", after),
    ];
    let page = page(options, &swaps, &memory, imported, &stored)?;
    told(&page, options.out.as_deref())?;
    ensure!(failed == 0.0, "{failed} requests failed: {:?}", figures.requests());
    Ok(())
}

/// A store with two generations.
struct Generations {
    path: PathBuf,
    first: u64,
    second: u64,
}

/// Two generations of a population, a day apart; the first is in service.
fn two_generations(population: &Population) -> Result<Generations> {
    let path = population.home.join("night-store");
    let there = Store::open(&path).and_then(|store| store.generations()).unwrap_or_default();
    if there.len() < 2 {
        for days in [0, 1] {
            eprintln!("building generation {} of {} users", days + 1, population.users);
            let mut config = Config::default();
            config.set_source(&format!("parquet:{}/*.parquet", population.features().display()));
            let mut options = BuildOptions::from(&config);
            options.store.clone_from(&path);
            options.as_of = DEFAULT_REFERENCE + days * DAY;
            build(&*config.open_source()?, &options, &Bars::new())?;
        }
    }
    let there = Store::open(&path)?.generations()?;
    let [.., first, second] = there[..] else { bail!("{} has no two generations", path.display()) };
    let store = Store::open(&path)?;
    if store.current_generation()? != Some(first) {
        swap(&path, first)?;
    }
    Ok(Generations { path, first, second })
}

/// Replaces `CURRENT`, as publishing does.
fn swap(store: &Path, to: u64) -> Result<()> {
    let mut writer = Store::open(store)?.write(&author::here(), "rollback")?;
    writer.rollback(Some(to), Some("muster-bench night"))?;
    Ok(())
}

/// Waits until a generation answers.
fn in_service(muster: &Child, generation: u64) -> Result<()> {
    let (begun, http) = (Instant::now(), muster.http.as_deref().context("a server with metrics")?);
    while Figures::of(http)?.sum("muster_generation", &[]) != generation as f64 {
        ensure!(begun.elapsed() < PATIENCE, "generation {generation} does not come into service");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Waits until labels have their counts in a generation, and tells when they did: first some are looked at, so that looking costs
/// little, then all.
async fn counted_in(
    client: &mut LabelsClient<Channel>,
    generation: u64,
    labels: u64,
) -> Result<(u64, Instant)> {
    let begun = Instant::now();
    let some = (0..16).map(|part| 1 + part * (labels - 1) / 15);
    for id in some {
        loop {
            let by = Some(v1::get_label_request::By::Id(id));
            let label = client.get_label(v1::GetLabelRequest { by }).await;
            // The catalog may be being opened.
            let found = label.ok().and_then(|label| label.into_inner().label);
            if found.is_some_and(|label| label.generation == generation) {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "label {id} is not counted in generation {generation}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let mut at = (now()?, Instant::now());
    while labels::all(client).await?.iter().any(|label| label.generation != generation) {
        ensure!(begun.elapsed() < PATIENCE, "not all labels are counted in generation {generation}");
        at = (now()?, Instant::now());
    }
    Ok(at)
}

/// What each label counted must be what the engine counts.
fn compare(
    runtime: &tokio::runtime::Runtime,
    client: &mut LabelsClient<Channel>,
    store: &Path,
    generation: u64,
    rules: &[String],
) -> Result<()> {
    let snapshot: Arc<Snapshot> = Store::open(store)?.generation(generation)?;
    let limits = Limits::default();
    let parsed = rules.iter().map(|rule| Rule::parse(rule, &limits)).collect::<Result<Vec<_>, _>>()?;
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let wanted = count_many(&snapshot, &parsed, &scope)?;
    let labels = runtime.block_on(labels::all(client))?;
    ensure!(labels.len() == rules.len(), "{} labels of {}", labels.len(), rules.len());
    for label in labels {
        let wanted = wanted.get(label.id as usize - 1).context("a label of an unknown number")?;
        let wanted = *wanted.as_ref().map_err(|error| anyhow::anyhow!("{}: {error}", label.rule))?;
        ensure!(label.count == wanted, "{}: {} of {wanted}", label.rule, label.count);
    }
    Ok(())
}

fn asked(user_id: u64) -> v1::IsInSegmentRequest {
    let segments = (1..=SEGMENTS).map(|id| v1::Segment { by: Some(By::LabelId(id)) }).collect();
    v1::IsInSegmentRequest { user_id, segments, ..v1::IsInSegmentRequest::default() }
}

fn counted() -> v1::CountRequest {
    v1::CountRequest { segment: Some(rule(COUNTED[1])), ..v1::CountRequest::default() }
}

/// Microseconds since 1970, as the load's log tells them.
fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros() as u64)
}

fn felt(answered: &[Answered], from: u64, until: u64) -> Option<Felt> {
    let of = answered.iter().filter(|answer| (from..until).contains(&answer.at_micros));
    let mut micros: Vec<f64> = of.map(|answer| answer.took_micros).collect();
    micros.sort_unstable_by(f64::total_cmp);
    let most = *micros.last()?;
    Some(Felt { answered: micros.len(), p50: quantile(&micros, 0.5), p99: quantile(&micros, 0.99), most })
}

/// What these lines of a log say that counting and noting took, in seconds.
fn seconds_told(lines: &[String]) -> Option<f64> {
    let of = |line: &String, field: &str| -> Option<f64> {
        let told = line.split(field).nth(1)?;
        told.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    let millis = lines.iter().map(|line| Some(of(line, "evaluated_ms=")? + of(line, "noted_ms=")?));
    let millis: Option<f64> = millis.sum();
    (!lines.is_empty()).then_some(millis? / 1_000.0)
}

/// Not a number where there is none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn page(
    options: &NightOptions,
    swaps: &[Swapped],
    memory: &[(&str, u64)],
    imported: Duration,
    stored: &[Duration],
) -> Result<String> {
    let command = format!(
        "muster-bench night --users {} --labels {} --swaps {}",
        options.users, options.labels, options.swaps
    );
    let mut page = format!(
        "# A night with {} labels\n\n{}\n\n{} users, {} labels in an SQLite catalog. Membership is asked {} times a second over four connections, each time about {SEGMENTS} labels; \
         then `CURRENT` names another generation, which is opened anew each time (and verified whole the first time), and all labels are counted in it. Every count is \
         compared with the engine's. Times of membership are the client's, by when it was asked: before, while the generation is opened, and from its first answer until all labels have \
         their counts.\n\n",
        options.labels,
        machine::sentence(&command),
        options.users,
        options.labels,
        4 * EACH_PER_SECOND,
    );
    writeln!(
        page,
        "| swap | opened | labels counted and stored | the same, the server says | quiet p50 | p99 | while opening p99 | while counting p50 | p99 | most | counting / quiet p99 |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for (number, swap) in swaps.iter().enumerate() {
        let Swapped { quiet, opening, counting, .. } = swap;
        writeln!(
            page,
            "| {} | {:.2} s | {:.2} s | {} | {:.0} us | {:.0} us | {:.0} us | {:.0} us | {:.0} us | {:.0} us | {:.2} |",
            number + 1,
            swap.in_service.as_secs_f64(),
            swap.counted.as_secs_f64(),
            swap.told.map_or("-".to_owned(), |seconds| format!("{seconds:.2} s")),
            quiet.p50,
            quiet.p99,
            opening.p99,
            counting.p50,
            counting.p99,
            counting.most,
            counting.p99 / quiet.p99
        )?;
    }
    let of = |figure: fn(&Swapped) -> f64| median(swaps.iter().map(figure).collect());
    writeln!(
        page,
        "\n- labels counted and stored, in the median: {:.2} s (floor 2 s at 1 M users)\n- membership's p99 while labels are counted, beside the quiet one, in the median: {:.2} (floor 2)\n- \
         answers of membership while labels were counted: {}",
        of(|swap| swap.counted.as_secs_f64()),
        of(|swap| swap.counting.p99 / swap.quiet.p99),
        swaps.iter().map(|swap| swap.counting.answered).sum::<usize>(),
    )?;
    let counts = |of: &dyn Fn(&Swapped) -> Option<f64>| median(swaps.iter().filter_map(of).collect());
    writeln!(
        page,
        "- one rule of three conditions, counted {COUNTS_PER_SECOND} times a second: quiet p50 {:.0} us, p99 {:.0} us; while labels are counted p50 {:.0} us, at most {:.0} us; \
         each in the median",
        counts(&|swap| Some(swap.quiet_counts.p50)),
        counts(&|swap| Some(swap.quiet_counts.p99)),
        counts(&|swap| swap.counts.map(|counts| counts.p50)),
        counts(&|swap| swap.counts.map(|counts| counts.most)),
    )?;
    let memory: Vec<String> = memory.iter().map(|(when, bytes)| format!("{when} {}", mib(*bytes))).collect();
    writeln!(page, "- own memory: {}", memory.join(", "))?;
    let seconds = |times: &[Duration]| median(times.iter().map(Duration::as_secs_f64).collect());
    writeln!(
        page,
        "- {} counts stored in the catalog: {:.2} s in the median of {}, without a server; all labels imported: {:.2} s",
        options.labels,
        seconds(stored),
        stored.len(),
        imported.as_secs_f64()
    )?;
    Ok(page)
}
