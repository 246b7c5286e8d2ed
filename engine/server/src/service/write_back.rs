//! Members of labels, written elsewhere whenever they may have changed: with a generation, with labels, with who is erased.
//!
//! It happens on a thread of its own that steps back behind everything, and whatever goes wrong there stops no answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Service;
use crate::catalog::Shelf;
use crate::priority::step_back_if_allowed;
use crate::write_back::{Found, WriteBack, WriteBackReport};

/// How long to wait after a change: others often follow, and labels are counted first.
const SETTLES: Duration = Duration::from_secs(2);
/// How often to look for what nobody tells of: who was erased.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After what failed, the next try waits so long, unless something changes before.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// How often to look whether everything is still there: a table is in the hands of others, too.
const LOOK_AGAIN_EVERY: Duration = Duration::from_mins(15);

/// What members depend on: the generation, the edition of labels, the masks.
type State = (u64, u64, u64);

impl Service {
    /// Writes members of labels whenever they may have changed, without end.
    pub(crate) async fn write_labels_back(self: Arc<Self>, shelf: Arc<Shelf>, to: Arc<dyn WriteBack>) {
        let (mut generations, mut editions) = (self.generations.changes(), shelf.editions());
        let mut last: Option<(State, Instant, bool)> = None;
        self.progress.expect_write_back();
        loop {
            let state = self.state(&shelf);
            let waits = last.is_some_and(|(of, at, complete)| {
                let wait = if complete { LOOK_AGAIN_EVERY } else { AGAIN_AFTER };
                Some(of) == state && at.elapsed() < wait
            });
            if let Some(state) = state.filter(|_| !waits) {
                tokio::time::sleep(SETTLES).await;
                if self.state(&shelf) != Some(state) {
                    continue;
                }
                let complete = self.write_back(&shelf, &to).await;
                last = Some((state, Instant::now(), complete));
            }
            tokio::select! {
                changed = generations.changed() => if changed.is_err() { return },
                changed = editions.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Nothing while there is no generation, or no label was read yet.
    fn state(&self, shelf: &Shelf) -> Option<State> {
        let generation = self.generations.serving().ok()?;
        let edition = shelf.book().edition();
        (edition > 0).then(|| (generation.number(), edition, generation.snapshot().masks_version()))
    }

    /// Writes them once. Whether everything is there.
    async fn write_back(self: &Arc<Self>, shelf: &Shelf, to: &Arc<dyn WriteBack>) -> bool {
        let Ok(generation) = self.generations.serving() else { return false };
        let (begun, book, to, service) = (Instant::now(), shelf.book(), Arc::clone(to), Arc::clone(self));
        let (sender, done) = oneshot::channel();
        let number = generation.number();
        self.progress.begin_write_back(number);
        let write = move || {
            step_back_if_allowed(service.config.heavy_nice);
            let snapshot = generation.snapshot();
            let found = Found::new(&book, snapshot, to.labels(), &service.config.rules);
            // Nobody waits any more: the server is ending.
            let _ = sender.send(found.write(snapshot, &*to, true));
        };
        let outcome = match std::thread::Builder::new().name("write-back".to_owned()).spawn(write) {
            Ok(_) => done.await.unwrap_or_else(|_| Err("its thread ended; the log says why".to_owned())),
            Err(error) => Err(format!("cannot start a thread: {error}")),
        };
        let took = begun.elapsed();
        let complete = tell(number, &outcome, took);
        self.progress.end_write_back(&outcome);
        self.generations.tallies().written_back(outcome.ok().as_ref(), complete, took);
        complete
    }
}

/// Logs what came of it. Whether everything is there.
fn tell(generation: u64, outcome: &Result<WriteBackReport, String>, took: Duration) -> bool {
    let report = match outcome {
        Ok(report) => report,
        Err(what) => {
            tracing::warn!(
                generation,
                "members of labels were not written, and are again in {AGAIN_AFTER:?}: {what}"
            );
            return false;
        }
    };
    for (label, what) in &report.failed {
        tracing::warn!(generation, label, "its members were not written: {what}");
    }
    if let Some(what) = &report.ended {
        tracing::warn!(
            generation,
            "members of labels are written in part, and again in {AGAIN_AFTER:?}: {what}"
        );
    }
    let WriteBackReport { written, unchanged, removed, users, .. } = *report;
    let seconds = took.as_secs_f64();
    if written + removed > 0 {
        tracing::info!(
            generation,
            written,
            unchanged,
            removed,
            users,
            seconds,
            "members of labels are written"
        );
    }
    report.is_complete()
}
