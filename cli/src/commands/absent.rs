//! `muster verify --absent`: users who were erased, looked for in the files.

use std::io::Write;

use muster_engine::snapshot::{Presence, Store};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{grouped, json_report, stdout};

/// Users named where not all can be.
const NAMED_MAX: usize = 10;

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// Users who were looked for.
    users: usize,
    /// Whether all of them were erased, and are on the disk no more.
    absent: bool,
    /// How many of them were not erased.
    not_erased: usize,
    /// Some of those.
    not_erased_users: Vec<u64>,
    generations: Vec<Found>,
    /// Folders that could not be looked into: of a build, a pull or a removal that is under way, or died.
    unfinished: Vec<String>,
}

/// Where they were found.
#[derive(Debug, Serialize)]
struct Found {
    generation: u64,
    /// "in service", "published" or "held back".
    state: &'static str,
    /// How many of the users its files have.
    present: usize,
    /// Some of those.
    present_users: Vec<u64>,
}

/// Looks each user up in every generation on the disk, whatever the masks say.
pub(crate) fn prove(store: &Store, users: &[u64], json: bool) -> Result<Outcome, Failure> {
    if users.is_empty() {
        return Err(Failure::Usage("there are no ids to look for; give one a line".to_owned()));
    }
    let mut users = users.to_vec();
    users.sort_unstable();
    users.dedup();
    let masks = store.masks()?;
    let found = store.presences(&users)?;
    let current = store.current_generation()?;
    let not_erased: Vec<u64> =
        users.iter().copied().filter(|&user| masks.erased_at(user).is_none()).collect();
    let generations = found.generations.into_iter().map(|Presence { generation, held, users }| Found {
        generation,
        state: if held {
            "held back"
        } else if Some(generation) == current {
            "in service"
        } else {
            "published"
        },
        present: users.len(),
        present_users: some(&users),
    });
    let generations: Vec<Found> = generations.collect();
    let absent = not_erased.is_empty()
        && found.unfinished.is_empty()
        && generations.iter().all(|generation| generation.present == 0);
    let report = Report {
        users: users.len(),
        absent,
        not_erased: not_erased.len(),
        not_erased_users: some(&not_erased),
        generations,
        unfinished: found.unfinished,
    };
    if json {
        json_report(&report)?;
    } else {
        print(store, &report)?;
    }
    Ok(if absent { Outcome::Fine } else { Outcome::No })
}

fn some(users: &[u64]) -> Vec<u64> {
    users.iter().copied().take(NAMED_MAX).collect()
}

fn named(users: &[u64], all: usize) -> String {
    let names: Vec<String> = users.iter().map(u64::to_string).collect();
    let more = if all > users.len() { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

fn print(store: &Store, report: &Report) -> Result<(), Failure> {
    let mut out = stdout();
    let dir = store.dir().display();
    let all = grouped(report.users as u64);
    for found in &report.generations {
        let Found { generation, state, present, present_users } = found;
        if *present == 0 {
            writeln!(out, "generation {generation}, {state}: none of the {all} users")?;
        } else {
            let (count, names) = (grouped(*present as u64), named(present_users, *present));
            writeln!(
                out,
                "generation {generation}, {state}: {count} of the {all} users on the disk ({names})"
            )?;
        }
    }
    for folder in &report.unfinished {
        writeln!(out, "{folder}: being written or removed, or left by a process that died")?;
    }
    if report.not_erased > 0 {
        let (count, names) =
            (grouped(report.not_erased as u64), named(&report.not_erased_users, report.not_erased));
        writeln!(out, "{count} of the {all} users were not erased ({names})")?;
        writeln!(out, "to do: erase them with `muster erase --store {dir}`")?;
    }
    let present = |state: &str| report.generations.iter().any(|of| of.present > 0 && of.state == state);
    if present("in service") {
        writeln!(out, "to do: build, which leaves erased users out")?;
    }
    if present("published") {
        writeln!(
            out,
            "to do: `muster collect --store {dir} --generations 1`; the generation that `muster rollback` would go back to stays until \
             the next build"
        )?;
    }
    if present("held back") {
        writeln!(out, "to do: `muster discard --store {dir}`, for each generation that is held back")?;
    }
    if !report.unfinished.is_empty() {
        writeln!(
            out,
            "to do: wait for what is under way to end, or `muster collect --store {dir}` for what died"
        )?;
    }
    if report.absent {
        writeln!(out, "none of the {all} users is in the store; all of them were erased")?;
    }
    out.flush()?;
    Ok(())
}
