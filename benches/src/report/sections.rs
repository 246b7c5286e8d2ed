//! The sections of the page.

use super::plots::Named;
use super::ratios::{PEERS, View};
use super::targets::summary;
use super::text::{bytes, grouped, short, table, time, times, users};
use crate::measure::geometric_mean;
use crate::muster;
use crate::peers::duckdb::rewrites;
use crate::results::Results;
use crate::workload::{DENSE_FLAG, SHARES};

/// Reasons why a peer wins, from people who looked.
const NOTES: &str = include_str!("../../notes.tsv");

/// The whole page.
pub(crate) fn page(results: &Results, main: u64, threads: usize, plots: &[Named]) -> String {
    let view = |part, users| View { results, part, users, threads };
    let sizes = results.sizes("rules");
    let page = format!(
        "# Benchmarks\n\nWritten by the command below, on {}; nothing here is typed by hand. The raw numbers are in \
         [measurements.csv](benchmarks/measurements.csv) and [run.csv](benchmarks/run.csv).\n\n```sh\n{}\n```\n\n",
        results.fact("date").unwrap_or_default(),
        results.fact("command").unwrap_or_default(),
    );
    let mut parts = vec![
        page,
        format!("## Against the targets, {} users\n\n", users(main)),
        summary(results, main, threads),
        "## Machine and versions\n\n".to_owned(),
        machine(results),
        METHOD.to_owned(),
        format!("DuckDB is asked the same SQL after rewriting {}.\n\n", rewrites().join(", ")),
    ];
    parts.extend(sizes.iter().map(|&size| rules(&view("rules", size))));
    parts.extend([
        picture(plots, "rules"),
        losses(results, &sizes, threads),
        not_asked(results),
        terms(&view("terms", main), plots),
        selectivity(&view("selectivity", main), plots),
        by_users(results, &sizes, threads, plots),
        by_threads(&view("rules", main)),
        bandwidth(results),
        rest(results),
        texts(&view("rules", main)),
    ]);
    parts.concat().trim_end().to_owned() + "\n"
}

const METHOD: &str = "## How it is measured

All counts of a rule are compared first, and a difference ends the run; then Muster and the peers are timed one after
the other, rule by rule, each after a count that warms it up. Times are medians. No result is cached by anybody: Muster
has no such cache, ClickHouse's caches of results and of matching granules are off.

- **Muster** in process: from the text of the rule to the count (read, bound, planned, counted). Beside the bitmap
  libraries: the count of a planned rule, on one thread.
- **ClickHouse**: a MergeTree table in the order of ids, with the column types of the warehouse, one part, all in memory;
  the SQL that Muster renders for the rule; the server's own elapsed time, without the network.
- **groupBitmap**: ClickHouse's own bitmap practice, one aggregate state a tag, combined by its bitmap functions; pure
  set rules only.
- **DuckDB**: a native table in a database file; its own clock.
- **roaring, croaring**: the rule's bitmaps as Muster stores them, run-optimised, combined in place, smallest first, the
  last step as a cardinality; one thread; pure set rules only.

In tables, `(12x)` is how many times Muster's time the peer took.

";

fn machine(results: &Results) -> String {
    let names = [
        "processor",
        "vector instructions",
        "cores",
        "threads",
        "memory",
        "kernel",
        "load when the run began",
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for name in names {
        rows.push(vec![name.to_owned(), results.fact(name).unwrap_or("unknown").to_owned()]);
    }
    for (name, text) in &results.facts {
        if let Some(name) = name.strip_prefix("version/") {
            rows.push(vec![name.to_owned(), text.clone()]);
        }
    }
    table(&["", ""], &rows)
}

fn rules(view: &View<'_>) -> String {
    let peers: Vec<&str> = PEERS
        .iter()
        .map(|(peer, _, _)| *peer)
        .filter(|peer| view.cases().iter().any(|case| view.peer(case, peer).is_some()))
        .collect();
    let mut heading = vec!["rule", "kind", ">users", ">Muster", ">p99", ">count, 1 thread"];
    let right: Vec<String> = peers.iter().map(|peer| format!(">{peer}")).collect();
    heading.extend(right.iter().map(String::as_str));
    let said = |nanos: Option<f64>| nanos.map(time).unwrap_or_default();
    let row = |case: &&str| {
        let mut row = vec![
            format!("`{case}`"),
            view.kind(case).to_owned(),
            view.muster(case, 0, "count").map(grouped).unwrap_or_default(),
            said(view.muster(case, view.threads, "request_ns")),
            said(view.muster(case, view.threads, "request_p99_ns")),
            said(view.muster(case, 1, "count_ns")),
        ];
        row.extend(peers.iter().map(|peer| match (view.peer(case, peer), view.ratio(case, peer)) {
            (Some(nanos), Some(ratio)) => format!("{} ({})", time(nanos), times(ratio)),
            _ => String::new(),
        }));
        row
    };
    let rows: Vec<Vec<String>> = view.cases().iter().map(row).collect();
    format!("## The workload, {} users\n\n{}", users(view.users), table(&heading, &rows))
}

/// Where a peer is ahead, with the reason if somebody knows it.
fn losses(results: &Results, sizes: &[u64], threads: usize) -> String {
    let mut rows = Vec::new();
    for &size in sizes {
        let view = View { results, part: "rules", users: size, threads };
        for case in view.cases() {
            for (peer, _, _) in PEERS {
                let Some(ratio) = view.ratio(case, peer).filter(|ratio| *ratio < 1.0) else { continue };
                let both =
                    [view.peer(case, peer), view.beside(case, peer)].map(|n| n.map(time).unwrap_or_default());
                let [theirs, ours] = both;
                let why = note(case, peer).unwrap_or("not looked into yet").to_owned();
                let name = format!("`{case}`");
                rows.push(vec![users(size), name, peer.to_owned(), theirs, ours, times(1.0 / ratio), why]);
            }
        }
    }
    let heading = ["users", "rule", "peer", ">peer", ">Muster", ">times slower", "why"];
    let what = if rows.is_empty() { "Nowhere in this run.\n\n".to_owned() } else { table(&heading, &rows) };
    format!("## Where a peer wins, and why\n\n{what}")
}

fn note(case: &str, peer: &str) -> Option<&'static str> {
    let lines = NOTES.lines().filter(|line| !line.starts_with('#'));
    let mut fields = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    fields.find_map(|fields| match fields[..] {
        [rule, who, why] if rule == case && (who == peer || who == "*") => Some(why),
        _ => None,
    })
}

