//! Builds by the clock: one at a time, each in a process of its own, with history, retries and a word to people when it matters.
//!
//! A schedule decides when, never what: a run is `muster build` as anybody would start it. It is a library so that the
//! server can run it beside its answers; `muster schedule` runs it alone. What holds is in `docs/schedule.md`.

mod alert;
mod cron;
mod history;
mod job;
mod settings;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{Timestamp, Zoned};
use muster_engine::snapshot::Store;

use crate::error::{LoadError, Result};
use crate::stop::Stop;
use alert::Alerts;

pub use cron::Cron;
pub use history::{Cause, History, Outcome, Run};
pub use job::Job;
pub(crate) use settings::SCHEDULE_KEYS;
pub use settings::{ScheduleConfig, Secret};

const LOCK: &str = "schedule.lock";
/// The clock may be set while nobody looks, so it is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// No pause before a retry is longer.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// Who asked it to end waits so long for a webhook ...
const LAST_WORDS_LAST: Duration = Duration::from_secs(5);
/// ... and who asked for one run, so long: all tries of one message.
const WORDS_LAST: Duration = Duration::from_secs(40);

/// Builds of one store by the clock.
#[derive(Debug)]
pub struct Schedule {
    store: PathBuf,
    config: ScheduleConfig,
    cron: Option<Cron>,
    job: Job,
}

impl Schedule {
    /// Checks what is said. `time_zone` is that of the store, which counts where the schedule has none of its own.
    pub fn new(config: &ScheduleConfig, store: &Path, time_zone: &str, job: Job) -> Result<Self> {
        let zone = config.time_zone.as_deref().unwrap_or(time_zone);
        let cron = config.cron.as_deref().map(|cron| Cron::parse(cron, zone)).transpose()?;
        if config.nice > 19 {
            return Err(LoadError::Config(format!("schedule.nice is {}; give 0 to 19.", config.nice)));
        }
        Ok(Self { store: store.to_owned(), config: config.clone(), cron, job })
    }

    /// The times that come next.
    pub fn next(&self, after: Timestamp, count: usize) -> Result<Vec<Zoned>> {
        let cron = self.cron()?;
        let mut times: Vec<Zoned> = Vec::with_capacity(count.min(1000));
        for _ in 0..count {
            times.push(cron.next(times.last().map_or(after, Zoned::timestamp))?);
        }
        Ok(times)
    }

    /// The runs so far, the newest last.
    pub fn history(&self) -> Result<History> {
        History::open(&self.store, self.config.keep_runs)
    }

    /// Runs builds when their time comes, until it is requested to stop; a build that is going on then is ended.
    pub fn run(&self, stop: &Stop) -> Result<()> {
        let cron = self.cron()?;
        let mut running = Running::start(self)?;
        let now = Timestamp::now();
        let mut due = match running.missed(cron, now)? {
            Some(missed) => {
                tracing::info!(due = %missed, "a time passed while no schedule was running: starting at once");
                (missed, Cause::Missed)
            }
            None => (cron.next(now)?.timestamp(), Cause::Time),
        };
        loop {
            tracing::info!(due = %due.0, "waiting for the next build");
            if wait_until(due.0, stop) {
                break;
            }
            running.once(due.0, due.1, stop);
            if stop.requested() {
                break;
            }
            due = (running.after(cron, due.0)?, Cause::Time);
        }
        running.alerts.finish(LAST_WORDS_LAST);
        tracing::info!("the schedule has ended");
        Ok(())
    }

    /// Runs one build now, with everything that belongs to it, and tells how it went.
    pub fn run_once(&self, stop: &Stop) -> Result<Run> {
        let mut running = Running::start(self)?;
        let run = running.once(Timestamp::now(), Cause::Once, stop);
        running.alerts.finish(if stop.requested() { LAST_WORDS_LAST } else { WORDS_LAST });
        Ok(run)
    }

    fn cron(&self) -> Result<&Cron> {
        self.cron.as_ref().ok_or_else(|| {
            LoadError::Config("there is no schedule: give `cron = \"30 5 * * *\"` in [schedule].".to_owned())
        })
    }
}

/// A schedule that runs: the only one of its store.
struct Running<'a> {
    schedule: &'a Schedule,
    history: History,
    alerts: Alerts,
    /// The system frees it when the process ends, however it ends.
    _lock: File,
}

