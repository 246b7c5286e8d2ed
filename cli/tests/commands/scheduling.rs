//! `schedule`: real builds, started by the clock or at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{USERS, command, finish, folder, muster, source};

/// A configuration with the shared population and this schedule.
fn configured(name: &str, schedule: &str) -> (PathBuf, String) {
    let dir = folder(name);
    let config = dir.join("muster.toml");
    let path = source().trim_start_matches("parquet:");
    let store = dir.join("store");
    let store = store.display();
    let text = format!("store = '{store}'\n[source]\npath = '{path}'\n[schedule]\nretries = 0\n{schedule}\n");
    fs::write(&config, text).unwrap();
    (dir, config.to_str().unwrap().to_owned())
}

fn history(config: &str) -> Vec<Value> {
    muster(&["schedule", "--config", config, "--history", "--json"]).ends_with(0).json_lines()
}

#[test]
fn one_run_builds_and_is_remembered() {
    let (dir, config) = configured("schedule-once", "");
    let run = muster(&["schedule", "--config", &config, "--once", "--json"]).ends_with(0);
    let report = run.json();
    assert_eq!(
        (&report["outcome"], &report["report"]["generation"]),
        (&"published".into(), &1.into()),
        "{report}"
    );
    assert_eq!(report["report"]["rows"], USERS);
    assert!(run.stderr.contains("phase") && run.stderr.contains("build ended"), "{}", run.stderr);
    let store = dir.join("store");
    muster(&["count", "--store", store.to_str().unwrap(), "true"]).ends_with(0);
    assert_eq!(history(&config).len(), 1);
    let text = muster(&["schedule", "--config", &config, "--history"]).ends_with(0);
    assert!(text.text().contains("published"), "{}", text.text());
}

#[test]
fn a_build_that_fails_says_why_in_the_history() {
    let (dir, config) = configured("schedule-failing", "");
    let text =
        fs::read_to_string(&config).unwrap().replace("path = ", "path = \"/no/such/place/*.parquet\" #");
    fs::write(&config, text).unwrap();
    let run = muster(&["schedule", "--config", &config, "--once"]).ends_with(3);
    assert!(run.stderr.contains("/no/such/place"), "{}", run.stderr);
    let runs = history(&config);
    assert_eq!(runs[0]["outcome"], "failed");
    assert!(runs[0]["error"].as_str().unwrap().contains("/no/such/place"), "{runs:?}");
    assert!(!dir.join("store/CURRENT").exists());
}

#[test]
fn a_build_that_is_held_back_is_remembered_as_that() {
    let (dir, config) = configured("schedule-held", "");
    muster(&["schedule", "--config", &config, "--once"]).ends_with(0);
    let features = dir.join("features");
    muster(&["synth", "--users", "5000", "--out", features.to_str().unwrap()]).ends_with(0);
    let path = format!("path = '{}/*.parquet' #", features.display());
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("path = ", &path)).unwrap();
    let run = muster(&["schedule", "--config", &config, "--once", "--json"]).ends_with(1).json();
    assert_eq!((&run["outcome"], &run["report"]["generation"]), (&"held".into(), &2.into()), "{run}");
    assert_eq!((&run["attempts"], &history(&config)[1]["outcome"]), (&1.into(), &"held".into()));
    let store = dir.join("store");
    let count = muster(&["count", "--store", store.to_str().unwrap(), "--json", "true"]).ends_with(0).json();
    assert_eq!(count["count"], USERS);
}

#[test]
fn the_next_times_are_told_in_both_zones() {
    let (_, config) = configured("schedule-next", "cron = \"30 5 * * *\"\ntime_zone = \"Asia/Kolkata\"");
    let times = muster(&["schedule", "--config", &config, "--next", "3", "--json"]).ends_with(0).json_lines();
    assert_eq!(times.len(), 3);
    for time in times {
        assert!(time["local"].as_str().unwrap().contains("T05:30:00+05:30[Asia/Kolkata]"), "{time}");
        assert!(time["utc"].as_str().unwrap().ends_with("T00:00:00Z"), "{time}");
    }
    assert_eq!(muster(&["schedule", "--config", &config, "--next"]).ends_with(0).text().lines().count(), 5);
    let (_, none) = configured("schedule-none", "");
    muster(&["schedule", "--config", &none]).refuses(2, &["[schedule]", "cron"]);
    let (_, wrong) = configured("schedule-wrong", "cron = \"30 25 * * *\"");
    muster(&["schedule", "--config", &wrong, "--next"]).refuses(2, &["30 25", "30 5 * * *"]);
}

/// Children of a process, by what the system says.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>())
        .collect()
}

fn alive(pid: u32) -> bool {
    // One that nobody waited for is a zombie, and not alive.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// How nice a process is, unless it has ended.
fn niceness(pid: u32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
}

fn soon(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A source that takes a build some seconds.
fn large(dir: &Path, config: &str) {
    let features = dir.join("features");
    muster(&["synth", "--users", "300000", "--out", features.to_str().unwrap()]).ends_with(0);
    let path = features.join("*.parquet");
    let text =
        fs::read_to_string(config).unwrap().replace("path = ", &format!("path = '{}' #", path.display()));
    fs::write(config, text).unwrap();
}

#[test]
fn a_schedule_that_is_ended_ends_its_build_and_one_that_is_killed_too() {
    for signal in ["-TERM", "-KILL"] {
        let (dir, config) = configured(&format!("schedule-ended{signal}"), "cron = \"0 0 1 1 *\"\nnice = 7");
        large(&dir, &config);
        // The store is empty, so it starts at once.
        let mut schedule = command(&["schedule", "--config", &config]);
        let mut schedule = schedule.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let nice = || children(schedule.id()).into_iter().find(|child| niceness(*child) == Some(7));
        soon("no build was started, or it is not nice", || nice().is_some());
        let child = nice().expect("the build ended by itself");
        // Tied to its parent by now: it applies both before it reads anything.
        thread::sleep(Duration::from_millis(200));
        let killed = Command::new("kill").args([signal, &schedule.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let status = schedule.wait().unwrap();
        assert_eq!(status.success(), signal == "-TERM");
        soon("the build goes on", || !alive(child));
        let outcome = if signal == "-TERM" { "interrupted" } else { "running" };
        assert_eq!(history(&config)[0]["outcome"], outcome);
    }
}

#[test]
fn the_log_is_as_it_is_said() {
    let (_, config) = configured("schedule-log", "");
    let with = |format: &str, level: &str| {
        let mut run = command(&["--log-format", format, "schedule", "--config", &config, "--once"]);
        run.env("MUSTER_LOG", level);
        finish(run)
    };
    let json = with("json", "info").ends_with(0);
    let lines: Vec<Value> = json.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let phases = lines.iter().filter(|line| line["message"] == "phase ends" && line["phase"] == "read");
    let phases: Vec<_> = phases.collect();
    assert_eq!(phases.len(), 1, "{}", json.stderr);
    assert_eq!(phases[0]["done"], USERS);
    assert!(phases[0]["per_second"].as_u64().unwrap() > 0 && phases[0]["seconds"].is_f64());
    assert_eq!(with("text", "error").ends_with(0).stderr, "");
    with("text", "loud=very").refuses(2, &["MUSTER_LOG", "info"]);
}
