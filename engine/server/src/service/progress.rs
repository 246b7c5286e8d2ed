//! How the server's own work goes: counting labels, writing their members elsewhere. The status tells it; nothing is decided by it but
//! whether labels are to be counted all again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Ask, Service};
use crate::fault::{Fault, Result};
use crate::write_back::WriteBackReport;

/// How a piece of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stands {
    /// It has not begun.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed, and is tried again.
    Failed,
}

/// How counting labels goes in one generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LabelsProgress {
    /// In which.
    pub(crate) generation: u64,
    /// How it stands.
    pub(crate) stands: Stands,
    /// Labels that are counted as they are now, those too that could not be.
    pub(crate) counted: u64,
    /// Labels that can be used.
    pub(crate) of: u64,
    /// Labels that could not be counted.
    pub(crate) failed: u64,
    /// When the last round began.
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// Why it failed.
    pub(crate) problem: Option<String>,
}

/// How writing members of labels goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WriteBackProgress {
    /// Of which generation.
    pub(crate) generation: u64,
    /// How it stands.
    pub(crate) stands: Stands,
    /// When it began.
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// What was done; nothing before its end.
    pub(crate) report: Option<WriteBackReport>,
    /// Why it failed, or ended early.
    pub(crate) problem: Option<String>,
}

/// How all of it goes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    labels: Mutex<LabelsProgress>,
    /// Nothing is written back until this is there.
    write_back: Mutex<Option<WriteBackProgress>>,
    /// Somebody wants all labels to be counted again.
    again: Mutex<bool>,
    pub(super) wanted: Notify,
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Counting begins: so many of so many labels are counted already, and so many of these could not be.
    pub(super) fn begin_labels(&self, generation: u64, counted: u64, of: u64, failed: u64) {
        *held(&self.labels) = LabelsProgress {
            generation,
            stands: Stands::Running,
            counted,
            of,
            failed,
            started: Some(Timestamp::now()),
            ended: None,
            problem: None,
        };
    }

    /// So many more are counted, and so many in all could not be.
    pub(super) fn counted_labels(&self, more: u64, failed: u64) {
        let mut labels = held(&self.labels);
        labels.counted += more;
        labels.failed = failed;
    }

    /// Counting ended, or failed for a reason.
    pub(super) fn end_labels(&self, problem: Option<String>) {
        let mut labels = held(&self.labels);
        if labels.stands == Stands::Done && problem.is_none() {
            return;
        }
        labels.stands = if problem.is_some() { Stands::Failed } else { Stands::Done };
        labels.ended = Some(Timestamp::now());
        labels.problem = problem;
    }

    /// How counting goes in a generation that has so many labels.
    fn labels(&self, generation: u64, of: u64) -> LabelsProgress {
        let labels = held(&self.labels).clone();
        if labels.generation == generation && !*held(&self.again) {
            return labels;
        }
        LabelsProgress { generation, of, ..LabelsProgress::default() }
    }

    /// Whether all labels are to be counted again; asked once for each time that somebody wants it.
    pub(super) fn take_again(&self) -> bool {
        std::mem::take(&mut *held(&self.again))
    }

    /// Members of labels are written somewhere, now or later.
    pub(super) fn expect_write_back(&self) {
        held(&self.write_back).get_or_insert_default();
    }

    /// Writing begins.
    pub(super) fn begin_write_back(&self, generation: u64) {
        *held(&self.write_back) = Some(WriteBackProgress {
            generation,
            stands: Stands::Running,
            started: Some(Timestamp::now()),
            ..WriteBackProgress::default()
        });
    }

    /// Writing ended with a report, or failed.
    pub(super) fn end_write_back(&self, outcome: &std::result::Result<WriteBackReport, String>) {
        let mut write_back = held(&self.write_back);
        let of = write_back.get_or_insert_default();
        of.ended = Some(Timestamp::now());
        of.report = outcome.as_ref().ok().cloned();
        of.problem = match outcome {
            Ok(report) => report.ended.clone().or_else(|| {
                let (label, why) = report.failed.first()?;
                Some(format!("label `{label}` was not written: {why}"))
            }),
            Err(what) => Some(what.clone()),
        };
        of.stands = if of.problem.is_some() { Stands::Failed } else { Stands::Done };
    }
}

impl Service {
    /// How counting labels goes in the generation in service; nothing without a catalog or a generation.
    pub(super) fn labels_progress(&self) -> Option<LabelsProgress> {
        let shelf = self.shelf.as_ref()?;
        let serving = self.generations.serving().ok()?;
        Some(self.progress.labels(serving.number(), shelf.book().enabled().count() as u64))
    }

    /// How writing members of labels goes; nothing where they are not written anywhere.
    pub(super) fn write_back_progress(&self) -> Option<WriteBackProgress> {
        held(&self.progress.write_back).clone()
    }

    /// Counts all labels again in the generation in service. Returns at once; the status tells how it goes.
    pub(crate) fn refresh_all_labels(&self, ask: &Ask) -> Result<LabelsProgress> {
        let catalog = self.catalog_for_editing(ask, "counting labels again")?;
        if catalog.is_read_only() {
            let what =
                "this server may only read the catalog, so another server counts its labels; ask that one";
            return Err(Fault::Precondition { what: what.to_owned() });
        }
        self.generations.serving()?;
        *held(&self.progress.again) = true;
        self.progress.wanted.notify_one();
        tracing::info!(by = %ask.caller.name, "all labels are counted again");
        self.labels_progress().ok_or_else(Fault::no_catalog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_in_another_generation_is_not_told() {
        let progress = Progress::default();
        assert_eq!(progress.labels(1, 7).stands, Stands::Waiting);
        progress.begin_labels(1, 0, 7, 0);
        progress.counted_labels(3, 1);
        let told = progress.labels(1, 7);
        assert_eq!((told.stands, told.counted, told.of, told.failed), (Stands::Running, 3, 7, 1));
        progress.end_labels(None);
        assert_eq!(progress.labels(1, 7).stands, Stands::Done);
        assert_eq!(progress.labels(2, 9), LabelsProgress { generation: 2, of: 9, ..Default::default() });
        // Somebody wants them again: they wait until that is seen.
        *held(&progress.again) = true;
        assert_eq!((progress.labels(1, 7).stands, progress.labels(1, 7).counted), (Stands::Waiting, 0));
        assert!(progress.take_again() && !progress.take_again());
        progress.end_labels(Some("away".to_owned()));
        assert_eq!(progress.labels(1, 7).stands, Stands::Failed);
    }

    #[test]
    fn a_label_that_was_not_written_is_a_problem() {
        let progress = Progress::default();
        progress.begin_write_back(3);
        let mut report = WriteBackReport { written: 2, ..WriteBackReport::default() };
        progress.end_write_back(&Ok(report.clone()));
        let told = held(&progress.write_back).clone().unwrap();
        assert_eq!((told.stands, told.generation, told.report.unwrap().written), (Stands::Done, 3, 2));
        report.failed.push(("kyc".to_owned(), "no column".to_owned()));
        progress.end_write_back(&Ok(report));
        let told = held(&progress.write_back).clone().unwrap();
        assert_eq!(told.stands, Stands::Failed);
        assert_eq!(told.problem.unwrap(), "label `kyc` was not written: no column");
        progress.end_write_back(&Err("refused".to_owned()));
        assert_eq!(held(&progress.write_back).clone().unwrap().problem.unwrap(), "refused");
    }
}
