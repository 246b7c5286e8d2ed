//! A server over a long time, with everything at once: membership at a steady pace, counts that take long, members read to their
//! end, and rebuilds whose generations come into service one after the other. Every answer is compared with the engine's own.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use muster_engine::snapshot::Store;
use muster_proto::v1;
use muster_proto::v1::admin_client::AdminClient;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_proto::v1::value::Kind;
use tonic::transport::Channel;

use super::children::Child;
use super::figures::{Figures, Sampler, mib};
use super::load::{Load, Loaded, Requests};
use super::{COUNTED, HEAVY, audience, is_in, rule, told};
use crate::machine;

/// Membership over each of four connections, a second.
const EACH_PER_SECOND: u32 = 500;
/// Parts of the time for which memory is told.
const PARTS: usize = 10;

/// How long, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakOptions {
    /// The muster to start
    #[arg(long, value_name = "FILE", default_value = "target/release/muster")]
    muster: PathBuf,

    /// The store it answers from, and rebuilds
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// The Parquet files that it is rebuilt from, as a pattern; the same that it was built from
    #[arg(long, value_name = "GLOB")]
    source: String,

    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,

    /// From the beginning of a rebuild to that of the next, at least
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    rebuild_every: u64,

    /// Write the page here as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the tasks share.
struct Shared {
    end: AtomicBool,
    counted: AtomicU64,
    streamed: AtomicU64,
    rebuilt: AtomicU64,
    looked: AtomicU64,
}

