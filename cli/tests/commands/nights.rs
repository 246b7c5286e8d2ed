//! A build that is held back, and what people do with it; writers and readers side by side.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Run, command, finish, folder, muster, source};

/// A population under a folder, as a source.
fn population(folder: &Path, users: u64) -> String {
    let out = folder.join(format!("features-{users}"));
    if !out.exists() {
        muster(&["synth", "--users", &users.to_string(), "--seed", "7", "--out", out.to_str().unwrap()])
            .ends_with(0);
    }
    format!("parquet:{}/*.parquet", out.display())
}

fn in_store(store: &Path, subcommand: &str, rest: &[&str]) -> Run {
    let mut arguments = vec![subcommand, "--store", store.to_str().unwrap()];
    arguments.extend(rest);
    muster(&arguments)
}

fn built(store: &Path, source: &str, rest: &[&str]) -> Run {
    in_store(store, "build", &[&["--source", source], rest].concat())
}

fn in_service(store: &Path) -> u64 {
    in_store(store, "count", &["--json", "true"]).ends_with(0).json()["generation"].as_u64().unwrap()
}

/// Waits until something is so, and fails if it never is.
#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "waited for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_build_that_shrank_is_held_back_asked_and_published() {
    let folder = folder("held");
    let store = folder.join("store");
    let (usual, shrunk) = (population(&folder, 4_000), population(&folder, 2_400));
    built(&store, &usual, &[]).ends_with(0);
    let run = built(&store, &shrunk, &[]).ends_with(1);
    for said in [
        "hold this build back, compared with generation 1",
        "HOLD   rows ",
        "-40.0 %",
        "generation 2 is held back; what was in service still is",
        "--generation 2 --accept REASON",
    ] {
        assert!(run.text().contains(said), "'{said}' is not in:\n{}", run.text());
    }
    assert_eq!(in_service(&store), 1);
    let held = in_store(&store, "count", &["--json", "--generation", "2", "true"]).ends_with(0).json();
    assert_eq!((held["count"].as_u64(), held["generation"].as_u64()), (Some(2_400), Some(2)));
    let inspected = in_store(&store, "inspect", &["--json"]).ends_with(0).json();
    assert_eq!(inspected["held"][0]["generation"], 2, "{inspected}");
    let inspected = in_store(&store, "inspect", &["--generation", "2"]).ends_with(0);
    assert!(
        inspected.text().contains("HOLD   rows") && inspected.text().contains("held back      2: "),
        "{}",
        inspected.text()
    );
    in_store(&store, "rollback", &["--to", "2"]).refuses(3, &["held back", "muster publish"]);
    in_store(&store, "diff", &["current", "2", "--no-columns"]).ends_with(0);
    in_store(&store, "diff", &["--generation", "2"]).refuses(2, &["without --generation"]);
    in_store(&store, "publish", &[]).ends_with(2);
    in_store(&store, "publish", &["--accept", "  "]).ends_with(2);
    assert_eq!(in_service(&store), 1);

    let published = in_store(&store, "publish", &["--accept", "the bots are gone"]).ends_with(0);
    assert_eq!(published.text(), "generation 2 is in service; before, it was 1\n");
    assert_eq!(in_service(&store), 2);
    in_store(&store, "publish", &["--accept", "again"]).refuses(3, &["nothing is waiting"]);
    let history = in_store(&store, "history", &["--json"]).ends_with(0).json_lines();
    let told: Vec<_> = history.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["publish", "hold", "accept"]);
    assert_eq!((&history[2]["reason"], &history[2]["before"]), (&"the bots are gone".into(), &1.into()));
    assert!(
        history[2]["time"].as_str().unwrap().ends_with('Z')
            && !history[2]["user"].as_str().unwrap().is_empty()
    );
    let told = in_store(&store, "history", &["--limit", "1"]).ends_with(0);
    assert!(told.text().lines().count() == 2 && told.text().contains("the bots are gone"), "{}", told.text());
    in_store(&store, "rollback", &["--reason", "they are back"]).ends_with(0);
    assert_eq!(in_service(&store), 1);
}

#[test]
fn a_held_build_is_discarded_or_accepted_at_once() {
    let folder = folder("discarded");
    let store = folder.join("store");
    let (usual, shrunk) = (population(&folder, 4_000), population(&folder, 2_400));
    built(&store, &usual, &[]).ends_with(0);
    let report = built(&store, &shrunk, &["--json"]).ends_with(1).json();
    assert_eq!((&report["outcome"], &report["gates"]["compared_with"]), (&"held".into(), &1.into()));
    assert_eq!(report["gates"]["checks"][0]["trips"], true);
    assert_eq!(
        in_store(&store, "discard", &["--reason", "half a source"]).ends_with(0).text(),
        "generation 2 is removed\n"
    );
    in_store(&store, "discard", &[]).refuses(3, &["nothing is waiting"]);
    in_store(&store, "count", &["--generation", "2", "true"])
        .refuses(3, &["generation 2 is not in the store"]);

    let run = built(&store, &shrunk, &["--accept", "planned", "--json"]).ends_with(0);
    assert_eq!((&run.json()["outcome"], &run.json()["generation"]), (&"accepted".into(), &3.into()));
    assert_eq!(in_service(&store), 3);
    built(&store, &usual, &["--accept", ""]).ends_with(2);
}

