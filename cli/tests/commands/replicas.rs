//! `push` and `pull`: through a folder, and through an S3 service if there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Run, USERS, build, command, finish, folder, muster, source};

/// A bucket, and how to reach it.
struct Place {
    url: String,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn folder(name: &str) -> Self {
        let url = format!("file://{}", folder(name).join("bucket").display());
        Self { url, variables: Vec::new() }
    }

    /// A prefix of its own in the bucket of the service at `MUSTER_TEST_S3`, http://KEY:SECRET@HOST:PORT.
    fn s3(name: &str) -> Self {
        let service =
            std::env::var("MUSTER_TEST_S3").expect("MUSTER_TEST_S3 should say where the service is");
        let (key, rest) = service.strip_prefix("http://").and_then(|s| s.split_once(':')).unwrap();
        let (secret, host) = rest.rsplit_once('@').unwrap();
        let variables = vec![
            ("AWS_ACCESS_KEY_ID", key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", format!("http://{}", host.trim_end_matches('/'))),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        let stamp = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        Self { url: format!("s3://snapshots/{name}/{stamp}"), variables }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    fn push(&self, store: &Path, more: &[&str]) -> Run {
        let mut arguments = vec!["push", "--store", store.to_str().unwrap(), "--to", &self.url, "--json"];
        arguments.extend(more);
        self.run(&arguments)
    }

    fn pull(&self, store: &Path) -> Run {
        self.run(&["pull", "--store", store.to_str().unwrap(), "--from", &self.url, "--json"])
    }
}

/// The shared population; `other` swaps what one column means, so that a build of it differs in that column only,
/// which gates would hold back.
fn built(store: &Path, other: bool) {
    let config = store.with_extension("toml");
    let skipped = if other { "[columns.has_okx_kyc]\nskip = true\n" } else { "" };
    fs::write(&config, format!("{skipped}[build]\nrow_order = \"none\"\n[gates]\nenabled = false\n"))
        .unwrap();
    let (config, dir) = (config.to_str().unwrap(), store.to_str().unwrap());
    muster(&[
        "build",
        "--config",
        config,
        "--store",
        dir,
        "--source",
        source(),
        "--as-of",
        "2026-11-20T00:00:00Z",
    ])
    .ends_with(0);
}

fn count(store: &Path, rule: &str) -> Value {
    let run = muster(&["count", "--store", store.to_str().unwrap(), "--json", rule]).ends_with(0);
    run.json()["count"].clone()
}

fn bytes(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"))
}

/// What pushes and pulls do, whatever the bucket is.
fn round_trip(place: &Place, dir: &Path) {
    let (origin, replica) = (dir.join("origin"), dir.join("replica"));
    built(&origin, false);
    place.pull(&replica).refuses(3, &["holds no generation", &place.url]);
    let first = place.push(&origin, &[]).ends_with(0).json();
    assert_eq!(bytes(&first, "moved_bytes"), bytes(&first, "bytes"), "{first}");
    let pulled = place.pull(&replica).ends_with(0).json();
    assert_eq!(pulled["outcome"], "pulled");
    for rule in
        ["has_poh AND NOT bot_warning", "balance_usd >= 100", "true", "has(active_chains, 'ethereum')"]
    {
        assert_eq!(count(&origin, rule), count(&replica, rule), "{rule}");
    }
    muster(&["verify", "--store", replica.to_str().unwrap()]).ends_with(0);

    built(&origin, true);
    let second = place.push(&origin, &[]).ends_with(0).json();
    assert_eq!((bytes(&second, "generation"), bytes(&second, "before")), (2, 1));
    // The head and the checksums, and nothing else: all columns that are left are as they were.
    assert!(bytes(&second, "moved_bytes") < bytes(&second, "bytes") / 100, "{second}");
    let pulled = place.pull(&replica).ends_with(0).json();
    assert_eq!(pulled["moved_bytes"], second["moved_bytes"]);
    assert_eq!(count(&replica, "true"), USERS);
    assert_eq!(place.pull(&replica).ends_with(0).json()["outcome"], "unchanged");

    let removed = place.push(&origin, &["--keep", "1", "--grace", "0s"]).ends_with(0).json();
    assert_eq!(removed["collected"]["generations"].as_array().unwrap().len(), 1, "{removed}");
    assert!(bytes(&removed["collected"], "parts") >= 1);
    let fresh = dir.join("fresh");
    place.pull(&fresh).ends_with(0);
    assert_eq!(count(&fresh, "has_poh"), count(&origin, "has_poh"));
}

#[test]
fn a_store_goes_through_a_folder() {
    let dir = folder("replicas-folder");
    round_trip(&Place::folder("replicas-folder-bucket"), &dir);
}

#[test]
#[ignore = "needs an S3 server"]
fn a_store_goes_through_s3() {
    let dir = folder("replicas-s3");
    round_trip(&Place::s3("round-trip"), &dir);
}

/// Kills pushes and pulls in the middle; what is left must be whole, and the next one must end.
fn kills(place: &Place, dir: &Path) {
    let (origin, replica) = (dir.join("origin"), dir.join("replica"));
    built(&origin, false);
    let (store, from) = (origin.to_str().unwrap(), replica.to_str().unwrap());
    let push = ["push", "--store", store, "--to", &place.url, "--json"];
    let pull = ["pull", "--store", from, "--from", &place.url, "--json"];
    let mut killed = 0;
    for arguments in [push, pull] {
        // Each try lives a little longer, until one comes through.
        for patience in 0.. {
            let mut child = place.command(&arguments);
            let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_millis(10 * patience));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            if arguments[0] == "pull" {
                // Nothing, or all of it.
                let now = muster(&["count", "--store", from, "--json", "has_poh"]);
                assert!(now.status == 3 || now.json()["count"] == count(&origin, "has_poh"), "{now:?}");
            }
        }
    }
    assert!(killed >= 4, "{killed} kills");
    let last = place.pull(&replica).ends_with(0).json();
    assert_eq!(last["outcome"], "unchanged", "{last}");
    assert_eq!(count(&replica, "true"), USERS);
    muster(&["verify", "--store", from]).ends_with(0);
}

#[test]
fn killed_pushes_and_pulls_leave_things_whole() {
    let dir = folder("replicas-kill");
    kills(&Place::folder("replicas-kill-bucket"), &dir);
}

#[test]
#[ignore = "needs an S3 server"]
fn killed_pushes_and_pulls_leave_things_whole_with_s3() {
    let dir = folder("replicas-kill-s3");
    kills(&Place::s3("kill"), &dir);
}

/// A process that is killed if the test fails.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A follower brings generations, and ends when it is asked to.
fn follows(place: &Place, dir: &Path) {
    let (origin, replica) = (dir.join("origin"), dir.join("replica"));
    built(&origin, false);
    let log = dir.join("log");
    let arguments = [
        "pull",
        "--store",
        replica.to_str().unwrap(),
        "--from",
        &place.url,
        "--follow",
        "--every",
        "100ms",
        "--log-format",
        "json",
    ];
    let mut follower = place.command(&arguments);
    let follower = follower.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let mut follower = Follower(follower);
    let until = |generation: u64| {
        let begun = Instant::now();
        let current = replica.join("CURRENT");
        while fs::read_to_string(&current).ok().and_then(|text| text.trim().parse().ok()) != Some(generation)
        {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", fs::read_to_string(&log).unwrap());
            thread::sleep(Duration::from_millis(20));
        }
    };
    place.push(&origin, &[]).ends_with(0);
    until(1);
    assert_eq!(count(&replica, "true"), USERS);
    built(&origin, true);
    place.push(&origin, &[]).ends_with(0);
    until(2);
    muster(&["rollback", "--store", origin.to_str().unwrap()]).ends_with(0);
    place.push(&origin, &[]).ends_with(0);
    until(1);
    let pid = follower.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let begun = Instant::now();
    let status = loop {
        match follower.0.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(begun.elapsed() < Duration::from_secs(10), "it does not end"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    let log = fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let said = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    assert_eq!((said("following"), said("in service"), said("stopped following")), (1, 3, 1), "{log}");
}

#[test]
fn a_follower_brings_new_generations_and_ends_when_asked() {
    let dir = folder("replicas-follow");
    follows(&Place::folder("replicas-follow-bucket"), &dir);
}

#[test]
#[ignore = "needs an S3 server"]
fn a_follower_brings_new_generations_from_s3() {
    let dir = folder("replicas-follow-s3");
    follows(&Place::s3("follow"), &dir);
}

#[test]
#[ignore = "needs an S3 server"]
fn an_s3_service_that_refuses_is_told_apart() {
    let origin = folder("replicas-refused").join("origin");
    built(&origin, false);
    let with = |name: &'static str, value: &str| {
        let mut place = Place::s3("refused");
        place.variables.retain(|(known, _)| *known != name);
        place.variables.push((name, value.to_owned()));
        place
    };
    with("AWS_SECRET_ACCESS_KEY", "wrong")
        .push(&origin, &[])
        .refuses(3, &["refused", "SignatureDoesNotMatch", "s3://snapshots/"]);
    with("AWS_ACCESS_KEY_ID", "nobody").push(&origin, &[]).refuses(3, &["refused", "InvalidAccessKeyId"]);
    with("AWS_ALLOW_HTTP", "false").push(&origin, &[]).refuses(2, &["not encrypted", "--allow-http"]);
    let mut nowhere = Place::s3("refused");
    nowhere.url = "s3://no-such-bucket/x".to_owned();
    nowhere.push(&origin, &[]).refuses(3, &["no-such-bucket"]);
    // Nobody listens there.
    with("AWS_ENDPOINT", "http://127.0.0.1:9").push(&origin, &[]).refuses(3, &["connection", "AWS_ENDPOINT"]);
}

#[test]
fn addresses_and_times_that_make_no_sense_are_wrong_usage() {
    let dir = folder("replicas-usage");
    let store: PathBuf = dir.join("store");
    build(&store, source()).ends_with(0);
    let store = store.to_str().unwrap();
    muster(&["push", "--store", store, "--to", "ftp://x"]).refuses(2, &["s3://BUCKET/PREFIX"]);
    muster(&["pull", "--store", store, "--from", "file:///no/such/place"]).refuses(3, &["/no/such/place"]);
    let run =
        muster(&["pull", "--store", store, "--from", "s3://b/x", "--follow", "--every", "soon"]).ends_with(2);
    assert!(run.stderr.contains("30s"), "{}", run.stderr);
    muster(&["push", "--store", store, "--to", "s3://b/x", "--grace", "1h"]).ends_with(2);
    muster(&["push", "--store", store, "--to", "s3://b/x", "--generation", "9"])
        .refuses(3, &["generation 9"]);
}