/// Loads a server for as long as wanted, and tells what came of it.
pub(crate) fn soak(options: &SoakOptions) -> Result<()> {
    let snapshot = Store::open(&options.store)?.current()?;
    let user_id = snapshot.ids().id(snapshot.rows() / 2)?;
    let mut expected = Vec::new();
    for text in COUNTED.into_iter().chain([HEAVY]) {
        expected.push((text, audience(&snapshot, text)?.count()));
    }
    let path = serde_json::to_string(&options.source)?;
    let settings = format!("[source]\nkind = \"parquet\"\npath = {path}\n\n[serve]\ncached_counts = 0\n");
    let muster = Child::muster(&options.muster, &options.store, &settings)?;
    let http = muster.http.clone().context("a server with metrics")?;
    let shared = Arc::new(Shared {
        end: AtomicBool::new(false),
        counted: AtomicU64::new(0),
        streamed: AtomicU64::new(0),
        rebuilt: AtomicU64::new(0),
        looked: AtomicU64::new(0),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let connect = || Channel::from_shared(format!("http://{}", muster.address)).map(|to| to.connect_lazy());
    let every = Duration::from_secs(options.rebuild_every);
    let context = runtime.enter();
    let tasks = [
        runtime.spawn(count_on(connect()?, expected.clone(), Arc::clone(&shared))),
        runtime.spawn(count_on(connect()?, expected.clone(), Arc::clone(&shared))),
        runtime.spawn(stream_on(connect()?, expected[0].1, Arc::clone(&shared))),
        runtime.spawn(look_on(connect()?, user_id, expected[0].1, Arc::clone(&shared))),
        runtime.spawn(rebuild_on(connect()?, every, Arc::clone(&shared))),
    ];
    drop(context);
    let sampler = Sampler::start(muster.pid(), Duration::from_millis(500));
    let paced = Requests::Paced { seconds: options.seconds, each_per_second: EACH_PER_SECOND };
    let membership = Load::of("IsInSegment", &muster.address, &is_in(user_id), 4, 4, paced)?.run()?;
    shared.end.store(true, Ordering::Relaxed);
    for task in tasks {
        runtime.block_on(task)??;
    }
    let memory = sampler.end();
    let figures = Figures::of(&http)?;
    let page = page(options, snapshot.rows(), &membership, &memory, &figures, &shared)?;
    told(&page, options.out.as_deref())?;
    let failed: f64 =
        figures.sum("muster_requests_total", &[]) - figures.sum("muster_requests_total", &["\"OK\""]);
    ensure!(failed == 0.0, "{failed} requests failed: {:?}", figures.requests());
    Ok(())
}

fn page(
    options: &SoakOptions,
    users: u32,
    membership: &Loaded,
    memory: &[u64],
    figures: &Figures,
    shared: &Shared,
) -> Result<String> {
    let command =
        format!("muster-bench soak --seconds {} --rebuild-every {}", options.seconds, options.rebuild_every);
    let mut page = format!(
        "# A server over a long time\n\n{}\n\n{users} users, {} s: membership over four connections, two clients that count without a pause, one that reads members \
         to their end, one that previews, profiles, explains and asks with fresher values, and rebuilds one after the other. Counts and members are compared with the engine's; no count is remembered.\n\n",
        machine::sentence(&command),
        options.seconds
    );
    for (ended, count) in figures.requests() {
        writeln!(page, "- {ended}: {count}")?;
    }
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    writeln!(
        page,
        "- counts compared: {}, members streamed: {}, rounds of previews and the like: {}",
        of(&shared.counted),
        of(&shared.streamed),
        of(&shared.looked)
    )?;
    writeln!(
        page,
        "- generations rebuilt: {}, swaps: {}",
        of(&shared.rebuilt),
        figures.sum("muster_swaps_total", &[])
    )?;
    let Loaded { answered, per_second, p50_micros, p99_micros } = membership;
    writeln!(
        page,
        "- membership at a steady pace: {answered} answers, {per_second:.0}/s, p50 {p50_micros:.0} us, p99 {p99_micros:.0} us"
    )?;
    let parts = memory.chunks(memory.len().div_ceil(PARTS).max(1));
    let most: Vec<String> = parts.map(|part| mib(part.iter().copied().max().unwrap_or(0))).collect();
    writeln!(page, "- own memory at most, by tenths of the time: {}", most.join(", "))?;
    Ok(page)
}

/// Counts one rule after the other; each must have the users it has in the engine.
async fn count_on(channel: Channel, expected: Vec<(&'static str, u64)>, shared: Arc<Shared>) -> Result<()> {
    let mut client = SegmentsClient::new(channel);
    for (text, wanted) in expected.iter().cycle() {
        if shared.end.load(Ordering::Relaxed) {
            break;
        }
        let request = v1::CountRequest { segment: Some(rule(text)), ..v1::CountRequest::default() };
        let counted = client.count(request).await.with_context(|| format!("counting {text}"))?.into_inner();
        // Rules of time count from when a source was read, which is another instant in each generation.
        ensure!(text.contains("now()") || counted.count == *wanted, "{text}: {} of {wanted}", counted.count);
        shared.counted.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads members to their end, again and again.
async fn stream_on(channel: Channel, wanted: u64, shared: Arc<Shared>) -> Result<()> {
    let mut client = SegmentsClient::new(channel);
    while !shared.end.load(Ordering::Relaxed) {
        let request = v1::MembersRequest { segment: Some(rule(COUNTED[0])), ..v1::MembersRequest::default() };
        let mut stream = client.members(request).await.context("members")?.into_inner();
        let mut found = 0;
        while let Some(batch) = stream.message().await.context("a batch of members")? {
            found += batch.user_ids.len() as u64;
        }
        ensure!(found == wanted, "{found} members of {wanted}");
        shared.streamed.fetch_add(found, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// What ops do: previews, profiles, explanations, membership with fresher values, one after the other.
async fn look_on(channel: Channel, user_id: u64, wanted: u64, shared: Arc<Shared>) -> Result<()> {
    let mut client = SegmentsClient::new(channel);
    let segment = || Some(rule(COUNTED[0]));
    while !shared.end.load(Ordering::Relaxed) {
        let preview = v1::PreviewRequest { segment: segment(), ..v1::PreviewRequest::default() };
        let previewed = client.preview(preview).await.context("a preview")?.into_inner();
        ensure!(previewed.count == wanted, "a preview counts {} of {wanted}", previewed.count);
        let columns = vec!["country".to_owned(), "balance_usd".to_owned()];
        let profile = v1::ProfileRequest { segment: segment(), columns, ..v1::ProfileRequest::default() };
        let profiled = client.profile(profile).await.context("a profile")?.into_inner();
        ensure!(profiled.count == wanted, "a profile counts {} of {wanted}", profiled.count);
        let explain = v1::ExplainRequest { user_id, segment: segment(), ..v1::ExplainRequest::default() };
        client.explain(explain).await.context("an explanation")?;
        let fresher = [("balance_usd".to_owned(), v1::Value { kind: Some(Kind::DoubleValue(500.0)) })];
        let overlaid = v1::IsInSegmentRequest { overlay: fresher.into(), ..is_in(user_id) };
        client.is_in_segment(overlaid).await.context("membership with a fresher value")?;
        shared.looked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Rebuilds again and again, and waits until each generation is in service.
async fn rebuild_on(channel: Channel, every: Duration, shared: Arc<Shared>) -> Result<()> {
    let mut admin = AdminClient::new(channel);
    while !shared.end.load(Ordering::Relaxed) {
        let begun = Instant::now();
        admin.rebuild(v1::RebuildRequest::default()).await.context("a rebuild")?;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let status = admin.status(v1::StatusRequest {}).await.context("the status")?.into_inner();
            let Some(rebuild) = status.rebuild else { bail!("the rebuild is not told") };
            match rebuild.state() {
                v1::RebuildState::Published if status.generation == rebuild.generation => break,
                v1::RebuildState::Published | v1::RebuildState::Running => {}
                state => bail!("the rebuild ended as {state:?}: {}", rebuild.problem),
            }
        }
        shared.rebuilt.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(every.saturating_sub(begun.elapsed())).await;
    }
    Ok(())
}
