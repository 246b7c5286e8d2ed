//! `muster erase`: users out of every answer, for good.

use std::path::PathBuf;

use clap::Args;
use muster_catalog::audit::{Event, MaskTotals};
use muster_engine::snapshot::{MaskChange, Store};
use muster_loader::author;
use serde::Serialize;

use crate::arguments::StoreArgs;
use crate::failure::{Failure, Outcome};
use crate::noting::note;
use crate::output::{grouped, json_report, line};
use crate::request::user_ids_in;

/// Take users out of every answer at once, for good
///
/// They are in no answer of any generation as soon as this returns, and no build takes them in again; there is no way back. Their
/// features leave the disk with the generations that have them: `muster verify --absent` tells when that is so.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Erase {
    #[command(flatten)]
    masking: Masking,
}

const EXAMPLES: &str = "\
Examples:
  muster erase --store store 1000011
  muster erase --store store --file erased.txt
  muster verify --store store --absent erased.txt";

/// Users, and the store that is to mask them or to stop doing so.
#[derive(Debug, Args)]
pub(crate) struct Masking {
    #[command(flatten)]
    store: StoreArgs,

    /// Users' ids
    #[arg(value_name = "ID", required_unless_present = "file")]
    user_ids: Vec<u64>,

    /// More ids, one a line; - is standard input; empty lines are skipped
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// One JSON object: given, changed, erased, opted_out
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    /// Ids that were given.
    given: usize,
    /// Users for whom something changed.
    changed: u64,
    /// Users who are erased now.
    erased: usize,
    /// Users who have opted out now.
    opted_out: usize,
}

impl Erase {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        self.masking.change(MaskChange::Erase, "erased; they are in no answer any more")
    }
}

impl Masking {
    /// Makes a change and says for how many it was one.
    pub(crate) fn change(self, change: MaskChange, done: &str) -> Result<Outcome, Failure> {
        let mut users = self.user_ids;
        if let Some(file) = &self.file {
            users.extend(user_ids_in(file)?);
        }
        let store = self.store.open()?;
        let before = totals(&store)?;
        let changed = store.change_masks(&author::here(), change, &users)?;
        let after = totals(&store)?;
        note(
            None,
            Some(&self.store.dir),
            Event::masks(change.name(), users.len() as u64, changed, before, after),
        );
        let (erased, opted_out) = (after.erased as usize, after.opted_out as usize);
        if self.json {
            json_report(&Report { given: users.len(), changed, erased, opted_out })?;
        } else {
            let users = if changed == 1 { "user" } else { "users" };
            line(&format!("{} {users} {done}", grouped(changed)))?;
            let (erased, opted_out) = (grouped(erased as u64), grouped(opted_out as u64));
            line(&format!("the store has {erased} erased in all, and {opted_out} who opted out"))?;
        }
        Ok(Outcome::Fine)
    }
}

/// How many users the store masks.
fn totals(store: &Store) -> Result<MaskTotals, Failure> {
    let masks = store.masks()?;
    Ok(MaskTotals { erased: masks.erased().count() as u64, opted_out: masks.opted_out().count() as u64 })
}