#[test]
fn the_gates_of_a_configuration_count() {
    let folder = folder("configured");
    let store = folder.join("store");
    let (usual, more) = (population(&folder, 4_000), population(&folder, 4_400));
    built(&store, &usual, &[]).ends_with(0);
    let config = folder.join("muster.toml");
    fs::write(&config, "[gates]\nrows = 0.05\nrules = ['has_poh']\n").unwrap();
    let run = built(&store, &more, &["--config", config.to_str().unwrap(), "--verbose"]).ends_with(1);
    assert!(run.text().contains("HOLD   rows") && run.text().contains("rule has_poh"), "{}", run.text());
    fs::write(&config, "[gates]\nrules = ['has_poh AND']\n").unwrap();
    built(&store, &more, &["--config", config.to_str().unwrap()]).refuses(2, &["gates.rules", "has_poh AND"]);
    fs::write(&config, "[gates]\nrules = ['has_po']\n").unwrap();
    let run = built(&store, &more, &["--config", config.to_str().unwrap()]).ends_with(1);
    assert!(run.text().contains("can't be counted") && run.text().contains("has_poh"), "{}", run.text());
    built(&store, &more, &[]).ends_with(0);
}

#[test]
fn of_two_builds_at_once_the_second_is_refused_and_told_who_is_the_first() {
    let folder = folder("two-builds");
    let store = folder.join("store");
    let dir = store.to_str().unwrap();
    let small = population(&folder, 2_000);
    let mut first = command(&["build", "--store", dir, "--source", source()]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let staging = store.join("generations/0000000001.staging");
    wait_until("the first build", || staging.exists());
    let process = format!("process {}", first.id());
    built(&store, &small, &[]).refuses(3, &["muster build", &process, "wait for it to end", dir]);
    // Whatever takes an instant does not wait for it, and leaves it alone.
    in_store(&store, "collect", &[]).ends_with(0);
    assert!(staging.exists() || in_service(&store) == 1);
    assert!(first.wait().unwrap().success());
    assert_eq!(in_service(&store), 1);

    // Killed, it is gone at once, and with it its lock.
    let mut killed = command(&["build", "--store", dir, "--source", source()]);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the second build", || store.join("generations/0000000002.staging").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    built(&store, &small, &["--accept", "small"]).ends_with(0);
    assert!(!store.join("generations/0000000002.staging").exists());
    let events = in_store(&store, "history", &["--json"]).ends_with(0).json_lines();
    assert!(events.iter().any(|event| event["event"] == "clean" && event["generation"] == 2), "{events:?}");
}

/// A process that has a generation open until its standard input ends.
fn reader(store: &Path) -> Child {
    let mut reader = command(&["count", "--store", store.to_str().unwrap(), "--json", "--file", "-"]);
    reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_generation_that_another_process_reads_stays_while_ten_builds_are_published() {
    let folder = folder("pinned");
    let store = folder.join("store");
    let source = population(&folder, 1_000);
    built(&store, &source, &[]).ends_with(0);
    let mut pinning = reader(&store);
    let maps = format!("/proc/{}/maps", pinning.id());
    wait_until("the reader", || fs::read_to_string(&maps).unwrap().contains("0000000001/data.bin"));
    let build = || {
        let mut build =
            command(&["build", "--store", store.to_str().unwrap(), "--source", &source, "--json"]);
        build.env("MUSTER_KEEP_GENERATIONS", "2");
        finish(build).ends_with(0).json()["collected"].clone()
    };
    for night in 2..=11 {
        let collected = build();
        let pinned: Vec<u64> = if night < 3 { vec![] } else { vec![1] };
        assert_eq!(collected["pinned"], serde_json::json!(pinned), "night {night}");
        // Others ask meanwhile, and get the newest.
        assert_eq!(in_service(&store), night);
    }
    pinning.stdin.take().unwrap().write_all(b"true\nhas_poh\n").unwrap();
    let output = pinning.wait_with_output().unwrap();
    let answers: Vec<serde_json::Value> = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!((&answers[0]["generation"], &answers[0]["count"]), (&1.into(), &1_000.into()));
    assert_eq!(answers.len(), 2);
    let collected = in_store(&store, "collect", &["--generations", "2", "--json"]).ends_with(0).json();
    assert_eq!(collected["removed"], serde_json::json!([1]));
    let left = in_store(&store, "inspect", &["--json"]).ends_with(0).json();
    assert_eq!(left["generations"], serde_json::json!([10, 11]));
}
