//! A difference for people, which reads like one.

use std::io::Write;
use std::time::Duration;

use muster_engine::diff::{ColumnDiff, ColumnOutcome, PartChanges};

use super::{Finding, Report, Ruled};
use crate::failure::Failure;
use crate::output::{Align, duration, grouped, share, stdout, table};

/// Elements or keys of a column that are shown.
const PARTS_SHOWN: usize = 3;

pub(super) fn print(report: &Report) -> Result<(), Failure> {
    let mut out = stdout();
    let Report { before, after, users, columns, rules, millis } = report;
    for (side, count) in [(before, users.before), (after, users.after)] {
        writeln!(out, "generation {} as of {}: {} users", side.generation, side.as_of, grouped(count))?;
    }
    let (added, gone, both) = (grouped(users.added), grouped(users.gone), grouped(users.both));
    writeln!(out, "{added} users added, {gone} gone, {both} in both")?;
    if let Some(columns) = columns {
        print_columns(&mut out, columns, users.both)?;
    }
    print_rules(&mut out, rules)?;
    writeln!(out, "\nin {}", duration(Duration::from_secs_f64(millis / 1e3)))?;
    out.flush()?;
    Ok(())
}

fn print_columns(out: &mut impl Write, columns: &[ColumnDiff], both: u64) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut shapes = Vec::new();
    let mut same = 0;
    for ColumnDiff { name, outcome } in columns {
        match outcome {
            ColumnOutcome::Added { after } => shapes.push(format!("+ {name} {after}: a new column")),
            ColumnOutcome::Removed { before } => {
                shapes.push(format!("- {name} {before}: the column is gone"));
            }

            ColumnOutcome::TypeChanged { before, after } => {
                shapes.push(format!("~ {name} is {after} and was {before}: its values are not compared"));
            }
            ColumnOutcome::Compared { changes, parts, types } => {
                if let Some((before, after)) = types {
                    shapes.push(format!("~ {name} is {after} and was {before}"));
                }
                if changes.total() == 0 {
                    same += 1;
                    continue;
                }
                rows.push([
                    name.clone(),
                    grouped(changes.changed),
                    share(changes.changed, both),
                    grouped(changes.got_value),
                    grouped(changes.lost_value),
                    moved_most(parts),
                ]);
            }
        }
    }
    writeln!(out)?;
    if !rows.is_empty() {
        let heading = [
            ("column", Align::Left),
            ("changed", Align::Right),
            ("share", Align::Right),
            ("got a value", Align::Right),
            ("lost it", Align::Right),
            ("what moved most", Align::Left),
        ];
        table(out, heading, &rows)?;
    }
    shapes.iter().try_for_each(|shape| writeln!(out, "{shape}"))?;
    writeln!(out, "{same} of {} columns are the same for every user", columns.len())?;
    Ok(())
}

/// `USDT +12 -3 ~40, DAI +2`
fn moved_most(parts: &[PartChanges]) -> String {
    // What one user moved is no news.
    let told = parts.iter().filter(|part| part.changes.total() > 1).take(PARTS_SHOWN);
    let told = told.map(|PartChanges { part, changes }| {
        let signs = [('+', changes.got_value), ('-', changes.lost_value), ('~', changes.changed)];
        let signs = signs.into_iter().filter(|(_, count)| *count > 0);
        signs.fold(part.to_string(), |told, (sign, count)| format!("{told} {sign}{}", grouped(count)))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn print_rules(out: &mut impl Write, rules: &[Ruled]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for Ruled { rule, finding } in rules {
        match finding {
            Finding::Refused { error } => errors.push(format!("error  {rule}: {error}")),
            Finding::Moved(moved) => rows.push([
                grouped(moved.before),
                grouped(moved.after),
                format!("+{}", grouped(moved.entered_added)),
                format!("+{}", grouped(moved.entered_changed)),
                format!("-{}", grouped(moved.left_gone)),
                format!("-{}", grouped(moved.left_changed)),
                grouped(moved.stayed),
                rule.clone(),
            ]),
        }
    }
    if !rows.is_empty() {
        writeln!(out)?;
        let heading =
            ["before", "after", "new", "entered", "gone", "left", "stayed"].map(|name| (name, Align::Right));
        let [a, b, c, d, e, f, g] = heading;
        table(out, [a, b, c, d, e, f, g, ("rule", Align::Left)], &rows)?;
    }
    errors.iter().try_for_each(|error| writeln!(out, "{error}"))?;
    Ok(())
}
