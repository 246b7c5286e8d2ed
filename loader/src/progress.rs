//! Who hears how far a long job is: nobody, bars on a terminal, or a log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

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
