//! Two generations of random tables, compared by the engine and by plain maps: users come, go and change, rows move, columns are
//! added, dropped and retyped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use muster_engine::diff::{Change, Changes, ColumnOutcome, Diff, Moved, Users};
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};
use truth::cell::Cell;
use truth::engine;
use truth::generate::Rules;
use truth::naive::{LabelRules, Naive};
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::table::Table;

const NOW: i64 = 1_795_168_800;
const DAY: i64 = 86_400;

#[test]
fn differences_are_those_of_plain_maps() {
    let seeds = std::env::var("MUSTER_DIFF_SEEDS").map_or(80, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let rows = if seed % 40 == 7 { 66_000 } else { rng.below(1_500) };
        let columns = if rows > 1_500 { 6 } else { 1 + rng.below(12) };
        let all = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let (before, after) = two_nights(&mut rng, &all);
        Trial::new(seed, &mut rng, before, after).run(&mut rng, &all);
    }
}

/// Two tables out of one: some users in both, with the same cells or with those of somebody else.
fn two_nights(rng: &mut Rng, all: &Table) -> (Table, Table) {
    let shares = [0.0, 0.02, 0.5, 1.0];
    let (gone, added) = (*rng.pick(&shares[..3]), *rng.pick(&shares[..3]));
    let mut kept = Vec::new();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for row in 0..all.rows() {
        match rng.unit() {
            x if x < gone / 2.0 => old.push(row),
            x if x < gone / 2.0 + added / 2.0 => new.push(row),
            _ => kept.push(row),
        }
    }
    old.extend(&kept);
    new.extend(&kept);
    if rng.one_in(2) {
        rng.shuffle(&mut new);
    }
    let (mut before, mut after) = (all.take(&old), all.take(&new));
    for (at, cells) in after.columns.iter_mut().enumerate() {
        let changed = *rng.pick(&shares);
        for cell in cells.iter_mut() {
            if rng.unit() < changed {
                *cell = all.columns[at][rng.below(all.rows())].clone();
            }
        }
    }
    // A column that only one night has, and one of another type.
    match rng.below(8) {
        0 => drop_first(&mut before),
        1 => drop_first(&mut after),
        2 => retype_last(&mut after),
        _ => {}
    }
    (before, after)
}

fn drop_first(table: &mut Table) {
    if table.columns.len() > 1 {
        table.columns.remove(0);
        table.schema.columns.remove(0);
        table.physical.remove(0);
    }
}

fn retype_last(table: &mut Table) {
    let last = table.columns.len() - 1;
    let name = table.schema.columns[last].name.clone();
    let ty = ColumnType::Scalar(ScalarType::UInt { bits: 16 });
    table.schema.columns[last] = ColumnSchema { name, ty, nullable: false, held_as: HeldAs::Native };
    table.columns[last] = (0..table.rows()).map(|row| Cell::Int(row as i128 % 7)).collect();
    table.physical[last] = "UInt16".into();
}

struct Trial {
    seed: u64,
    before: Table,
    after: Table,
    built: (engine::Built, engine::Built),
    diff: Diff,
    /// Rows before and after of the users in both.
    both: Vec<(usize, usize)>,
}

impl Trial {
    fn new(seed: u64, rng: &mut Rng, before: Table, after: Table) -> Self {
        let built = (engine::build(&before, rng).unwrap(), engine::build(&after, rng).unwrap());
        let diff = Diff::new(&built.0.snapshot, &built.1.snapshot).unwrap();
        let rows: HashMap<u64, usize> =
            after.user_ids.iter().enumerate().map(|(row, &id)| (id, row)).collect();
        let both = before.user_ids.iter().enumerate();
        let both = both.filter_map(|(row, id)| rows.get(id).map(|&after| (row, after))).collect();
        Self { seed, before, after, built, diff, both }
    }

    fn run(&self, rng: &mut Rng, all: &Table) {
        self.check_users();
        for name in self.diff.column_names() {
            self.check_column(name);
        }
        let unknown = self.diff.column("no such column").unwrap_err().to_string();
        assert!(unknown.contains("unknown column"), "{unknown}");
        self.check_rules(rng, all);
    }

