//! Ten times the concurrency that a server is sized for, all of it rules that take long: what is shed, what it costs in memory, and
//! what membership notices.
//!
//! Callers do as they are told: who is shed comes back when the answer says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_proto::v1;
use muster_proto::v1::segments_client::SegmentsClient;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::children::Child;
use super::figures::{Figures, Sampler, mib, own_bytes};
use super::load::{Load, Requests};
use super::rule;

/// Heavy questions that a server with the usual configuration takes at a time: those that may wait.
const SIZED_FOR: usize = 256;
/// Questions at a time, as many times as it is sized for.
const TIMES: usize = 10;
/// Callers that they come from.
const CALLERS: usize = 40;
/// The flood stands so long before membership is asked.
const BEFORE: Duration = Duration::from_secs(2);

/// What ended, by how.
type Outcomes = Arc<Mutex<BTreeMap<String, u64>>>;

/// Floods a server, and asks it for membership meanwhile.
pub(super) fn flood(muster: &Child, asked: &v1::IsInSegmentRequest, requests: u64) -> Result<String> {
    let http = muster.http.as_deref().context("a server with metrics")?;
    // What ran before is over.
    std::thread::sleep(BEFORE);
    let quiet = membership(muster, asked, requests)?;
    let before = own_bytes(muster.pid())?;
    let (outcomes, end) = (Outcomes::default(), Arc::new(AtomicBool::new(false)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let sampler = Sampler::start(muster.pid(), Duration::from_millis(50));
    let begun = Instant::now();
    let made = Arc::new(AtomicU64::new(0));
    let context = runtime.enter();
    for caller in 0..CALLERS {
        let channel = Channel::from_shared(format!("http://{}", muster.address))?.connect_lazy();
        for _ in 0..SIZED_FOR * TIMES / CALLERS {
            let (outcomes, end, made) = (Arc::clone(&outcomes), Arc::clone(&end), Arc::clone(&made));
            runtime.spawn(ask_on(channel.clone(), caller, outcomes, end, made));
        }
    }
    drop(context);
    std::thread::sleep(BEFORE);
    let busy = membership(muster, asked, requests)?;
    let waiting = Figures::of(http)?.sum("muster_pool_waiting", &["\"heavy\""]);
    end.store(true, Ordering::Relaxed);
    let took = begun.elapsed();
    runtime.shutdown_timeout(Duration::from_secs(1));
    let peak = sampler.end().into_iter().max().context("no sample of memory")?;
    let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut page = format!(
        "\nA flood: {} heavy questions at a time from {CALLERS} callers, for {:.0} s ({waiting:.0} waiting at its end)\n\n",
        SIZED_FOR * TIMES,
        took.as_secs_f64()
    );
    for (outcome, count) in &outcomes {
        writeln!(page, "- {outcome}: {count}")?;
    }
    writeln!(page, "- own memory: {} before, {} at most", mib(before), mib(peak))?;
    writeln!(page, "- membership p99: {quiet:.0} us quiet, {busy:.0} us meanwhile")?;
    ensure!(outcomes.contains_key("RESOURCE_EXHAUSTED"), "nothing was shed: {outcomes:?}");
    Ok(page)
}

/// The 99th percentile of membership, one request at a time, in microseconds.
pub(super) fn membership(muster: &Child, asked: &v1::IsInSegmentRequest, requests: u64) -> Result<f64> {
    let load = Load::of("IsInSegment", &muster.address, asked, 1, 1, Requests::Number(requests))?;
    Ok(load.run().context("membership, one at a time")?.p99_micros)
}

/// Asks one heavy question after the other, each a rule of its own.
async fn ask_on(
    channel: Channel,
    caller: usize,
    outcomes: Outcomes,
    end: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
) {
    let mut client = SegmentsClient::new(channel);
    while !end.load(Ordering::Relaxed) {
        let text = heaviest(made.fetch_add(1, Ordering::Relaxed));
        let request = v1::CountRequest { segment: Some(rule(&text)), ..v1::CountRequest::default() };
        let mut request = Request::new(request);
        if let Ok(name) = format!("caller-{caller}").parse() {
            request.metadata_mut().insert("x-muster-user", name);
        }
        let (outcome, wait) = match client.count(request).await {
            Ok(_) => ("OK".to_owned(), Duration::ZERO),
            Err(status) if status.code() == Code::ResourceExhausted => {
                let told = status.get_details_retry_info().and_then(|info| info.retry_delay);
                let outcome = if told.is_some() { "RESOURCE_EXHAUSTED" } else { "shed without a time" };
                (outcome.to_owned(), told.unwrap_or(Duration::from_secs(1)))
            }
            Err(status) => (format!("{:?}", status.code()), Duration::from_secs(1)),
        };
        *outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
        tokio::time::sleep(wait).await;
    }
}

/// A rule that looks at most rows, and that nobody asked before.
fn heaviest(number: u64) -> String {
    format!(
        "at_least(2, total_tx_value_usd > balance_usd, onchain_action_total > onchain_quest_total, \
         onchain_action_30d > onchain_task_total, bucket('flood-{number}', 0, 50))"
    )
}
