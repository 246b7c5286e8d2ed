//! Rebuilds for the server: the loader's schedule on a thread of its own, which also hears whoever asks for a build.

use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use muster_loader::progress::Step;
use muster_loader::schedule::{Asked, Outcome, Refused, Run, Schedule};
use muster_loader::stop::Stop;
use muster_server::{Rebuild, RebuildFault, RebuildPhase, RebuildState, RebuildStatus};

/// A schedule that runs beside the server.
#[derive(Debug)]
pub(crate) struct Rebuilds {
    asked: Asked,
}

impl Rebuilds {
    /// Runs a schedule until it is asked to stop.
    pub(crate) fn start(schedule: Schedule, stop: &Stop) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let asked = Asked::default();
        let (hear, stop) = (asked.clone(), stop.clone());
        let run = move || {
            // The server answers on with what it has.
            match schedule.run_and_hear(&stop, &hear) {
                Ok(()) => hear.close("the server is ending".to_owned()),
                Err(error) => {
                    tracing::error!("no builds until this is mended and the server started again: {error}");
                    hear.close(error.to_string());
                }
            }
        };
        let thread = std::thread::Builder::new().name("schedule".to_owned()).spawn(run)?;
        Ok((Arc::new(Self { asked }), thread))
    }
}

impl Rebuild for Rebuilds {
    fn start(&self, accept: Option<String>, by: &str) -> Result<RebuildStatus, RebuildFault> {
        tracing::info!(by, "a rebuild was asked for");
        match self.asked.ask(accept) {
            Ok(run) => Ok(status(&run, None)),
            Err(Refused::Running(run)) => Err(RebuildFault::Running { since: whole_second(run.started) }),
            Err(Refused::Closed(reason)) => Err(RebuildFault::Failed(reason)),
        }
    }

    fn status(&self) -> Option<RebuildStatus> {
        self.asked.last().map(|run| status(&run, self.asked.step()))
    }
}

fn status(run: &Run, step: Option<Step>) -> RebuildStatus {
    let state = match run.outcome {
        Outcome::Running => RebuildState::Running,
        Outcome::Published => RebuildState::Published,
        Outcome::Held => RebuildState::Held,
        _ => RebuildState::Failed,
    };
    RebuildStatus {
        state,
        started: run.started,
        ended: run.ended,
        generation: run.generation(),
        problem: run.error.clone(),
        phase: step.map(|Step { phase, done, total }| RebuildPhase { name: phase.into(), done, total }),
    }
}

fn whole_second(at: Timestamp) -> Timestamp {
    at.round(jiff::Unit::Second).unwrap_or(at)
}
