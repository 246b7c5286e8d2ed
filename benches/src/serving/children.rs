//! Servers as processes of their own, ended when they are dropped.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;

/// A server has so long to begin.
const STARTING_MAX: Duration = Duration::from_mins(2);

/// A server.
pub(super) struct Child {
    process: std::process::Child,
    /// Where it listens for gRPC.
    pub(super) address: String,
    /// Where it listens for HTTP, if it does.
    pub(super) http: Option<String>,
    /// Its configuration, which a rebuild reads again.
    _config: Option<NamedTempFile>,
    /// Lines of its log at info.
    log: Arc<Mutex<Vec<String>>>,
}

impl Child {
    /// `muster serve` with a configuration; ready once this returns.
    pub(super) fn muster(muster: &Path, store: &Path, settings: &str) -> Result<Self> {
        let (grpc, http) = (free_address()?, free_address()?);
        let config = tempfile::Builder::new().suffix(".toml").tempfile()?;
        std::fs::write(config.path(), settings)?;
        let mut command = Command::new(muster);
        command.arg("serve").arg("--store").arg(store).arg("--config").arg(config.path());
        command.args(["--grpc", &grpc, "--http", &http]);
        Self::start(command, grpc, Some(http), Some(config))
    }

    /// A service that does nothing.
    pub(super) fn empty() -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve-empty", &address]);
        Self::start(command, address, None, None)
    }

    fn start(
        mut command: Command,
        address: String,
        http: Option<String>,
        config: Option<NamedTempFile>,
    ) -> Result<Self> {
        let mut process = command.stderr(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
        let errors = process.stderr.take().context("its log")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if line.contains("ERROR") || line.starts_with("muster:") {
                    eprintln!("{line}");
                }
                if line.contains("INFO") {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        let mut child = Self { process, address, http, _config: config, log };
        child.wait_until_it_answers()?;
        Ok(child)
    }

    /// Lines of its log that have these words.
    pub(super) fn told(&self, words: &str) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    /// Its number among processes.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let ready = match &self.http {
                Some(http) => ureq::get(format!("http://{http}/readyz")).call().is_ok(),
                None => TcpStream::connect(&self.address).is_ok(),
            };
            if ready {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended before it answered: {status}");
            }
            if begun.elapsed() > STARTING_MAX {
                bail!("the server did not answer within {} s", STARTING_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
