//! The server under load, driven by h2load: membership beside an empty service of the same framework, counts of several conditions,
//! and membership while others count.
//!
//! Both servers are processes of their own and take turns, so that what else the machine does meets both.

mod children;
mod empty;
mod figures;
mod flood;
mod idle;
mod load;
mod night;
mod soak;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};
use muster_proto::v1;
use muster_proto::v1::segment::By;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_proto::v1::value::Kind;
use prost::Message as _;
use tonic::transport::Channel;

use crate::machine;
use children::Child;
use load::{Load, Loaded, Requests};

pub(crate) use empty::serve_empty;
pub(crate) use night::{NightOptions, night};
pub(crate) use soak::{SoakOptions, soak};

/// Rules of several conditions whose counts are timed.
const COUNTED: [&str; 4] = [
    "has_poh AND NOT bot_warning",
    "has_poh AND balance_usd >= 100 AND NOT bot_warning",
    "country IN ('US', 'GB', 'DE') AND last_active_time >= now() - INTERVAL 7 DAY",
    "at_least(2, has_zkme, has_babt, has_binance_kyc, has_okx_kyc) AND NOT bot_warning AND balance_usd < 1000",
];
/// A rule that takes long: it looks at the ids of most users.
const HEAVY: &str = "bucket('load', 0, 50) AND total_tx_value_usd > balance_usd";
/// Users of a feed.
const FEED: u32 = 1_000;
/// The rule of membership.
const ASKED: &str = "has_poh AND NOT bot_warning AND balance_usd >= 100";

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServingOptions {
    /// The muster to start
    #[arg(long, value_name = "FILE", default_value = "target/release/muster")]
    muster: PathBuf,

    /// The store it answers from
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// Runs of each kind; the median is told
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeats: usize,

    /// Requests of each run
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    requests: u64,

    /// Write the page here as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Measures, and prints a table.
pub(crate) fn serving(options: &ServingOptions) -> Result<()> {
    ensure!(options.repeats > 0, "give at least one run");
    let snapshot = Store::open(&options.store)?.current()?;
    let user_id = snapshot.ids().id(snapshot.rows() / 2)?;
    let muster = Child::muster(&options.muster, &options.store, "[serve]\ncached_counts = 0\n")?;
    check_answers(&muster, &snapshot, user_id)?;
    let empty = Child::empty()?;
    let mut page = format!(
        "# The server under load\n\n{}\n\n{} users, medians of {} runs. h2load is the client; what answers is compared with the engine before anything is timed, and \
         no count is remembered.\n\n",
        machine::sentence(&format!(
            "muster-bench serving --repeats {} --requests {}",
            options.repeats, options.requests
        )),
        snapshot.rows(),
        options.repeats
    );
    writeln!(page, "| what | requests/s | p50 | p99 |\n| --- | ---: | ---: | ---: |")?;
    membership(options, &muster, &empty, user_id, &mut page)?;
    counts(options, &muster, &mut page)?;
    others(options, &muster, &snapshot, &mut page)?;
    beside(options, &muster, user_id, &mut page)?;
    // So that what was measured is told if what follows fails.
    eprintln!("{page}");
    page.push_str(&flood::flood(&muster, &is_in(user_id), options.requests / 15)?);
    page.push_str(&idle::idle(&muster, &is_in(user_id), options.requests / 15)?);
    told(&page, options.out.as_deref())
}

/// Prints a page, and writes it to a file if one was named.
fn told(page: &str, out: Option<&Path>) -> Result<()> {
    print!("{page}");
    out.map_or(Ok(()), |out| std::fs::write(out, page).with_context(|| format!("writing {}", out.display())))
}

/// What h2load does not look at: that answers are right.
fn check_answers(muster: &Child, snapshot: &Arc<Snapshot>, user_id: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = Channel::from_shared(format!("http://{}", muster.address))?.connect().await?;
        let mut client = SegmentsClient::new(channel);
        let asked = client.is_in_segment(is_in(user_id)).await?.into_inner();
        let audience = audience(snapshot, ASKED)?;
        ensure!(
            asked.in_segment == [audience.contains(user_id)? == Some(true)],
            "membership is wrong: {asked:?}"
        );
        for text in COUNTED.into_iter().chain([HEAVY]) {
            let request = v1::CountRequest { segment: Some(rule(text)), ..v1::CountRequest::default() };
            let counted = client.count(request).await?.into_inner();
            ensure!(!counted.cached, "counts are remembered; figures would say nothing");
            ensure!(
                counted.count == audience_count(snapshot, text)?,
                "the count of {text} is wrong: {counted:?}"
            );
        }
        Ok(())
    })
}

fn audience(snapshot: &Arc<Snapshot>, text: &str) -> Result<Audience> {
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    Ok(Audience::new(snapshot, &Rule::parse(text, &limits)?, &scope)?)
}

fn audience_count(snapshot: &Arc<Snapshot>, text: &str) -> Result<u64> {
    Ok(audience(snapshot, text)?.count())
}

fn rule(text: &str) -> v1::Segment {
    v1::Segment { by: Some(By::Rule(text.to_owned())) }
}

fn is_in(user_id: u64) -> v1::IsInSegmentRequest {
    v1::IsInSegmentRequest { user_id, segments: vec![rule(ASKED)], ..v1::IsInSegmentRequest::default() }
}

