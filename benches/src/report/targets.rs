//! The summary: what was measured against what it should be.

use super::ratios::View;
use super::text::{bytes, grouped, short, table, time, times, users};
use crate::muster;
use crate::results::Results;

const ANY: [&str; 3] = ["set", "sets", "mixed"];

/// One line of the summary.
struct Line {
    id: &'static str,
    what: String,
    floor: String,
    measured: String,
    met: bool,
}

impl Line {
    fn row(self) -> Vec<String> {
        let met = if self.met { "yes" } else { "**no**" }.to_owned();
        vec![self.id.to_owned(), self.what, self.floor, self.measured, met]
    }
}

/// The table of targets. What was not measured is left out.
pub(crate) fn summary(results: &Results, main: u64, threads: usize) -> String {
    let rules = View { results, part: "rules", users: main, threads };
    let mut lines = Vec::new();
    lines.extend(beside(&rules, "P1", "clickhouse", &ANY, 300.0));
    lines.extend(beside(&rules, "P1b", "groupBitmap", &["set", "sets"], 15.0));
    lines.extend(beside(&rules, "P2", "roaring", &["sets"], 4.0));
    lines.extend(beside(&rules, "P2", "croaring", &["sets"], 4.0));
    lines.extend(results.sizes("dense").into_iter().filter_map(|users| bandwidth(results, users, threads)));
    lines.extend(single(results, main));
    lines.extend(loading(results, main));
    lines.extend(labels(results, threads));
    lines.extend(sizes(results, main));
    let rows: Vec<Vec<String>> = lines.into_iter().map(Line::row).collect();
    table(&["", "what", "floor", "measured", "met"], &rows)
}

/// A mean over rules, and never slower on any.
fn beside(view: &View<'_>, id: &'static str, peer: &str, kinds: &[&str], floor: f64) -> Option<Line> {
    let ratios = view.ratios(peer, kinds);
    let (mean, (worst, least)) = (ratios.mean()?, ratios.worst()?);
    let slower = ratios.0.iter().filter(|(_, ratio)| *ratio < 1.0).count();
    Some(Line {
        id,
        what: format!("count, against {peer}, {} rules", ratios.len()),
        floor: format!("{}x in the mean, slower on none", short(floor)),
        measured: format!(
            "{} in the mean; slower on {slower}; least {} on `{worst}`",
            times(mean),
            times(least)
        ),
        met: mean >= floor && slower == 0,
    })
}

fn bandwidth(results: &Results, size: u64, threads: usize) -> Option<Line> {
    let value = |case, who| results.value(("dense", size), case, (who, threads), "count_ns");
    let (rule, stream) = (value("rule", muster::NAME)?, value("mapped", "stream")?);
    Some(Line {
        id: "P3",
        what: format!(
            "dense 10-term rule, {} users, {threads} threads, against streaming its bytes",
            users(size)
        ),
        floor: "at most 1.5x the time".to_owned(),
        measured: format!("{} ({} against {})", times(rule / stream), time(rule), time(stream)),
        met: rule / stream <= 1.5,
    })
}

fn single(results: &Results, main: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    let value = |part, case, metric| results.value((part, main), case, (muster::NAME, 1), metric);
    let membership = [
        ("five leaves", "users checked one by one against a rule of five leaves, one thread"),
        ("five leaves, many users a call", "the same, many users a call"),
    ];
    for (case, what) in membership {
        let Some(checks) = value("membership", case, "checks_per_second") else { continue };
        lines.push(Line {
            id: "P5",
            what: what.to_owned(),
            floor: "5 M a second".to_owned(),
            measured: format!("{} M a second", short(checks / 1e6)),
            met: checks >= 5e6,
        });
    }
    if let Some(nanos) = value("opening", "open and count", "request_ns") {
        lines.push(Line {
            id: "P8",
            what: "a fresh process opens the store and answers its first count".to_owned(),
            floor: "50 ms".to_owned(),
            measured: time(nanos),
            met: nanos <= 50e6,
        });
    }
    lines
}

fn loading(results: &Results, main: u64) -> Vec<Line> {
    let value = |who, metric| results.value(("loading", main), "from parquet", (who, 0), metric);
    let mut lines = Vec::new();
    if let (Some(ours), Some(theirs)) = (value(muster::NAME, "seconds"), value("clickhouse", "seconds")) {
        lines.push(Line {
            id: "P6",
            what: "build from Parquet, against ClickHouse's INSERT of the same files".to_owned(),
            floor: "at most 3x".to_owned(),
            measured: format!("{} ({} s against {} s)", times(ours / theirs), short(ours), short(theirs)),
            met: ours / theirs <= 3.0,
        });
    }
    if let Some(peak) = value(muster::NAME, "peak_bytes") {
        lines.push(Line {
            id: "P6",
            what: "most memory of that build".to_owned(),
            floor: "4 GiB".to_owned(),
            measured: bytes(peak),
            met: peak <= 4.0 * f64::from(1 << 30),
        });
    }
    lines
}

fn labels(results: &Results, threads: usize) -> Option<Line> {
    // The target is one of a million users; more take longer.
    let size = results.sizes("labels").into_iter().find(|&size| size <= 1_000_000)?;
    let at = ("labels", size);
    let seconds = results.value(at, "refresh", (muster::NAME, threads), "seconds")?;
    let labels = results.value(at, "refresh", (muster::NAME, 0), "labels")?;
    Some(Line {
        id: "P9",
        what: format!("{} labels counted, {} users, {threads} threads", grouped(labels), users(size)),
        floor: "2 s".to_owned(),
        measured: format!("{} s", short(seconds)),
        met: seconds <= 2.0,
    })
}

fn sizes(results: &Results, main: u64) -> Vec<Line> {
    let value = |case, who| results.value(("sizes", main), case, (who, 0), "bytes");
    let against = |what: &str, floor: f64, ours: Option<f64>, theirs: Option<f64>| {
        let (ours, theirs) = (ours?, theirs?);
        Some(Line {
            id: "P13",
            what: what.to_owned(),
            floor: format!("at most {floor}x"),
            measured: format!("{} ({} against {})", times(ours / theirs), bytes(ours), bytes(theirs)),
            met: ours / theirs <= floor,
        })
    };
    let disk = against(
        "snapshot on disk, against the MergeTree table",
        1.5,
        value("on disk", muster::NAME),
        value("on disk", "clickhouse"),
    );
    let order = against(
        "the workload's bitmaps by row, against the same by user id",
        0.7,
        value("bitmaps by row", muster::NAME),
        value("bitmaps by id", muster::NAME),
    );
    disk.into_iter().chain(order).collect()
}
