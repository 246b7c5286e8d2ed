//! Builds by the clock: one at a time, each in a process of its own, with history, retries and a word to people when it matters.
//!
//! A schedule decides when, never what: a run is `muster build` as anybody would start it. It is a library so that the
//! server can run it beside its answers; `muster schedule` runs it alone. What holds is in `docs/schedule.md`.

mod alert;
mod asked;
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

pub use asked::{Asked, Refused};
pub use cron::Cron;
pub use history::{Cause, History, Outcome, Run};
pub use job::Job;
pub(crate) use settings::SCHEDULE_KEYS;
pub use settings::{ScheduleConfig, Secret};

const LOCK: &str = "schedule.lock";
/// Somebody may ask, and the clock may be set while nobody looks, so both are looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
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
        if config.nice > 20 {
            return Err(LoadError::Config(format!("schedule.nice is {}; give 0 to 20.", config.nice)));
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
        self.cron()?;
        self.run_and_hear(stop, &Asked::default())
    }

    /// The same, and builds that somebody asks for in between; without a time of their own, only those.
    pub fn run_and_hear(&self, stop: &Stop, asked: &Asked) -> Result<()> {
        let mut running = Running::start(self)?;
        let mut due = running.first_due()?;
        loop {
            if let Some((due, _)) = due {
                tracing::info!(%due, "waiting for the next build");
            }
            match wait_for(due, stop, asked) {
                Next::Stop => break,
                Next::Due(at, cause) => {
                    running.once(at, cause, None, stop, asked);
                    if !stop.requested() {
                        due = running.after(at)?.map(|due| (due, Cause::Time));
                    }
                }
                Next::Asked(accept) => {
                    running.once(Timestamp::now(), Cause::Once, accept, stop, asked);
                    if let Some((at, cause)) = due
                        && at <= Timestamp::now()
                    {
                        // Its time came while another build ran: what that one read is as fresh.
                        due = running.after(at)?.map(|due| (due, cause));
                    }
                }
            }
            if stop.requested() {
                break;
            }
        }
        running.alerts.finish(LAST_WORDS_LAST);
        tracing::info!("the schedule has ended");
        Ok(())
    }

    /// Runs one build now, with everything that belongs to it, and tells how it went.
    pub fn run_once(&self, stop: &Stop) -> Result<Run> {
        let mut running = Running::start(self)?;
        let run = running.once(Timestamp::now(), Cause::Once, None, stop, &Asked::default());
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

    /// When the first build is due, if any has a time: at once, if one was missed.
    fn first_due(&self) -> Result<Option<(Timestamp, Cause)>> {
        let Some(cron) = &self.schedule.cron else { return Ok(None) };
        let now = Timestamp::now();
        Ok(Some(match self.missed(cron, now)? {
            Some(missed) => {
                tracing::info!(due = %missed, "a time passed while no schedule was running: starting at once");
                (missed, Cause::Missed)
            }
            None => (cron.next(now)?.timestamp(), Cause::Time),
        }))
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
    fn once(
        &mut self,
        due: Timestamp,
        cause: Cause,
        accept: Option<String>,
        stop: &Stop,
        asked: &Asked,
    ) -> Run {
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
        asked.tell(&run);
        noted(self.history.add(run.clone()));
        let config = &self.schedule.config;
        let job = self.schedule.job.accepting(accept);
        loop {
            run.attempts += 1;
            tracing::info!(%due, attempt = run.attempts, "build begins");
            let ended = job.run(stop, &|step| asked.hear(step));
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
        asked.tell(&run);
        run
    }

    /// The next time that is still to come; those that passed in the meantime are skipped.
    fn after(&mut self, due: Timestamp) -> Result<Option<Timestamp>> {
        let Some(cron) = &self.schedule.cron else { return Ok(None) };
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
        Ok(Some(cron.next(now.max(due))?.timestamp()))
    }
}

/// A full disk must not end the schedule: what could not be noted is told.
fn noted(written: Result<()>) {
    if let Err(error) = written {
        tracing::error!("the run could not be noted in the history: {error}");
    }
}

/// What a schedule does next.
enum Next {
    Stop,
    Due(Timestamp, Cause),
    Asked(Option<String>),
}

/// Sleeps until a build is due, somebody asks for one, or it is asked to stop.
fn wait_for(due: Option<(Timestamp, Cause)>, stop: &Stop, asked: &Asked) -> Next {
    loop {
        if stop.requested() {
            return Next::Stop;
        }
        if let Some(request) = asked.take() {
            return Next::Asked(request.accept);
        }
        let mut pause = LOOK_EVERY;
        if let Some((due, cause)) = due {
            let left = due.duration_since(Timestamp::now());
            if !left.is_positive() {
                return Next::Due(due, cause);
            }
            pause = pause.min(left.unsigned_abs());
        }
        stop.wait(pause);
    }
}

/// The pause after so many tries.
fn pause(first_seconds: u64, attempts: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(attempts.saturating_sub(1)).saturating_mul(first_seconds);
    Duration::from_secs(doubled).min(RETRY_AFTER_MAX)
}