fn membership(
    options: &ServingOptions,
    muster: &Child,
    empty: &Child,
    user_id: u64,
    page: &mut String,
) -> Result<()> {
    for (what, connections, streams, requests) in
        [("pipelined, 4 x 64", 4, 64, options.requests), ("one at a time", 1, 1, options.requests / 10)]
    {
        let load = |address: &str| {
            Load::of(
                "IsInSegment",
                address,
                &is_in(user_id),
                connections,
                streams,
                Requests::Number(requests),
            )
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..options.repeats {
            theirs.push(load(&empty.address)?.run()?);
            ours.push(load(&muster.address)?.run()?);
        }
        let (ours, theirs) = (Loaded::median(&ours), Loaded::median(&theirs));
        line(page, &format!("empty service, {what}"), &theirs)?;
        line(page, &format!("IsInSegment, {what}"), &ours)?;
        let share = |of: f64, to: f64| of / to;
        writeln!(
            page,
            "| = ratio | {:.2} | {:.2} | {:.2} |",
            share(ours.per_second, theirs.per_second),
            share(ours.p50_micros, theirs.p50_micros),
            share(ours.p99_micros, theirs.p99_micros),
        )?;
    }
    Ok(())
}

fn counts(options: &ServingOptions, muster: &Child, page: &mut String) -> Result<()> {
    for text in COUNTED {
        let request = v1::CountRequest { segment: Some(rule(text)), ..v1::CountRequest::default() };
        let load = || Load::of("Count", &muster.address, &request, 1, 1, Requests::Number(3_000))?.run();
        let runs = (0..options.repeats).map(|_| load()).collect::<Result<Vec<_>>>()?;
        line(page, &format!("Count `{text}`"), &Loaded::median(&runs))?;
    }
    Ok(())
}

/// What else is asked, one request at a time.
fn others(options: &ServingOptions, muster: &Child, snapshot: &Snapshot, page: &mut String) -> Result<()> {
    let user_id = snapshot.ids().id(snapshot.rows() / 2)?;
    let mut repeated =
        |what: &str, method: &str, message: &dyn Fn() -> Vec<u8>, requests: u64| -> Result<()> {
            let load = || {
                Load::of_bytes(method, &muster.address, &message(), 1, 1, Requests::Number(requests))?.run()
            };
            let runs = (0..options.repeats).map(|_| load()).collect::<Result<Vec<_>>>()?;
            line(page, what, &Loaded::median(&runs))
        };
    let fresher = [("balance_usd".to_owned(), v1::Value { kind: Some(Kind::DoubleValue(500.0)) })];
    let overlaid = v1::IsInSegmentRequest { overlay: fresher.into(), ..is_in(user_id) };
    repeated("IsInSegment with a fresher value", "IsInSegment", &|| overlaid.encode_to_vec(), 10_000)?;
    let step = (snapshot.rows() / FEED).max(1);
    let feed = (0..snapshot.rows()).step_by(step as usize).take(FEED as usize);
    let feed = feed.map(|row| snapshot.ids().id(row)).collect::<Result<Vec<_>, _>>()?;
    let segment = Some(rule(ASKED));
    let batch =
        v1::BatchIsInSegmentRequest { segment, user_ids: feed, ..v1::BatchIsInSegmentRequest::default() };
    repeated(
        &format!("BatchIsInSegment of {FEED} users"),
        "BatchIsInSegment",
        &|| batch.encode_to_vec(),
        3_000,
    )?;
    for text in COUNTED {
        let preview = v1::PreviewRequest { segment: Some(rule(text)), ..v1::PreviewRequest::default() };
        repeated(&format!("Preview `{text}`"), "Preview", &|| preview.encode_to_vec(), 300)?;
    }
    let explain = v1::ExplainRequest { user_id, segment: Some(rule(ASKED)), ..v1::ExplainRequest::default() };
    repeated("Explain", "Explain", &|| explain.encode_to_vec(), 1_000)
}

/// Membership, quiet and while four clients count what takes long.
fn beside(options: &ServingOptions, muster: &Child, user_id: u64, page: &mut String) -> Result<()> {
    let requests = Requests::Number(options.requests / 15);
    let asking = || Load::of("IsInSegment", &muster.address, &is_in(user_id), 1, 1, requests);
    let heavy = v1::CountRequest { segment: Some(rule(HEAVY)), ..v1::CountRequest::default() };
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats {
        quiet.push(asking()?.run()?);
        let counting = Load::of("Count", &muster.address, &heavy, 4, 1, Requests::UntilStopped)?.start()?;
        let asked = asking()?.run();
        counting.stop()?;
        busy.push(asked.context("membership beside heavy counts")?);
    }
    let (quiet, busy) = (Loaded::median(&quiet), Loaded::median(&busy));
    line(page, "IsInSegment, quiet", &quiet)?;
    line(page, "IsInSegment while 4 clients count", &busy)?;
    writeln!(
        page,
        "| = ratio | {:.2} | {:.2} | {:.2} |",
        busy.per_second / quiet.per_second,
        busy.p50_micros / quiet.p50_micros,
        busy.p99_micros / quiet.p99_micros
    )?;
    Ok(())
}

fn line(page: &mut String, what: &str, loaded: &Loaded) -> Result<()> {
    let Loaded { per_second, p50_micros, p99_micros, .. } = loaded;
    writeln!(page, "| {what} | {per_second:.0} | {p50_micros:.0} us | {p99_micros:.0} us |")?;
    Ok(())
}
