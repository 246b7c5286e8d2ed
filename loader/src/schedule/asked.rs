//! Builds that somebody asks for while a schedule runs: one at a time, and who asks can see how it goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::history::{Cause, Outcome, Run};
use crate::progress::Step;

/// The way to ask a running schedule for a build. Clones are the same way.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Asked for and not begun.
    waiting: Option<Request>,
    /// The run that goes on, or the last one.
    last: Option<Run>,
    /// How far the run is that goes on.
    step: Option<Step>,
    /// Why nobody hears any more.
    closed: Option<String>,
}

/// A build that is asked for.
#[derive(Debug)]
pub(super) struct Request {
    /// Why it may be published in any case.
    pub(super) accept: Option<String>,
}

/// Why a build was not begun.
#[derive(Debug, Clone)]
pub enum Refused {
    /// This one goes on.
    Running(Run),
    /// Nobody hears any more, for this reason.
    Closed(String),
}

impl Asked {
    /// Asks for a build.
    pub fn ask(&self, accept: Option<String>) -> Result<Run, Refused> {
        let mut shared = self.shared();
        if let Some(reason) = &shared.closed {
            return Err(Refused::Closed(reason.clone()));
        }
        if let Some(run) = shared.last.as_ref().filter(|run| run.outcome == Outcome::Running) {
            return Err(Refused::Running(run.clone()));
        }
        let now = Timestamp::now();
        let run = Run {
            due: now,
            cause: Cause::Once,
            started: now,
            ended: None,
            outcome: Outcome::Running,
            attempts: 0,
            error: None,
            report: serde_json::Map::new(),
        };
        shared.waiting = Some(Request { accept });
        // So that whoever asks next hears that one goes on, also before it has begun.
        shared.last = Some(run.clone());
        Ok(run)
    }

    /// The run that goes on, or the last one.
    pub fn last(&self) -> Option<Run> {
        self.shared().last.clone()
    }

    /// How far the run is, if one goes on and has said so.
    pub fn step(&self) -> Option<Step> {
        self.shared().step.clone()
    }

    /// Refuses from now on, for this reason.
    pub fn close(&self, reason: String) {
        self.shared().closed = Some(reason);
    }

    pub(super) fn take(&self) -> Option<Request> {
        self.shared().waiting.take()
    }

    pub(super) fn tell(&self, run: &Run) {
        let mut shared = self.shared();
        shared.last = Some(run.clone());
        shared.step = None;
    }

    pub(super) fn hear(&self, step: Step) {
        self.shared().step = Some(step);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