    fn check_users(&self) {
        let (before, after) = (ids(&self.before), ids(&self.after));
        let counts = self.diff.user_counts();
        let added: BTreeSet<u64> = after.difference(&before).copied().collect();
        let gone: BTreeSet<u64> = before.difference(&after).copied().collect();
        let place = format!("seed {}", self.seed);
        assert_eq!((counts.before, counts.after), (before.len() as u64, after.len() as u64), "{place}");
        assert_eq!((counts.added, counts.gone), (added.len() as u64, gone.len() as u64), "{place}");
        assert_eq!(counts.both, self.both.len() as u64, "{place}");
        for (which, wanted) in [
            (Moved::Added, &added),
            (Moved::Entered, &added),
            (Moved::EnteredChanged, &BTreeSet::new()),
            (Moved::Gone, &gone),
            (Moved::Left, &gone),
            (Moved::LeftChanged, &BTreeSet::new()),
            (Moved::Stayed, &before.intersection(&after).copied().collect()),
        ] {
            assert_eq!(&listed(self.diff.users(which, None).unwrap()), wanted, "{place}: {which:?}");
        }
        let few = self.diff.users(Moved::Stayed, None).unwrap().limit(3);
        assert_eq!(few.map(|batch| batch.unwrap().len()).sum::<usize>(), self.both.len().min(3), "{place}");
    }

    fn check_column(&self, name: &str) {
        let place = format!("seed {}: {name}", self.seed);
        let (was, is) = (self.before.schema.column(name), self.after.schema.column(name));
        let found = self.diff.column(name).unwrap_or_else(|error| panic!("{place}: {error}"));
        let (Some((was, was_of)), Some((is, is_of))) = (was, is) else {
            match found.outcome {
                ColumnOutcome::Added { .. } => assert!(was.is_none(), "{place}"),
                ColumnOutcome::Removed { .. } => assert!(is.is_none(), "{place}"),
                other => panic!("{place}: {other:?}"),
            }
            assert!(self.diff.column_users(name, Change::Changed).is_err(), "{place}");
            return;
        };
        if was_of.ty != is_of.ty {
            assert!(matches!(found.outcome, ColumnOutcome::TypeChanged { .. }), "{place}: {found:?}");
            assert!(self.diff.column_users(name, Change::Changed).is_err(), "{place}");
            return;
        }
        let ColumnOutcome::Compared { changes, parts, types: None } = found.outcome else {
            panic!("{place}: {found:?}")
        };
        let (mut changed, mut got, mut lost) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut moved: BTreeMap<String, Changes> = BTreeMap::new();
        for &(row, now) in &self.both {
            let (old, new) = (&self.before.columns[was][row], &self.after.columns[is][now]);
            let id = self.before.user_ids[row];
            match (old.is_null(), new.is_null()) {
                (true, false) => _ = got.insert(id),
                (false, true) => _ = lost.insert(id),
                (false, false) if identity(old) != identity(new) => _ = changed.insert(id),
                _ => {}
            }
            count_parts(&parts_of(old), &parts_of(new), &mut moved);
        }
        let wanted = Changes {
            changed: changed.len() as u64,
            got_value: got.len() as u64,
            lost_value: lost.len() as u64,
        };
        assert_eq!(changes, wanted, "{place}");
        for (which, wanted) in
            [(Change::Changed, &changed), (Change::GotValue, &got), (Change::LostValue, &lost)]
        {
            assert_eq!(&listed(self.diff.column_users(name, which).unwrap()), wanted, "{place}: {which:?}");
        }
        // Values of other types are shown in other ways than cells are.
        let shown = matches!(is_of.ty, ColumnType::Array(ScalarType::String) | ColumnType::Map(_));
        let mut totals: Vec<u64> = moved.values().map(Changes::total).filter(|&total| total > 0).collect();
        totals.sort_unstable_by_key(|&total| std::cmp::Reverse(total));
        totals.truncate(10);
        let told: Vec<u64> = parts.iter().map(|part| part.changes.total()).collect();
        assert_eq!(told, totals, "{place}: {parts:?}");
        for part in parts.iter().filter(|part| shown && !part.part.to_string().contains('\u{fffd}')) {
            assert_eq!(moved.get(&part.part.to_string()), Some(&part.changes), "{place}: {}", part.part);
        }
    }

    /// Rules are drawn for the table that has the values of both nights.
    fn check_rules(&self, rng: &mut Rng, all: &Table) {
        let mut drawn = Rules::new(all, NOW, rng.fork());
        let rules: Vec<Rule> =
            (0..if self.both.len() > 2_000 { 3 } else { 12 }).map(|_| drawn.rule()).collect();
        let labels = engine::labels(&drawn.labels);
        let limits = Limits::default();
        for rule in &rules {
            let scope = |now| Scope { now, labels: &labels, limits: &limits };
            let was = Audience::new(&self.built.0.snapshot, rule, &scope(NOW - DAY));
            let is = Audience::new(&self.built.1.snapshot, rule, &scope(NOW));
            // Another schema may have no such column, or one of another type.
            if let (Ok(was), Ok(is)) = (was, is) {
                self.check_rule(rule, &drawn.labels, &was, &is);
            }
        }
    }

