//! Members of labels, written to a ClickHouse table for those who read them there.
//!
//! One way, and never an answer's source: the table is a copy, made again from a snapshot whenever wanted. A label's members are
//! replaced in one step, so a reader sees those of before or those of now. docs/write-back.md says what holds.

mod members;
mod settings;
mod staging;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_engine::execute::Audience;

use crate::error::{LoadError, Result};
use crate::source::clickhouse::{Fault, Link};
use members::Digest;
use staging::{Failed, Staging};
use table::{Present, Table};

pub(crate) use settings::WRITE_BACK_KEYS;
pub use settings::{Form, WriteBackConfig};

/// A table to which labels are written.
#[derive(Debug)]
pub struct WriteBack {
    link: Arc<Link>,
    form: Form,
    labels: Vec<String>,
    /// What this process has seen to be in the table, by label.
    known: Mutex<HashMap<u64, Known>>,
}

/// A label, and who is in it.
#[derive(Debug, Clone)]
pub struct LabelMembers {
    /// Its number, by which the table knows it.
    pub id: u64,
    /// Its name, for messages.
    pub name: String,
    /// Its members.
    pub audience: Arc<Audience>,
}

/// What is to be in the table.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The generation whose members they are.
    pub generation: u64,
    /// When its source was read, in Unix seconds: the time that rows tell.
    pub as_of: i64,
    /// Which masks hold: a number that is another when they may be others.
    pub masks: u64,
    /// Labels to write.
    pub labels: Vec<LabelMembers>,
    /// The labels that may be in the table: what is there of any other is removed. `None` removes nothing.
    pub only: Option<Vec<u64>>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// Labels that were written.
    pub written: u64,
    /// Labels that were there as they are.
    pub unchanged: u64,
    /// Labels of which nothing is there any more.
    pub removed: u64,
    /// Users that were written.
    pub users: u64,
    /// Labels that could not be written, and why.
    pub failed: Vec<(String, LoadError)>,
    /// What ended it early: labels after it were not tried.
    pub ended: Option<LoadError>,
}

/// What was seen to be in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    generation: u64,
    /// Names the rule and the lists in it.
    members: u64,
    masks: u64,
    users: u64,
}

impl WriteBack {
    /// Prepares what `[write_back]` says; the first write connects.
    pub fn new(config: &WriteBackConfig) -> Result<Self> {
        let link = Arc::new(Link::new(config.options()?)?);
        Ok(Self { link, form: config.form, labels: config.labels.clone(), known: Mutex::default() })
    }

    /// The names of the labels that the configuration wants written.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Brings the table to what is wanted, as far as it is not there. Must not be called on a thread that runs asynchronous tasks.
    pub fn write(&self, wanted: &Wanted) -> Result<Report> {
        self.link.handle()?.block_on(async {
            let table = Table::open(&self.link, self.form, self.link.deadline()).await;
            let table = table.map_err(|fault| self.failed(&fault))?;
            let present = table.present().await.map_err(|fault| self.failed(&fault))?;
            let mut report = Report::default();
            let mut staging = None;
            let ended = self.write_to(&table, &present, wanted, &mut staging, &mut report).await;
            report.ended = ended.err().map(|fault| self.failed(&fault));
            if let Some(staging) = staging {
                staging.remove().await;
            }
            Ok(report)
        })
    }

    /// Writes label after label. A fault of the server ends it, one of a label does not.
    async fn write_to<'a>(
        &self,
        table: &'a Table,
        present: &HashMap<u64, Present>,
        wanted: &Wanted,
        staging: &mut Option<Staging<'a>>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let time = u32::try_from(wanted.as_of.max(0)).unwrap_or(u32::MAX);
        for label in &wanted.labels {
            let known = Known {
                generation: wanted.generation,
                members: label.audience.fingerprint(),
                masks: wanted.masks,
                users: 0,
            };
            let there = present.get(&label.id).copied();
            let outcome = match self.is_there(table, label, there, time, known).await {
                Ok(Some(users)) => Ok((users, false)),
                Ok(None) => {
                    let staging = match staging {
                        Some(staging) => staging,
                        None => staging.insert(Staging::create(table).await?),
                    };
                    let written = staging.write(label.id, &label.audience, time).await;
                    written.map(|Digest { users, .. }| (users, true))
                }
                Err(failed) => Err(failed),
            };
            match outcome {
                Ok((users, written)) => {
                    self.note(label.id, Some(Known { users, ..known }));
                    report.written += u64::from(written);
                    report.unchanged += u64::from(!written);
                    report.users += if written { users } else { 0 };
                }
                Err(Failed::Fault(fault)) => {
                    self.note(label.id, None);
                    let message = format!("label `{}`: {}", label.name, fault.message);
                    return Err(Fault { message, ..fault });
                }
                Err(Failed::Store(error)) => {
                    self.note(label.id, None);
                    report.failed.push((label.name.clone(), error.into()));
                }
            }
        }
        let Some(only) = &wanted.only else { return Ok(()) };
        for &label in present.keys().filter(|label| !only.contains(label)) {
            table.clear(label).await?;
            self.note(label, None);
            report.removed += 1;
        }
        Ok(())
    }

    /// How many users of a label there are, if they are there as they should be.
    async fn is_there(
        &self,
        table: &Table,
        label: &LabelMembers,
        there: Option<Present>,
        time: u32,
        known: Known,
    ) -> Result<Option<u64>, Failed> {
        let users = match (there, self.form) {
            (Some(Present { rows, users, times }), form) => {
                let rows_wanted = if form == Form::Rows { users } else { 1 };
                if rows != rows_wanted || times != [time; 2] {
                    return Ok(None);
                }
                users
            }
            (None, Form::Rows) => 0,
            (None, Form::Bitmap) => return Ok(None),
        };
        let seen = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&label.id).copied();
        if seen == Some(Known { users, ..known }) {
            return Ok(Some(users));
        }
        let wanted = Digest::of(&label.audience)?;
        if wanted.users != users {
            return Ok(None);
        }
        let found = table.digest(&table.quoted(), label.id).await?;
        Ok((found == wanted).then_some(users))
    }

    fn note(&self, label: u64, seen: Option<Known>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(seen) => drop(known.insert(label, seen)),
            None => drop(known.remove(&label)),
        }
    }

    fn failed(&self, fault: &Fault) -> LoadError {
        LoadError::WriteBack(format!(
            "cannot write labels to ClickHouse at {}: {}",
            self.link.options().address.url,
            fault.message
        ))
    }
}
