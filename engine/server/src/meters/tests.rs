//! What is told of a server that serves nothing yet, and what an end costs.

use std::collections::BTreeSet;
use std::time::Instant;

use muster_catalog::Settings;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Author;

use super::*;
use crate::catalog::Shelf;
use crate::config::Config;

fn meters() -> (tempfile::TempDir, Meters) {
    meters_of(tempfile::tempdir().unwrap(), None)
}

/// Of a server that has a catalog, which tells more.
fn meters_with_a_catalog() -> (tempfile::TempDir, Meters) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::at(format!("sqlite:{}", dir.path().join("catalog.db").display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let shelf = runtime.block_on(Shelf::open(settings, &Limits::default())).unwrap();
    meters_of(dir, Some(Arc::new(shelf)))
}

fn meters_of(dir: tempfile::TempDir, shelf: Option<Arc<Shelf>>) -> (tempfile::TempDir, Meters) {
    let config = Config { heavy_threads: 1, ..Config::default() };
    let service = Service::new(
        config,
        dir.path(),
        Author { user: "test".to_owned(), host: "here".to_owned(), clock: || 0 },
        None,
        shelf,
    )
    .unwrap();
    (dir, Meters::new(service, Default::default()))
}

/// The names of metrics that a text tells, as rules and dashboards write them.
fn names(text: &str) -> BTreeSet<&str> {
    let heads = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    heads.filter_map(|head| head.split(' ').next()).collect()
}

#[test]
fn an_end_is_told_by_method_and_code() {
    let (_dir, meters) = meters();
    meters.ended(Method::Count, OK, Duration::from_micros(40));
    meters.ended(Method::Count, "DEADLINE_EXCEEDED", Duration::from_secs(90));
    meters.ended(Method::Count, "a name that nobody knows", Duration::ZERO);
    let text = meters.render();
    for line in [
        "muster_requests_total{method=\"Count\",code=\"OK\"} 1",
        "muster_requests_total{method=\"Count\",code=\"DEADLINE_EXCEEDED\"} 1",
        "muster_requests_total{method=\"Count\",code=\"UNKNOWN\"} 1",
        "muster_requests_total{method=\"IsInSegment\",code=\"OK\"} 0",
        "muster_request_seconds_bucket{method=\"Count\",le=\"0.000025\"} 1",
        "muster_request_seconds_bucket{method=\"Count\",le=\"0.00005\"} 2",
        "muster_request_seconds_bucket{method=\"Count\",le=\"60\"} 2",
        "muster_request_seconds_bucket{method=\"Count\",le=\"+Inf\"} 3",
        "muster_request_seconds_count{method=\"Count\"} 3",
        "muster_ready 0",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("muster_requests_total{method=\"Overlap\",code=\"INTERNAL\"}"));
}

#[test]
fn connections_are_those_of_the_listeners() {
    let (_dir, meters) = meters();
    meters.connections[1].open.fetch_add(3, Ordering::Relaxed);
    let text = meters.render();
    for line in ["muster_connections{transport=\"grpc\"} 0", "muster_connections{transport=\"http\"} 3"] {
        assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
    }
}

#[test]
fn every_fault_has_a_code() {
    let faults: [crate::fault::Fault; 3] = [
        crate::fault::Fault::Deadline,
        crate::fault::Fault::Cancelled,
        crate::fault::Fault::Internal { what: String::new() },
    ];
    for fault in faults {
        assert!(CODES.contains(&fault.name()), "{fault:?}");
    }
}

#[test]
fn the_page_on_operations_tells_every_metric_and_no_other() {
    let (_dir, meters) = meters_with_a_catalog();
    let text = meters.render();
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split(['`', '{']).next());
    let told: BTreeSet<&str> =
        rows.filter(|name| name.starts_with("muster_") || name.starts_with("process_")).collect();
    assert_eq!(told, names(&text));
}

/// Names of our metrics in a text that is no list of them: a dashboard, rules.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("muster_") || word.starts_with("process_")).collect()
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_there_are() {
    let (_dir, meters) = meters_with_a_catalog();
    let text = meters.render();
    let told = names(&text);
    let there_is = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        told.contains(name) || base.is_some_and(|base| base == "muster_request_seconds")
    };
    for file in ["deploy/grafana/muster.json", "deploy/prometheus/alerts.yaml"] {
        let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
        let named_there = std::fs::read_to_string(&path).unwrap();
        let named_there = named(&named_there);
        assert!(named_there.len() >= 8, "{file} names {named_there:?}");
        let unknown: Vec<_> = named_there.iter().filter(|name| !there_is(name)).collect();
        assert!(unknown.is_empty(), "{file} names metrics that the server does not tell: {unknown:?}");
    }
    assert!(!there_is("muster_request_total"));
}

#[test]
fn the_page_on_operations_says_what_to_do_on_every_alert() {
    let read =
        |file: &str| std::fs::read_to_string(format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (rules, page) = (read("deploy/prometheus/alerts.yaml"), read("docs/operations.md"));
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let told = page.lines().filter_map(|line| line.strip_prefix("| `Muster")?.split('`').next());
    let told: BTreeSet<String> = told.map(|name| format!("Muster{name}")).collect();
    assert_eq!(alerts.map(str::to_owned).collect::<BTreeSet<_>>(), told);
}

/// Tells what an end costs; run with `--nocapture`, in release, on a machine that does nothing else.
#[test]
#[ignore = "tells a time, which means nothing while others compile"]
fn what_an_end_costs() {
    const ENDS: u32 = 10_000_000;
    let (_dir, meters) = meters();
    let cost = |threads: u32| {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for at in 0..ENDS {
                        let took = Duration::from_nanos(u64::from(std::hint::black_box(at) % 50_000));
                        meters.ended(
                            std::hint::black_box(Method::IsInSegment),
                            std::hint::black_box(OK),
                            took,
                        );
                    }
                });
            }
        });
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(ENDS)
    };
    println!("{:.1} ns an end on one thread, {:.1} ns on two at once", cost(1), cost(2));
}
