//! The binary killed at random moments of builds, publications, collections and ways back: the store always opens at a complete
//! generation, and the next run clears up. `MUSTER_R4_KILLS` says how often.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use muster_engine::snapshot::Store;

use crate::support::{command, folder, muster};

/// Kills in a run that does not say.
const KILLS: usize = 10;
/// Users of the populations: two usual ones, and one that is held back.
const USUAL: [u64; 2] = [1_500, 1_600];
const SHRUNK: u64 = 600;

/// Numbers that are the same in every run; the moments they are used at are not.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Build,
    BuildHeld,
    Publish,
    Discard,
    Rollback,
    Collect,
}

struct Trial {
    folder: PathBuf,
    store: PathBuf,
    random: Random,
    /// How long each job took when it was not killed.
    lasted: BTreeMap<Job, Duration>,
}

impl Trial {
    fn new(folder: PathBuf) -> Self {
        let store = folder.join("store");
        for users in USUAL.into_iter().chain([SHRUNK]) {
            let out = folder.join(users.to_string());
            muster(&["synth", "--users", &users.to_string(), "--out", out.to_str().unwrap()]).ends_with(0);
        }
        Self { folder, store, random: Random(0x9E37_79B9_7F4A_7C15), lasted: BTreeMap::new() }
    }

    fn start(&mut self, job: Job) -> Child {
        let users = if job == Job::BuildHeld { SHRUNK } else { USUAL[self.random.below(2) as usize] };
        let source = format!("parquet:{}/*.parquet", self.folder.join(users.to_string()).display());
        let store = self.store.to_str().unwrap();
        let rest: Vec<&str> = match job {
            Job::Build => vec!["build", "--source", &source, "--accept", "a trial"],
            Job::BuildHeld => vec!["build", "--source", &source],
            Job::Publish => vec!["publish", "--accept", "a trial"],
            Job::Discard => vec!["discard"],
            Job::Rollback => vec!["rollback"],
            Job::Collect => vec!["collect", "--generations", "1", "--held", "1"],
        };
        let mut command = command(&rest);
        command.args(["--store", store]).env("MUSTER_KEEP_GENERATIONS", "3").env("MUSTER_KEEP_HELD", "2");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn job(&mut self) -> Job {
        match self.random.below(20) {
            0..10 => Job::Build,
            10..13 => Job::BuildHeld,
            13..15 => Job::Publish,
            15 => Job::Discard,
            16 | 17 => Job::Rollback,
            _ => Job::Collect,
        }
    }

    /// Waits for the moment to kill: any moment of the job; or, for half of the builds, one after the snapshot was written, when
    /// it is judged, published and others are collected.
    fn wait(&mut self, job: Job) {
        let lasts = self.lasted.get(&job).copied().unwrap_or(Duration::from_millis(300));
        if matches!(job, Job::Build | Job::BuildHeld) && self.random.below(2) == 0 {
            let begun = Instant::now();
            while !self.is_written() && begun.elapsed() < 3 * lasts {
                std::hint::spin_loop();
            }
            std::thread::sleep(Duration::from_micros(self.random.below(25_000)));
        } else {
            let micros = lasts.as_micros() as u64 * 11 / 10;
            std::thread::sleep(Duration::from_micros(self.random.below(micros.max(1))));
        }
    }

    fn is_written(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.store.join("generations")) else { return false };
        let staging =
            entries.flatten().map(|e| e.path()).find(|path| path.to_str().unwrap().ends_with(".staging"));
        staging.is_some_and(|path| path.join("manifest.json").exists())
    }

    /// Runs a job to its end.
    fn run(&mut self, job: Job) -> bool {
        let begun = Instant::now();
        let success = self.start(job).wait().unwrap().success();
        self.lasted.insert(job, begun.elapsed());
        success
    }

    /// Starts a job and kills it; whether it was killed before its end.
    fn kill(&mut self, job: Job) -> bool {
        let mut child = self.start(job);
        self.wait(job);
        child.kill().unwrap();
        child.wait().unwrap().signal() == Some(9)
    }
}

/// Everything that a reader can open is complete. Returns what is in service.
fn all_whole(dir: &Path) -> u64 {
    let store = Store::open(dir).unwrap();
    let current = store.current().unwrap();
    for generation in store.generations().unwrap().into_iter().chain(store.held().unwrap()) {
        let snapshot = store.generation(generation).unwrap();
        assert_eq!(snapshot.generation(), generation);
        assert!(USUAL.contains(&snapshot.rows().into()) || u64::from(snapshot.rows()) == SHRUNK);
        snapshot.verify(&|_| {}).unwrap();
    }
    assert!(store.generations().unwrap().contains(&current.generation()));
    current.generation()
}

/// What a crash left.
fn left(dir: &Path) -> Vec<&'static str> {
    let names = |dir: PathBuf| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    let (store, generations) = (names(dir.to_owned()), names(dir.join("generations")));
    let mut found = Vec::new();
    for (suffix, what) in [(".staging", "half a build"), (".removing", "half a generation")] {
        if generations.iter().any(|name| name.ends_with(suffix)) {
            found.push(what);
        }
    }
    if store.iter().any(|name| name == "CURRENT.tmp") {
        found.push("half a publication");
    }
    found
}

#[test]
fn killed_at_any_moment_the_store_opens_and_the_next_run_clears_up() {
    let kills: usize = std::env::var("MUSTER_R4_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut trial = Trial::new(folder("killed"));
    assert!(trial.run(Job::Build) && trial.run(Job::Build) && !trial.run(Job::BuildHeld));
    for job in [Job::Rollback, Job::Discard, Job::Collect] {
        trial.run(job);
    }
    trial.lasted.insert(Job::Publish, trial.lasted[&Job::Rollback]);

    let (mut killed, mut attempts) = (0, 0);
    let (mut seen, mut jobs) = (BTreeMap::<String, usize>::new(), BTreeMap::<Job, usize>::new());
    while killed < kills {
        attempts += 1;
        assert!(attempts < 100 + 20 * kills, "only {killed} of {attempts} jobs were killed before their end");
        let job = trial.job();
        if !trial.kill(job) {
            continue;
        }
        killed += 1;
        *jobs.entry(job).or_default() += 1;
        all_whole(&trial.store);
        let found = left(&trial.store);
        *seen.entry(if found.is_empty() { "nothing".into() } else { found.join(" and ") }).or_default() += 1;
        // Not every time, so that some begin on what several have left.
        if killed % 3 == 0 {
            let store = trial.store.to_str().unwrap();
            muster(&["collect", "--store", store, "--generations", "3"]).ends_with(0);
            assert!(left(&trial.store).is_empty(), "{:?}", left(&trial.store));
            all_whole(&trial.store);
        }
    }
    println!("{killed} kills of {attempts} jobs: {jobs:?}; left behind: {seen:?}");

    let before = all_whole(&trial.store);
    assert!(trial.run(Job::Build), "the next build works");
    assert!(all_whole(&trial.store) > before && left(&trial.store).is_empty());
    let history = Store::open(&trial.store).unwrap().history().unwrap();
    println!("{} events in the history, {} lines unreadable", history.events.len(), history.unreadable);
    assert!(history.events.len() >= 3);
}
