//! The plots of the page.

use super::plot::{Axis, Plot, Scale, Series};
use super::ratios::{PEERS, View};
use super::text;
use crate::measure::geometric_mean;
use crate::results::Results;
use crate::workload::SHARES;

/// Okabe and Ito's colours, which most eyes tell apart: the same for a name in every plot.
fn colour(who: &str) -> &'static str {
    match who {
        "clickhouse" => "#0072b2",
        "groupBitmap" => "#009e73",
        "duckdb" => "#cc79a7",
        "roaring" => "#56b4e9",
        "croaring" => "#000000",
        "second" => "#e69f00",
        "third" => "#999999",
        _ => "#d55e00",
    }
}

fn series(name: &str, who: &str, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), colour: colour(who), points }
}

/// A plot by the name of its file.
pub(crate) type Named = (&'static str, Plot);

fn duration() -> Axis {
    Axis { title: "median time".to_owned(), scale: Scale::Log, label: tick }
}

/// A power of ten, without digits that say nothing.
fn tick(nanos: f64) -> String {
    text::time(nanos).replace(".00", "").replace(".0 ", " ")
}

fn plain(value: f64) -> String {
    format!("{value}")
}

/// All plots that there are numbers for.
pub(crate) fn all(results: &Results, main: u64, threads: usize) -> Vec<Named> {
    let view = |part| View { results, part, users: main, threads };
    let plots = [
        ("rules", rules(view("rules"))),
        ("terms", terms(view("terms"))),
        ("selectivity", selectivity(view("selectivity"))),
        ("users", by_users(results, threads)),
    ];
    plots.into_iter().filter(|(_, plot)| plot.series.iter().any(|series| !series.points.is_empty())).collect()
}

/// A row a rule, a dot for whoever counted it.
fn rules(view: View<'_>) -> Plot {
    let cases = view.cases();
    let points = |time: &dyn Fn(&str) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = cases.iter().enumerate();
        rows.filter_map(|(row, case)| Some((time(case)?, row as f64))).collect()
    };
    let muster = points(&|case| view.muster(case, view.threads, "request_ns"));
    let mut all = vec![series("Muster", "", muster)];
    for (peer, _, _) in PEERS {
        all.push(series(peer, peer, points(&|case| view.peer(case, peer))));
    }
    Plot {
        title: format!("Counting the users of a rule, {} users", text::users(view.users)),
        x: duration(),
        y: Axis { title: String::new(), scale: Scale::Linear, label: plain },
        series: present(all),
        rows: cases.iter().map(|&case| case.to_owned()).collect(),
    }
}

fn terms(view: View<'_>) -> Plot {
    let cases = view.cases();
    let points = |time: &dyn Fn(&str) -> Option<f64>| -> Vec<(f64, f64)> {
        cases.iter().filter_map(|case| Some((case.parse().ok()?, time(case)?))).collect()
    };
    let mut all = vec![
        series("Muster, 1 thread", "", points(&|case| view.muster(case, 1, "count_ns"))),
        series(
            &format!("{} threads", view.threads),
            "second",
            points(&|case| view.muster(case, view.threads, "count_ns")),
        ),
    ];
    for (peer, _, _) in PEERS {
        all.push(series(peer, peer, points(&|case| view.peer(case, peer))));
    }
    Plot {
        title: format!("Dense flags joined by AND, {} users", text::users(view.users)),
        x: Axis { title: "terms".to_owned(), scale: Scale::Linear, label: plain },
        y: duration(),
        series: present(all),
        rows: Vec::new(),
    }
}

fn selectivity(view: View<'_>) -> Plot {
    let points = |prefix: &str, time: &dyn Fn(&str) -> Option<f64>| -> Vec<(f64, f64)> {
        let shares = SHARES.iter().map(|share| (*share, format!("{prefix} {share}")));
        shares.filter_map(|(share, case)| Some((f64::from(share) / 10.0, time(&case)?))).collect()
    };
    let muster = |case: &str| view.muster(case, view.threads, "count_ns");
    let mut all = vec![
        series("range and flag", "", points("range and flag", &muster)),
        series("range alone", "second", points("range", &muster)),
        series("flag and flag", "third", points("range", &|_| muster("flags"))),
    ];
    for peer in ["clickhouse", "duckdb"] {
        let points = points("range and flag", &|case| view.peer(case, peer));
        all.push(series(&format!("{peer}, range and flag"), peer, points));
    }
    Plot {
        title: format!("A range of many values by how many it selects, {} users", text::users(view.users)),
        x: Axis { title: "users selected, %".to_owned(), scale: Scale::Linear, label: plain },
        y: duration(),
        series: present(all),
        rows: Vec::new(),
    }
}

/// Means over the workload's multi-term set rules, which everybody was asked.
fn by_users(results: &Results, threads: usize) -> Plot {
    let sizes = results.sizes("rules");
    let points = |time: &dyn Fn(&View<'_>, &str) -> Option<f64>| -> Vec<(f64, f64)> {
        let views = sizes.iter().map(|&users| View { results, part: "rules", users, threads });
        let mean = |view: View<'_>| {
            let cases = view.cases().into_iter().filter(|case| view.kind(case) == "sets");
            geometric_mean(cases.filter_map(|case| time(&view, case)))
        };
        views.filter_map(|view| Some((view.users as f64, mean(view)?))).collect()
    };
    let muster = points(&|view, case| view.muster(case, threads, "request_ns"));
    let mut all = vec![series("Muster", "", muster)];
    for (peer, _, _) in PEERS {
        all.push(series(peer, peer, points(&|view, case| view.peer(case, peer))));
    }
    // One size is no line.
    all.retain(|series| series.points.len() > 1);
    Plot {
        title: "Geometric mean over the multi-term set rules".to_owned(),
        x: Axis { title: "users".to_owned(), scale: Scale::Log, label: |value| text::users(value as u64) },
        y: duration(),
        series: all,
        rows: Vec::new(),
    }
}

fn present(series: Vec<Series>) -> Vec<Series> {
    series.into_iter().filter(|series| !series.points.is_empty()).collect()
}
