//! A ClickHouse server to ask: one that runs already, or one of our own from the tests' fixture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use ureq::Agent;

use super::python;

/// Starts the server; kept beside the tests that need it most.
const SCRIPT: &str = include_str!("../../../loader/tests/fixtures/clickhouse_server.py");
/// Where the tables live that are made here.
pub(crate) const DATABASE: &str = "muster_bench";
const START_SECONDS_MAX: u64 = 60;
/// Loading a hundred million rows takes minutes.
const ANSWER_SECONDS_MAX: u64 = 3_600;

/// A server, and the process if it was started here; it ends with this value.
pub(crate) struct Server {
    agent: Agent,
    url: String,
    threads: usize,
    child: Option<Child>,
}

/// An answer and the server's own time for it.
pub(crate) struct Answer {
    /// The rows, as tab-separated text.
    pub(crate) text: String,
    /// Nanoseconds by the server's clock.
    pub(crate) nanos: f64,
}

impl Server {
    /// The server at this address, or one started in the work folder.
    pub(crate) fn connect(url: Option<&str>, work: &Path, threads: usize) -> Result<Self> {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))
            .http_status_as_error(false)
            .build();
        let (url, child) = match url {
            Some(url) => (url.to_owned(), None),
            None => start(work).map(|(url, child)| (url, Some(child)))?,
        };
        let server = Self { agent: config.into(), url, threads, child };
        server.ask(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}"))?;
        Ok(server)
    }

    /// On how many threads it answers.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Its version.
    pub(crate) fn version(&self) -> Result<String> {
        Ok(self.ask("SELECT version()")?.text.trim().to_owned())
    }

    /// Sends a statement. No result is cached, nor which granules a condition matched.
    pub(crate) fn ask(&self, query: &str) -> Result<Answer> {
        let threads = self.threads.to_string();
        let request = self
            .agent
            .post(&self.url)
            .query("wait_end_of_query", "1")
            .query("max_threads", &threads)
            .query("use_query_cache", "0")
            .query("use_query_condition_cache", "0")
            .query("default_format", "TabSeparated");
        let mut response = request.send(query).with_context(|| format!("cannot ask {}", self.url))?;
        let summary = response.headers().get("X-ClickHouse-Summary").and_then(|value| value.to_str().ok());
        let summary: Option<Value> = summary.and_then(|text| serde_json::from_str(text).ok());
        let status = response.status();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        ensure!(status.is_success(), "ClickHouse: {}", text.chars().take(400).collect::<String>());
        let elapsed = summary.as_ref().and_then(|summary| summary["elapsed_ns"].as_str()).unwrap_or_default();
        let nanos = elapsed.parse().context("ClickHouse did not tell how long it took")?;
        Ok(Answer { text, nanos })
    }

    /// A number that a query yields.
    pub(crate) fn number(&self, query: &str) -> Result<(u64, f64)> {
        let Answer { text, nanos } = self.ask(query)?;
        let number = text.trim().parse().with_context(|| format!("ClickHouse answered '{}'", text.trim()))?;
        Ok((number, nanos))
    }

    /// How many rows a table of ours has; 0 if it is not there.
    pub(crate) fn rows(&self, table: &str) -> Result<u64> {
        let from = format!("FROM system.tables WHERE database = '{DATABASE}' AND name = '{table}'");
        Ok(self.number(&format!("SELECT ifNull(sum(total_rows), 0) {from}"))?.0)
    }

    /// What a table of ours takes on disk.
    pub(crate) fn bytes(&self, table: &str) -> Result<u64> {
        let from =
            format!("FROM system.parts WHERE active AND database = '{DATABASE}' AND table = '{table}'");
        Ok(self.number(&format!("SELECT sum(bytes_on_disk) {from}"))?.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // The fixture passes a stop request on to the server; killing it would leave that one behind.
        let stopped = Command::new("kill").arg(child.id().to_string()).status();
        if stopped.is_ok_and(|status| status.success()) {
            let _ = child.wait();
        }
    }
}

fn start(work: &Path) -> Result<(String, Child)> {
    let python = python::interpreter(work)?;
    let home = work.join("clickhouse");
    fs::create_dir_all(&home)?;
    let script: PathBuf = home.join("server.py");
    fs::write(&script, SCRIPT)?;
    let url_file = home.join("url");
    let _ = fs::remove_file(&url_file);
    let log = fs::File::create(home.join("server.log"))?;
    let mut child = Command::new(python)
        .arg(&script)
        .arg(&home)
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start the ClickHouse server")?;
    let begun = Instant::now();
    loop {
        if let Ok(url) = fs::read_to_string(&url_file)
            && url.ends_with('\n')
        {
            return Ok((url.trim().to_owned(), child));
        }
        if let Some(status) = child.try_wait()? {
            bail!("the ClickHouse server ended with {status}; see {}", home.join("server.log").display());
        }
        ensure!(begun.elapsed().as_secs() < START_SECONDS_MAX, "the ClickHouse server does not start");
        sleep(Duration::from_millis(100));
    }
}