fn not_asked(results: &Results) -> String {
    let mut rows = Vec::new();
    for (name, why) in &results.facts {
        let Some((peer, case)) = name.strip_prefix("not asked/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        // That bitmaps know only bitmaps was said before.
        if PEERS.iter().any(|(name, pure, _)| *name == peer && !pure) {
            rows.push(vec![peer.to_owned(), format!("`{case}`"), why.clone()]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("## Rules that a peer was not asked\n\n{}", table(&["peer", "rule", "why"], &rows))
}

fn terms(view: &View<'_>, plots: &[Named]) -> String {
    let said = |nanos: Option<f64>| nanos.map(time).unwrap_or_default();
    let rows: Vec<Vec<String>> = view
        .cases()
        .iter()
        .map(|case| {
            let mut row =
                vec![(*case).to_owned(), view.muster(case, 0, "count").map(grouped).unwrap_or_default()];
            row.push(said(view.muster(case, 1, "count_ns")));
            row.push(said(view.muster(case, view.threads, "count_ns")));
            row.extend(PEERS.iter().map(|(peer, _, _)| said(view.peer(case, peer))));
            row
        })
        .collect();
    let heading = [
        ">terms",
        ">users",
        ">Muster, 1 thread",
        ">Muster, all",
        ">clickhouse",
        ">groupBitmap",
        ">duckdb",
        ">roaring",
        ">croaring",
    ];
    section("Time against the number of terms", "", &heading, &rows) + &picture(plots, "terms")
}

fn selectivity(view: &View<'_>, plots: &[Named]) -> String {
    let count = |case: &str| view.muster(case, view.threads, "count_ns");
    let Some(flags) = count("flags") else { return String::new() };
    let said = |nanos: Option<f64>| nanos.map(time).unwrap_or_default();
    let rows: Vec<Vec<String>> = SHARES
        .iter()
        .map(|share| {
            let (alone, joined) = (format!("range {share}"), format!("range and flag {share}"));
            vec![
                format!("{} %", f64::from(*share) / 10.0),
                said(count(&alone)),
                said(count(&joined)),
                count(&joined).map(|nanos| times(nanos / flags)).unwrap_or_default(),
                said(view.peer(&joined, "clickhouse")),
                said(view.peer(&joined, "duckdb")),
            ]
        })
        .collect();
    let what = format!(
        "A range of `last_active_time`, alone and with the flag `{DENSE_FLAG}`, counted on {} threads. Two dense flags \
         take {}; the fourth column says how many times that a range and a flag take.",
        view.threads,
        time(flags)
    );
    let heading =
        [">selected", ">range", ">range and flag", ">of two flags", ">clickhouse, both", ">duckdb, both"];
    section("Time against the selectivity of a range", &what, &heading, &rows)
        + &picture(plots, "selectivity")
}

fn by_users(results: &Results, sizes: &[u64], threads: usize, plots: &[Named]) -> String {
    let kinds = [("one bitmap", "set"), ("several bitmaps", "sets"), ("mixed", "mixed")];
    let rows: Vec<Vec<String>> = sizes
        .iter()
        .map(|&size| {
            let view = View { results, part: "rules", users: size, threads };
            let mut row = vec![users(size)];
            for (_, kind) in kinds {
                let cases = view.cases().into_iter().filter(|case| view.kind(case) == kind);
                let mean = geometric_mean(cases.filter_map(|case| view.muster(case, threads, "request_ns")));
                row.push(mean.map(time).unwrap_or_default());
            }
            row
        })
        .collect();
    let what = "Geometric means of Muster's whole requests over the workload, by what the rules are made of.";
    let heading = [">users", ">one bitmap", ">several bitmaps", ">mixed"];
    section("Time against users", what, &heading, &rows) + &picture(plots, "users")
}

fn by_threads(view: &View<'_>) -> String {
    let mut threads = vec![1, view.threads];
    threads.dedup();
    let rows: Vec<Vec<String>> = threads
        .into_iter()
        .map(|threads| {
            let mut row = vec![threads.to_string()];
            for kind in ["set", "sets", "mixed"] {
                let cases = view.cases().into_iter().filter(|case| view.kind(case) == kind);
                let mean = geometric_mean(cases.filter_map(|case| view.muster(case, threads, "request_ns")));
                row.push(mean.map(time).unwrap_or_default());
            }
            row
        })
        .collect();
    let what = format!("The same means with {} users.", users(view.users));
    section("Time against threads", &what, &[">threads", ">one bitmap", ">several bitmaps", ">mixed"], &rows)
}

fn bandwidth(results: &Results) -> String {
    let mut rows = Vec::new();
    for size in results.sizes("dense") {
        let at = ("dense", size);
        let Some(operands) = results.value(at, "rule", (muster::NAME, 0), "bytes") else { continue };
        for threads in 1..=64 {
            let value = |case, who| results.value(at, case, (who, threads), "count_ns");
            let (Some(rule), Some(mapped), Some(heap)) =
                (value("rule", muster::NAME), value("mapped", "stream"), value("heap", "stream"))
            else {
                continue;
            };
            let speed = |nanos: f64| format!("{} ({} GB/s)", time(nanos), short(operands / nanos));
            rows.push(vec![
                users(size),
                threads.to_string(),
                bytes(operands),
                speed(rule),
                speed(mapped),
                speed(heap),
                times(rule / mapped),
            ]);
        }
    }
    let what = "Ten flags, each true of four users in five at random, joined by AND; beside it, as many bytes streamed once \
                with their bits counted: of the mapped snapshot, and of memory.";
    let heading =
        [">users", ">threads", ">operands", ">rule", ">stream, mapped", ">stream, memory", ">rule of mapped"];
    section("Memory bandwidth", what, &heading, &rows)
}

fn rest(results: &Results) -> String {
    let mut rows = Vec::new();
    for size in results.sizes("loading") {
        let value = |part, case, who, metric| results.value((part, size), case, who, metric);
        let ours = |part, case, metric| value(part, case, (muster::NAME, 1), metric);
        let mut row = |what: &str, number: Option<String>| {
            rows.extend(number.map(|number| vec![users(size), what.to_owned(), number]));
        };
        row(
            "open and first count in a fresh process",
            ours("opening", "open and count", "request_ns").map(time),
        );
        row(
            "the same, with starting and ending the process",
            ours("opening", "whole process", "request_ns").map(time),
        );
        let checks = ours("membership", "five leaves", "checks_per_second");
        row("checks of one user a second, five leaves", checks.map(grouped));
        let checks = ours("membership", "five leaves, many users a call", "checks_per_second");
        row("the same, many users a call", checks.map(grouped));
        for (who, called) in [
            (muster::NAME, "Muster"),
            ("clickhouse", "ClickHouse"),
            ("duckdb", "DuckDB"),
            ("parquet", "Parquet"),
        ] {
            let disk = value("sizes", "on disk", (who, 0), "bytes");
            row(&format!("{called} on disk"), disk.map(bytes));
        }
        for (who, called) in [(muster::NAME, "Muster"), ("clickhouse", "ClickHouse"), ("duckdb", "DuckDB")] {
            let seconds = value("loading", "from parquet", (who, 0), "seconds");
            row(&format!("{called} from Parquet"), seconds.map(|seconds| time(seconds * 1e9)));
        }
        let peak = value("loading", "from parquet", (muster::NAME, 0), "peak_bytes");
        row("most memory of Muster's build", peak.map(bytes));
        for (threads, called) in [(1, "one thread"), (2, "two threads")] {
            let labels = value("labels", "refresh", (muster::NAME, threads), "seconds");
            row(&format!("15,000 labels counted, {called}"), labels.map(|seconds| time(seconds * 1e9)));
        }
    }
    let what = "Loading is measured when the data is made; a run that finds it tells what that took then.";
    section("Opening, one user, sizes, loading, labels", what, &[">users", "what", ">measured"], &rows)
}

fn texts(view: &View<'_>) -> String {
    let rows: Vec<Vec<String>> =
        view.cases().iter().map(|case| vec![format!("`{case}`"), format!("`{}`", view.rule(case))]).collect();
    section("The rules", "", &["rule", "text"], &rows)
}

fn section(title: &str, what: &str, heading: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let what = if what.is_empty() { String::new() } else { format!("{what}\n\n") };
    format!("## {title}\n\n{what}{}", table(heading, rows))
}

fn picture(plots: &[Named], name: &str) -> String {
    let found = plots.iter().find(|(called, _)| *called == name);
    found.map_or_else(String::new, |(_, plot)| format!("![{}](benchmarks/{name}.svg)\n\n", plot.title))
}
