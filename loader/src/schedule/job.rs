//! One build, as a process of its own: what it takes is given back whatever happens, and what goes wrong in it stays there.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};

use super::history::Outcome;
use crate::progress::Step;
use crate::stop::Stop;

/// What to start.
#[derive(Debug, Clone)]
pub struct Job {
    /// The program, which is `muster`.
    pub program: PathBuf,
    /// Its arguments: `build`, `--json` and what else there is to say.
    pub arguments: Vec<OsString>,
    /// What is added to the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// It is ended when it takes longer.
    pub timeout: Duration,
}

/// How one try ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// What is worth keeping of its report.
    pub(super) report: Map<String, Value>,
    /// In a sentence, where it did not publish.
    pub(super) error: Option<String>,
    /// Whether the same can go better another time.
    pub(super) again: bool,
}

/// A report is longer only if something is wrong with it.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// What is asked to end has so long before it is killed.
const ENDING_LASTS: Duration = Duration::from_secs(10);
/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Job {
    /// The same with a reason to publish although gates would hold it back.
    pub(super) fn accepting(&self, reason: Option<String>) -> Self {
        let mut job = self.clone();
        if let Some(reason) = reason {
            job.arguments.extend(["--accept".into(), reason.into()]);
        }
        job
    }

    /// Runs it to its end; asked to stop, ends it. `heard` is told how far it is.
    pub(super) fn run(&self, stop: &Stop, heard: &(dyn Fn(Step) + Sync)) -> Ended {
        let failed = |error: String, again| Ended {
            outcome: Outcome::Failed,
            report: Map::new(),
            error: Some(error),
            again,
        };
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own: Ctrl-C on a terminal reaches the schedule, which ends the build, and whatever it started.
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(format!("cannot start {}: {error}", self.program.display()), true),
        };
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (status, report, said) = thread::scope(|scope| {
            let report = scope.spawn(|| read_report(output));
            let said = scope.spawn(|| pass_on(errors, heard));
            let status = self.wait(&mut child, stop);
            (status, report.join().unwrap_or_default(), said.join().unwrap_or_default())
        });
        let why = said.clone().unwrap_or_else(|| "it did not say why; see its log".to_owned());
        match status {
            Ok(Waited::Ended(status)) => {
                let ended = |outcome, error, again| Ended { outcome, report: scalars(&report), error, again };
                match status.code() {
                    Some(0) => ended(Outcome::Published, None, false),
                    Some(1) => ended(Outcome::Held, said, false),
                    // Wrong usage or configuration does not get better by itself.
                    Some(2) => ended(Outcome::Failed, Some(why), false),
                    Some(_) => ended(Outcome::Failed, Some(why), true),
                    None => ended(Outcome::Failed, Some(killed(status)), true),
                }
            }
            Ok(Waited::TooLong) => {
                failed(format!("it took longer than {} s and was ended", self.timeout.as_secs()), true)
            }
            Ok(Waited::Stopped) => Ended {
                outcome: Outcome::Interrupted,
                report: Map::new(),
                error: Some("it was ended because the schedule was".to_owned()),
                again: false,
            },
            Err(error) => failed(format!("cannot wait for the build: {error}"), true),
        }
    }

    fn wait(&self, child: &mut Child, stop: &Stop) -> std::io::Result<Waited> {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Waited::Ended(status));
            }
            if stop.wait(LOOK_EVERY) {
                end(child)?;
                return Ok(Waited::Stopped);
            }
            if begun.elapsed() > self.timeout {
                end(child)?;
                return Ok(Waited::TooLong);
            }
        }
    }
}

enum Waited {
    Ended(ExitStatus),
    TooLong,
    Stopped,
}

/// Asks a process to end, and makes it.
fn end(child: &mut Child) -> std::io::Result<()> {
    // It may have ended by itself, and its number is still its own until it was waited for.
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + ENDING_LASTS;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            let _ = kill_process_group(group, Signal::KILL);
            child.wait()?;
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn killed(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => "it was killed (signal 9), perhaps because memory ran out; give it more, or a smaller memory_mib in [build]".to_owned(),
        Some(signal) => format!("it was ended by signal {signal}"),
        None => format!("it ended oddly: {status}"),
    }
}

fn read_report(output: Option<ChildStdout>) -> Value {
    let mut bytes = Vec::new();
    if let Some(mut output) = output {
        let _ = output.by_ref().take(REPORT_BYTES_MAX).read_to_end(&mut bytes);
        // What is too much is read away, so that the process is not left waiting.
        let _ = std::io::copy(&mut output, &mut std::io::sink());
    }
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Passes on what the process logs, and how far it is; gives its last word, which says what went wrong.
fn pass_on(errors: Option<ChildStderr>, heard: &(dyn Fn(Step) + Sync)) -> Option<String> {
    let mut last = None;
    for line in BufReader::new(errors?).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(step) = Step::read(&line) {
            heard(step);
            continue;
        }
        let _ = writeln!(std::io::stderr(), "{line}");
        let word = ["muster: ", "error: "].iter().find_map(|mark| line.strip_prefix(mark));
        let word = word.filter(|word| !word.starts_with("warning: "));
        if let Some(word) = word {
            last = Some(word.trim().chars().take(2000).collect());
        } else if last.is_none() && line.contains("panicked at") {
            last = Some(line);
        }
    }
    last
}

/// The figures of a report, without its lists: a history is no place for those.
fn scalars(report: &Value) -> Map<String, Value> {
    let fields = report.as_object().into_iter().flatten();
    let plain = fields.filter(|(_, value)| !value.is_array() && !value.is_object() && !value.is_null());
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}
