//! h2load as a gRPC client: one message, sent often; throughput from its summary, latencies from its log.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use prost::Message;
use tempfile::TempDir;

/// Who goes on until stopped goes on for so many seconds at most.
const STARTED_SECONDS: u64 = 600;

/// A load.
pub(super) struct Load {
    dir: TempDir,
    command: Command,
    log: PathBuf,
    requests: Requests,
}

/// How many requests a load has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requests {
    /// So many.
    Number(u64),
    /// As many as it can, until it is stopped.
    UntilStopped,
    /// So many a second over each connection, for so many seconds.
    Paced { seconds: u64, each_per_second: u32 },
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded {
    pub(super) answered: u64,
    pub(super) per_second: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
}

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    /// When it was asked for, in microseconds since 1970.
    pub(super) at_micros: u64,
    /// How long it took.
    pub(super) took_micros: f64,
}

/// A load that goes on.
pub(super) struct Running {
    process: std::process::Child,
    _dir: TempDir,
}

impl Load {
    /// So many requests of one method, over so many connections with so many requests at a time each.
    pub(super) fn of(
        method: &str,
        address: &str,
        message: &impl Message,
        connections: u32,
        streams: u32,
        requests: Requests,
    ) -> Result<Self> {
        Self::of_bytes(method, address, &message.encode_to_vec(), connections, streams, requests)
    }

    /// The same of a message that is encoded already.
    pub(super) fn of_bytes(
        method: &str,
        address: &str,
        encoded: &[u8],
        connections: u32,
        streams: u32,
        requests: Requests,
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let body = dir.path().join("body");
        let mut framed = vec![0];
        framed.extend((encoded.len() as u32).to_be_bytes());
        framed.extend(encoded);
        std::fs::write(&body, framed)?;
        let log = dir.path().join("log");
        let mut command = Command::new("h2load");
        command.args(["-t", "1", "-c", &connections.to_string(), "-m", &streams.to_string()]);
        match requests {
            Requests::Number(number) => {
                command.args(["-n", &number.to_string()]).arg(format!("--log-file={}", log.display()));
            }
            Requests::UntilStopped => {
                command.args(["-D", &STARTED_SECONDS.to_string()]);
            }
            Requests::Paced { seconds, each_per_second } => {
                command.args(["-D", &seconds.to_string(), "--rps", &each_per_second.to_string()]);
                command.arg(format!("--log-file={}", log.display()));
            }
        }
        command.arg("-d").arg(&body);
        command.args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
        command.arg(format!("http://{address}/muster.v1.Segments/{method}"));
        Ok(Self { dir, command, log, requests })
    }

    /// Runs it to its end, and tells of each answer.
    pub(super) fn run_each(mut self) -> Result<Vec<Answered>> {
        self.finish().map(|(_, answered)| answered)
    }

    /// Runs it to its end: what it said, and what its log has.
    fn finish(&mut self) -> Result<(String, Vec<Answered>)> {
        let output = self.command.output().context("h2load, of the package nghttp2-client")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut text = String::new();
        std::fs::File::open(&self.log)?.read_to_string(&mut text)?;
        let mut answered = Vec::new();
        for line in text.lines() {
            let mut fields = line.split('\t').map(str::trim);
            let (at, status, took) = (fields.next(), fields.next(), fields.next());
            ensure!(status == Some("200"), "a request failed: {line}");
            let at_micros = at.and_then(|at| at.parse().ok()).context("no time in the log")?;
            let took_micros = took.and_then(|took| took.parse().ok()).context("no time in the log")?;
            answered.push(Answered { at_micros, took_micros });
        }
        ensure!(!answered.is_empty(), "no request was answered\n{said}");
        Ok((said, answered))
    }

    /// Runs it to its end.
    pub(super) fn run(mut self) -> Result<Loaded> {
        let (said, answered) = self.finish()?;
        let finished =
            said.lines().find(|line| line.starts_with("finished in")).context("no summary of h2load")?;
        let per_second = finished.split(", ").nth(1).and_then(|part| part.strip_suffix(" req/s"));
        let per_second =
            per_second.and_then(|number| number.trim().parse().ok()).context("no rate of h2load")?;
        let mut micros: Vec<f64> = answered.iter().map(|answer| answer.took_micros).collect();
        if let Requests::Number(wanted) = self.requests
            && micros.len() as u64 != wanted
        {
            bail!("{} of {wanted} requests were answered\n{said}", micros.len());
        }
        micros.sort_unstable_by(f64::total_cmp);
        let at = |share| quantile(&micros, share);
        let loaded =
            Loaded { answered: micros.len() as u64, per_second, p50_micros: at(0.5), p99_micros: at(0.99) };
        drop(self.dir);
        Ok(loaded)
    }

    /// Starts it; it goes on until it is stopped.
    pub(super) fn start(mut self) -> Result<Running> {
        let process = self.command.stdout(Stdio::null()).spawn().context("h2load")?;
        Ok(Running { process, _dir: self.dir })
    }
}

/// The time that a share of answers, in order of their times, took at most.
pub(super) fn quantile(micros: &[f64], share: f64) -> f64 {
    micros[((micros.len() - 1) as f64 * share) as usize]
}

impl Running {
    /// Ends it.
    pub(super) fn stop(mut self) -> Result<()> {
        ensure!(self.process.try_wait()?.is_none(), "the load ended by itself");
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Loaded {
    /// The median of each figure.
    pub(super) fn median(of: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = of.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            answered: of.iter().map(|one| one.answered).sum(),
            per_second: median(|one| one.per_second),
            p50_micros: median(|one| one.p50_micros),
            p99_micros: median(|one| one.p99_micros),
        }
    }
}
