//! Makes a failing case readable: a smaller rule and fewer rows that still fail.

use muster_engine::rule::ast::Rule;

use super::naive::LabelRules;
use super::table::Table;

/// Simpler rules to try in place of this one.
fn simpler(rule: &Rule) -> Vec<Rule> {
    let mut found = Vec::new();
    match rule {
        Rule::And(rules) | Rule::Or(rules) => {
            found.extend(rules.iter().cloned());
            if rules.len() > 2 {
                found.extend((0..rules.len()).map(|at| with_parts(rule, &without(rules, at))));
            }
            found.extend(inside(rule, rules));
        }
        Rule::AtLeast { of, .. } => {
            found.extend(of.iter().cloned());
            found.extend(inside(rule, of));
        }
        Rule::Not(inner) => {
            found.push((**inner).clone());
            found.extend(simpler(inner).into_iter().map(|inner| Rule::Not(Box::new(inner))));
        }
        Rule::In { value, list, negated } if list.len() > 1 => {
            let shorter = [list[..list.len() / 2].to_vec(), list[list.len() / 2..].to_vec()];
            found.extend(shorter.map(|list| Rule::In { value: value.clone(), list, negated: *negated }));
        }
        Rule::Has { test, column, values } if values.len() > 1 => {
            let fewer = (0..values.len()).map(|at| without(values, at));
            found.extend(fewer.map(|values| Rule::Has { test: *test, column: column.clone(), values }));
        }
        _ => {}
    }
    found
}

fn without<T: Clone>(items: &[T], at: usize) -> Vec<T> {
    items.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, item)| item.clone()).collect()
}

/// One part made simpler.
fn inside(rule: &Rule, parts: &[Rule]) -> Vec<Rule> {
    let mut found = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        for smaller in simpler(part) {
            let mut parts = parts.to_vec();
            parts[at] = smaller;
            found.push(with_parts(rule, &parts));
        }
    }
    found
}

fn with_parts(rule: &Rule, parts: &[Rule]) -> Rule {
    match rule {
        Rule::And(_) => Rule::all(parts.to_vec()),
        Rule::Or(_) => Rule::any(parts.to_vec()),
        Rule::AtLeast { k, .. } => Rule::AtLeast { k: *k, of: parts.to_vec() },
        other => panic!("{other:?} has no parts"),
    }
}

/// The smallest case found, within a few hundred tries, for which `fails` still holds.
pub fn shrink(table: &Table, rule: &Rule, mut fails: impl FnMut(&Table, &Rule) -> bool) -> (Table, Rule) {
    let (mut table, mut rule) = (table.clone(), rule.clone());
    let mut tries = 300;
    let mut try_one = |table: &Table, rule: &Rule| {
        tries -= 1;
        (tries >= 0).then(|| fails(table, rule))
    };
    'rule: loop {
        for smaller in simpler(&rule) {
            match try_one(&table, &smaller) {
                Some(true) => {
                    rule = smaller;
                    continue 'rule;
                }
                Some(false) => {}
                None => return (table, rule),
            }
        }
        break;
    }
    let mut part = table.rows().div_ceil(2);
    while part > 0 && table.rows() > 1 {
        let mut start = 0;
        while start < table.rows() {
            let rows: Vec<usize> =
                (0..table.rows()).filter(|row| !(start..start + part).contains(row)).collect();
            let smaller = table.take(&rows);
            match try_one(&smaller, &rule) {
                Some(true) => table = smaller,
                Some(false) => start += part,
                None => return (table, rule),
            }
        }
        part /= 2;
    }
    (table, rule)
}

/// The rows of a table as text, for a failure's message: at most a few.
pub fn describe(table: &Table) -> String {
    use std::fmt::Write;
    let mut text = format!("zone {}, {} rows\n", table.schema.time_zone, table.rows());
    for (column, physical) in table.schema.columns.iter().zip(&table.physical) {
        let null = if column.nullable { ", nullable" } else { "" };
        writeln!(text, "  {:?} {} ({physical}{null}, {:?})", column.name, column.ty, column.held_as).unwrap();
    }
    for row in 0..table.rows().min(5) {
        write!(text, "  user {}:", table.user_ids[row]).unwrap();
        for (column, cells) in table.schema.columns.iter().zip(&table.columns) {
            write!(text, " {}={:?}", column.name, cells[row]).unwrap();
        }
        text.push('\n');
    }
    text
}

/// The labels that a rule uses, as text, for a failure's message.
pub fn used(rule: &Rule, labels: &LabelRules) -> String {
    let tree = format!("{rule:?}");
    let used = labels.iter().filter(|(name, _)| tree.contains(&format!("Label({name:?})")));
    used.map(|(name, rule)| format!("{name}: {rule}")).collect::<Vec<_>>().join("; ")
}