    fn check_rule(&self, rule: &Rule, labels: &LabelRules, was: &Audience, is: &Audience) {
        let place = format!("seed {}: {rule}", self.seed);
        let old = members(&self.before, rule, NOW - DAY, labels);
        let new = members(&self.after, rule, NOW, labels);
        let (before, after) = (ids(&self.before), ids(&self.after));
        let stayed: BTreeSet<u64> = old.intersection(&new).copied().collect();
        let entered: BTreeSet<u64> = new.difference(&old).copied().collect();
        let left: BTreeSet<u64> = old.difference(&new).copied().collect();
        let (added, entered_changed): (BTreeSet<u64>, BTreeSet<u64>) =
            entered.iter().partition(|id| !before.contains(id));
        let (gone, left_changed): (BTreeSet<u64>, BTreeSet<u64>) =
            left.iter().partition(|id| !after.contains(id));
        let found = self.diff.movement((was, is)).unwrap();
        let len = |set: &BTreeSet<u64>| set.len() as u64;
        assert_eq!(
            (found.before, found.after, found.stayed),
            (len(&old), len(&new), len(&stayed)),
            "{place}"
        );
        assert_eq!((found.entered, found.entered_added), (len(&entered), len(&added)), "{place}");
        assert_eq!((found.left, found.left_gone), (len(&left), len(&gone)), "{place}");
        let rest = (found.entered_changed, found.left_changed);
        assert_eq!(rest, (len(&entered_changed), len(&left_changed)), "{place}");
        for (which, wanted) in [
            (Moved::Added, &added),
            (Moved::Gone, &gone),
            (Moved::Entered, &entered),
            (Moved::EnteredChanged, &entered_changed),
            (Moved::Left, &left),
            (Moved::LeftChanged, &left_changed),
            (Moved::Stayed, &stayed),
        ] {
            let users = self.diff.users(which, Some((was, is))).unwrap();
            assert_eq!(users.total(), len(wanted), "{place}: {which:?}");
            assert_eq!(&listed(users), wanted, "{place}: {which:?}");
        }
    }
}

fn ids(table: &Table) -> BTreeSet<u64> {
    table.user_ids.iter().copied().collect()
}

fn listed(users: Users) -> BTreeSet<u64> {
    users.flat_map(Result::unwrap).collect()
}

fn members(table: &Table, rule: &Rule, now: i64, labels: &LabelRules) -> BTreeSet<u64> {
    let answers = Naive::new(table, now, labels).answers(rule);
    let users = table.user_ids.iter().zip(answers);
    users.filter(|(_, answer)| *answer == Some(true)).map(|(&id, _)| id).collect()
}

/// What makes a value another one. The two zeros are one value, and so are all NaNs; of arrays the set of elements and the length
/// count, of maps the first number under each key.
fn identity(cell: &Cell) -> String {
    match cell {
        Cell::Float(value) => format!("{:?}", value + 0.0),
        Cell::Array(elements) => format!("{} {:?}", elements.len(), parts_of(cell)),
        Cell::Map(_) => format!("{:?}", parts_of(cell)),
        cell => format!("{cell:?}"),
    }
}

/// The elements of an array, the keys of a map with what is under them.
fn parts_of(cell: &Cell) -> BTreeMap<String, String> {
    let name = |cell: &Cell| match cell {
        Cell::Text(text) => String::from_utf8(text.clone()).unwrap_or_else(|_| format!("{text:?}")),
        other => identity(other),
    };
    match cell {
        Cell::Array(elements) => {
            elements.iter().filter(|cell| !cell.is_null()).map(|cell| (name(cell), String::new())).collect()
        }
        Cell::Map(entries) => {
            let mut parts = BTreeMap::new();
            for (key, value) in entries {
                parts.entry(key.clone()).or_insert_with(|| (!value.is_null()).then(|| identity(value)));
            }
            parts.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn count_parts(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    into: &mut BTreeMap<String, Changes>,
) {
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let changes = into.entry(name.clone()).or_default();
        match (old.get(name), new.get(name)) {
            (None, Some(_)) => changes.got_value += 1,
            (Some(_), None) => changes.lost_value += 1,
            (old, new) if old != new => changes.changed += 1,
            _ => {}
        }
    }
}
