//! Members of labels in ClickHouse: written by a server when labels, generations and erased users change, and by the command.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{build, command, folder, muster, source};

/// Nothing takes so long that is not broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A database of its own on the server of the environment.
struct ClickHouse {
    url: String,
    database: String,
}

impl ClickHouse {
    fn connect() -> Self {
        let url = std::env::var("MUSTER_TEST_CLICKHOUSE")
            .expect("MUSTER_TEST_CLICKHOUSE is the address of a server");
        let server = Self { url, database: format!("muster_cli_{}", std::process::id()) };
        server.ask(&format!("CREATE DATABASE {}", server.database));
        server
    }

    fn ask(&self, query: &str) -> String {
        let mut answer = ureq::post(&self.url).send(query).unwrap();
        answer.body_mut().read_to_string().unwrap()
    }

    /// The users of each label.
    fn counts(&self) -> Vec<(u64, u64)> {
        let table = format!("{}.label_user_mapping", self.database);
        if self.ask(&format!("EXISTS TABLE {table}")).trim() == "0" {
            return Vec::new();
        }
        let query = format!("SELECT label_id, count() FROM {table} GROUP BY label_id ORDER BY label_id");
        let pair = |line: &str| {
            let (label, users) = line.split_once('\t').unwrap();
            (label.parse().unwrap(), users.parse().unwrap())
        };
        self.ask(&query).lines().map(pair).collect()
    }

