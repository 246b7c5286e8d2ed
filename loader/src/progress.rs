//! Who hears how far a long job is: nobody, bars on a terminal, a log, or the process that started it.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// Listener to a long job. Called from several threads.
pub trait Progress: Sync {
    /// A phase begins; `total` is the number of steps where it is known.
    fn begin(&self, phase: &str, total: Option<u64>);
    /// So many more steps of the current phase are done.
    fn advance(&self, steps: u64);
    /// The current phase is over.
    fn end(&self);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _phase: &str, _total: Option<u64>) {}
    fn advance(&self, _steps: u64) {}
    fn end(&self) {}
}

/// One bar a phase on standard error; draws nothing where that is not a terminal.
#[derive(Debug, Default)]
pub struct Bars {
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// No bar until the first phase begins.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(&self, change: impl FnOnce(&mut Option<ProgressBar>)) {
        // A panic elsewhere must not hide behind a poisoned progress bar.
        change(&mut self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn begin(&self, phase: &str, total: Option<u64>) {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if total.is_some() {
            "{msg:<12} {bar:32} {human_pos}/{human_len} {per_sec} {eta}"
        } else {
            "{msg:<12} {spinner} {human_pos} {per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(phase.to_owned());
        self.with(|current| *current = Some(bar));
    }

    fn advance(&self, steps: u64) {
        self.with(|current| current.iter().for_each(|bar| bar.inc(steps)));
    }

    fn end(&self) {
        self.with(|current| current.take().iter().for_each(ProgressBar::finish));
    }
}

/// Lines of a log, for jobs that nobody watches: when a phase begins and ends, and in between at most so often.
#[derive(Debug)]
pub struct Logged {
    every: Duration,
    current: Mutex<Option<Phase>>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    total: Option<u64>,
    done: u64,
    begun: Instant,
    told: Instant,
}

impl Logged {
    /// A line at most so often, beside those for beginnings and ends.
    pub fn every(every: Duration) -> Self {
        Self { every, current: Mutex::new(None) }
    }

    fn current(&self) -> MutexGuard<'_, Option<Phase>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    fn tell(&self, what: &str) {
        let (phase, done, total) = (&*self.name, self.done, self.total);
        let seconds = self.begun.elapsed().as_secs_f64();
        let per_second = (done as f64 / seconds.max(1e-3)) as u64;
        tracing::info!(phase, done, total, seconds, per_second, "{what}");
    }
}

impl Progress for Logged {
    fn begin(&self, phase: &str, total: Option<u64>) {
        tracing::info!(phase, total, "phase begins");
        let now = Instant::now();
        let phase = Phase { name: phase.to_owned(), total, done: 0, begun: now, told: now };
        *self.current() = Some(phase);
    }

    fn advance(&self, steps: u64) {
        let mut current = self.current();
        let Some(phase) = current.as_mut() else { return };
        phase.done += steps;
        if phase.told.elapsed() >= self.every {
            phase.told = Instant::now();
            phase.tell("progress");
        }
    }

    fn end(&self) {
        if let Some(phase) = self.current().take() {
            phase.tell("phase ends");
        }
    }
}

/// How far a job is in its current phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The phase's name.
    pub phase: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
}

impl Step {
    /// What a line begins with that tells one.
    const MARK: &'static str = "muster-progress: ";

    /// The step that a line tells, if it tells one.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(Self::MARK)?).ok()
    }

    fn write(&self) {
        // Whoever does not read it does not need it.
        if let Ok(told) = serde_json::to_string(self) {
            let _ = writeln!(std::io::stderr(), "{}{told}", Self::MARK);
        }
    }
}

/// Lines of a log, and between them lines of standard error for the process that started this one, which takes them out again.
#[derive(Debug)]
pub struct Piped {
    log: Logged,
    every: Duration,
    current: Mutex<Option<(Step, Instant)>>,
}

impl Piped {
    /// A step at most so often, beside those for beginnings, and what is logged.
    pub fn every(every: Duration, log: Logged) -> Self {
        Self { log, every, current: Mutex::new(None) }
    }

    fn current(&self) -> MutexGuard<'_, Option<(Step, Instant)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Piped {
    fn begin(&self, phase: &str, total: Option<u64>) {
        self.log.begin(phase, total);
        let step = Step { phase: phase.to_owned(), done: 0, total };
        step.write();
        *self.current() = Some((step, Instant::now()));
    }

    fn advance(&self, steps: u64) {
        self.log.advance(steps);
        let mut current = self.current();
        let Some((step, told)) = current.as_mut() else { return };
        step.done += steps;
        if told.elapsed() >= self.every {
            *told = Instant::now();
            step.write();
        }
    }

    fn end(&self) {
        self.log.end();
        *self.current() = None;
    }
}