impl<'a> Running<'a> {
    fn start(schedule: &'a Schedule) -> Result<Self> {
        let alerts = Alerts::start(&schedule.config, &schedule.store)?;
        std::fs::create_dir_all(&schedule.store).map_err(LoadError::io(&schedule.store))?;
        let path = schedule.store.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(LoadError::io(&path))?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                std::fs::TryLockError::WouldBlock => LoadError::Source(format!(
                    "another schedule is running for {}; end that one first",
                    schedule.store.display()
                )),
                std::fs::TryLockError::Error(error) => LoadError::io(&path)(error),
            });
        }
        let mut history = schedule.history()?;
        history.close_open()?;
        Ok(Self { schedule, history, alerts, _lock: lock })
    }

    /// The time that passed while nobody was there, if one did and it is to be made up for.
    fn missed(&self, cron: &Cron, now: Timestamp) -> Result<Option<Timestamp>> {
        if !self.schedule.config.catch_up {
            return Ok(None);
        }
        let since = match self.history.last_ended() {
            Some(run) => Some(run.started.max(run.due)),
            // Built by hand, or by another scheduler: what was read then is as fresh as that.
            None => Store::open(&self.schedule.store)
                .and_then(|store| store.current())
                .ok()
                .and_then(|current| Timestamp::from_second(current.as_of()).ok()),
        };
        // A store without a generation serves nobody: that is as late as can be.
        let Some(since) = since else { return Ok(Some(now)) };
        let due = cron.next(since)?.timestamp();
        Ok((due <= now).then_some(due))
    }

    /// One run with its retries, in the history from its beginning.
    fn once(&mut self, due: Timestamp, cause: Cause, stop: &Stop) -> Run {
        let before = self.history.last_ended().cloned();
        let mut run = Run {
            due,
            cause,
            started: Timestamp::now(),
            ended: None,
            outcome: Outcome::Running,
            attempts: 0,
            error: None,
            report: serde_json::Map::new(),
        };
        noted(self.history.add(run.clone()));
        let config = &self.schedule.config;
        loop {
            run.attempts += 1;
            tracing::info!(%due, attempt = run.attempts, "build begins");
            let ended = self.schedule.job.run(stop);
            (run.outcome, run.report, run.error) = (ended.outcome, ended.report, ended.error);
            if ended.outcome != Outcome::Failed || !ended.again || run.attempts > config.retries {
                break;
            }
            let pause = pause(config.retry_after_seconds, run.attempts);
            let error = run.error.as_deref().unwrap_or_default();
            tracing::warn!(
                attempt = run.attempts,
                again_after_seconds = pause.as_secs(),
                "build failed: {error}"
            );
            if stop.wait(pause) {
                break;
            }
        }
        run.ended = Some(Timestamp::now());
        let (outcome, error) = (run.outcome, run.error.as_deref());
        let seconds = run.ended.map_or(0.0, |ended| ended.duration_since(run.started).as_secs_f64());
        if outcome == Outcome::Published {
            tracing::info!(%outcome, generation = run.generation(), seconds, "build ended");
        } else {
            tracing::warn!(%outcome, generation = run.generation(), seconds, error, "build ended");
        }
        self.alerts.tell(&run, before.as_ref());
        noted(self.history.update(run.clone()));
        run
    }

    /// The next time that is still to come; those that passed in the meantime are skipped.
    fn after(&mut self, cron: &Cron, due: Timestamp) -> Result<Timestamp> {
        let now = Timestamp::now();
        let passed = cron.next(due)?.timestamp();
        if passed <= now {
            let error = "the run before was still going on".to_owned();
            tracing::warn!(due = %passed, "skipped: {error}");
            noted(self.history.add(Run {
                due: passed,
                cause: Cause::Time,
                started: now,
                ended: Some(now),
                outcome: Outcome::Skipped,
                attempts: 0,
                error: Some(error),
                report: serde_json::Map::new(),
            }));
        }
        Ok(cron.next(now.max(due))?.timestamp())
    }
}

/// A full disk must not end the schedule: what could not be noted is told.
fn noted(written: Result<()>) {
    if let Err(error) = written {
        tracing::error!("the run could not be noted in the history: {error}");
    }
}

/// Sleeps until an instant of the clock; tells whether it was asked to stop.
fn wait_until(due: Timestamp, stop: &Stop) -> bool {
    loop {
        let left = due.duration_since(Timestamp::now());
        if !left.is_positive() {
            return stop.requested();
        }
        if stop.wait(left.unsigned_abs().min(LOOK_EVERY)) {
            return true;
        }
    }
}

/// The pause after so many tries.
fn pause(first_seconds: u64, attempts: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(attempts.saturating_sub(1)).saturating_mul(first_seconds);
    Duration::from_secs(doubled).min(RETRY_AFTER_MAX)
}