    /// Waits until the users of labels are these.
    #[track_caller]
    fn comes_to(&self, wanted: &[(u64, u64)]) {
        let begun = Instant::now();
        while self.counts() != wanted {
            assert!(begun.elapsed() < PATIENCE, "{:?} is not {wanted:?}", self.counts());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        let _ = ureq::post(&self.url).send(format!("DROP DATABASE {} SYNC", self.database));
    }
}

/// `muster serve`, ended when it is dropped.
pub(crate) struct Serving {
    process: Child,
    pub(crate) http: String,
}

impl Serving {
    pub(crate) fn start(config: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (grpc, http) = (free(), free());
        let mut serve = command(&["serve", "--grpc", &grpc, "--http", &http]);
        serve.arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let serving = Self { process: serve.spawn().unwrap(), http };
        let begun = Instant::now();
        while ureq::get(format!("http://{}/readyz", serving.http)).call().is_err() {
            assert!(begun.elapsed() < PATIENCE, "it is never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        serving
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let request = ureq::post(format!("http://{}/api/v1{path}", self.http));
        let request = request.header("content-type", "application/json").header("x-muster-user", "alice");
        let mut answer = request.send(body.to_string()).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    fn metric(&self, line: &str) -> f64 {
        let mut answer = ureq::get(format!("http://{}/metrics", self.http)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{line} is not in:\n{text}"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(dir: &Path, server: &ClickHouse, labels: &str) -> PathBuf {
    let file = dir.join("muster.toml");
    let text = format!(
        "store = '{}'\n[write_back]\nurl = {:?}\ndatabase = {:?}\nlabels = {labels}\n[serve]\nfollow_ms = 100\n",
        dir.join("store").display(),
        server.url,
        server.database
    );
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
#[ignore = "needs a ClickHouse server at MUSTER_TEST_CLICKHOUSE"]
fn members_of_labels_are_in_clickhouse_as_soon_as_they_change() {
    let server = ClickHouse::connect();
    let dir = folder("write-back");
    let store = dir.join("store");
    build(&store, source()).ends_with(0);
    let config = configuration(&dir, &server, "['verified', 'rich']");
    let serving = Serving::start(&config);
    let count =
        |rule: &str| serving.post("/audience/count", &json!({"rule": rule}))["count"].as_u64().unwrap();
    let label = |name: &str, rule: &str| {
        serving.post("/labels", &json!({"name": name, "rule": rule}))["id"].as_u64().unwrap()
    };
    let verified = label("verified", "has_poh");
    let inner = label("inner", "balance_usd >= 1000");
    let rich = label("rich", "label('inner')");
    server.comes_to(&[(verified, count("has_poh")), (rich, count("balance_usd >= 1000"))]);
    assert_eq!(serving.metric("muster_write_back_problem"), 0.0);
    // The rows are there a moment before they are counted.
    let written = || serving.metric("muster_write_back_labels_total{result=\"written\"}");
    let begun = Instant::now();
    while written() < 2.0 {
        assert!(begun.elapsed() < PATIENCE, "{}", written());
    }

    // A label that it uses is another.
    let change = json!({"name": "inner", "rule": "balance_usd >= 50", "version": 1});
    let request = ureq::put(format!("http://{}/api/v1/labels/{inner}", serving.http));
    request.header("content-type", "application/json").send(change.to_string()).unwrap();
    server.comes_to(&[(verified, count("has_poh")), (rich, count("balance_usd >= 50"))]);

    // Users are erased.
    let before = count("has_poh");
    let some = ["members", "--store", store.to_str().unwrap(), "has_poh", "--limit", "3"];
    for user in muster(&some).ends_with(0).text().lines() {
        muster(&["erase", "--store", store.to_str().unwrap(), user]).ends_with(0);
    }
    let begun = Instant::now();
    while count("has_poh") != before - 3 {
        assert!(begun.elapsed() < PATIENCE);
    }
    server.comes_to(&[(verified, before - 3), (rich, count("balance_usd >= 50"))]);

    // The command finds everything there, with the server and without.
    let write_back = ["write-back", "--config", config.to_str().unwrap(), "--json"];
    let report = muster(&write_back).ends_with(0).json();
    assert_eq!((&report["written"], &report["unchanged"]), (&json!(0), &json!(2)));
    let rich_users = count("balance_usd >= 50");
    drop(serving);
    server.ask(&format!("ALTER TABLE {}.label_user_mapping DROP PARTITION {rich}", server.database));
    let report = muster(&write_back).ends_with(0).json();
    assert_eq!((&report["written"], &report["users"]), (&json!(1), &json!(rich_users)));

    // One by name removes nothing; without a label in the configuration, its members go.
    let less = configuration(&dir, &server, "['rich']");
    let one = ["write-back", "--config", less.to_str().unwrap(), "--label", "rich"];
    assert!(muster(&one).ends_with(0).text().contains("unchanged: 1, removed: 0"));
    let all = ["write-back", "--config", less.to_str().unwrap()];
    assert!(muster(&all).ends_with(0).text().contains("unchanged: 1, removed: 1"));
    assert_eq!(server.counts(), [(rich, rich_users)]);

    // Names that are of no label.
    let unknown = ["write-back", "--config", less.to_str().unwrap(), "--label", "ritch"];
    muster(&unknown).refuses(2, &["there is no label `ritch`"]);
    configuration(&dir, &server, "['poor']");
    let run = muster(&all).ends_with(1);
    assert!(run.stderr.contains("no label `poor`"), "{}", run.stderr);
    assert_eq!(server.counts(), [(rich, rich_users)], "nothing goes while it is not known what is wanted");
}

#[test]
fn without_a_table_or_labels_it_says_what_to_give() {
    let dir = folder("write-back-nothing");
    let config = dir.join("muster.toml");
    std::fs::write(&config, "store = 'store'\n").unwrap();
    let run = ["write-back", "--config", config.to_str().unwrap()];
    muster(&run).refuses(2, &["[write_back]"]);
    std::fs::write(&config, "[write_back]\nurl = 'http://127.0.0.1:1'\n").unwrap();
    muster(&run).refuses(2, &["`labels` in [write_back]"]);
    std::fs::write(&config, "[write_back]\nurl = 'http://127.0.0.1:1'\ntabel = 'x'\n").unwrap();
    muster(&run).refuses(2, &["did you mean `table`"]);
}
