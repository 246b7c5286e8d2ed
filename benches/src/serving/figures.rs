//! What a server tells of itself, and what the system tells of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A server's metrics at one moment.
pub(super) struct Figures(String);

impl Figures {
    /// Asks a server for them.
    pub(super) fn of(http: &str) -> Result<Self> {
        Ok(Self(ureq::get(format!("http://{http}/metrics")).call()?.body_mut().read_to_string()?))
    }

    /// The sum of a metric over the lines that have all of these in their labels.
    pub(super) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(name));
        let values = lines.filter_map(|line| {
            let (of, value) = line.rsplit_once(' ')?;
            let is_it = of.is_empty() || of.starts_with('{');
            (is_it && labels.iter().all(|label| of.contains(label))).then(|| value.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Requests that ended, by method and outcome, without those there were none of.
    pub(super) fn requests(&self) -> Vec<(String, u64)> {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix("muster_requests_total{"));
        let ended = lines.filter_map(|line| {
            let (labels, value) = line.rsplit_once("} ")?;
            Some((labels.replace("method=", "").replace("code=", "").replace('"', ""), value.parse().ok()?))
        });
        ended.filter(|&(_, count)| count > 0).collect()
    }
}

/// Bytes of a process that are its own, not of files that are mapped.
pub(super) fn own_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next());
    Ok(kilobytes.context("RssAnon of the process")?.parse::<u64>()? << 10)
}

/// Looks at a process's own bytes now and then, until it is ended.
pub(super) struct Sampler {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Sampler {
    /// Begins.
    pub(super) fn start(pid: u32, every: Duration) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                samples.extend(own_bytes(pid).ok());
                std::thread::sleep(every);
            }
            samples
        });
        Self { end, thread }
    }

    /// Ends, and tells what was seen, in order.
    pub(super) fn end(self) -> Vec<u64> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Mebibytes, for people.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
