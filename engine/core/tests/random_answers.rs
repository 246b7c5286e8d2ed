//! What else can be asked of an audience, against plain counting: overlaps, breakdowns, figures, the Roaring export.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet};

use muster_engine::execute::{Audience, HistogramBin, Scale, overlap};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnType, ScalarType};
use truth::cell::Cell;
use truth::engine;
use truth::generate::Rules;
use truth::naive::Naive;
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::table::Table;

const NOW: i64 = 1_795_168_800;

#[test]
fn overlaps_breakdowns_and_figures_are_what_counting_gives() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let rows = if seed == 7 { 66_000 } else { rng.below(900) };
        let columns = 3 + rng.below(12);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let built = engine::build(&table, &mut rng).unwrap();
        let mut drawn = Rules::new(&table, NOW, rng.fork());
        let rules: Vec<Rule> = (0..if rows > 1000 { 4 } else { 12 }).map(|_| drawn.rule()).collect();
        let labels = engine::labels(&drawn.labels);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        let audiences: Vec<Audience> =
            rules.iter().map(|rule| Audience::new(&built.snapshot, rule, &scope).unwrap()).collect();
        let naive = Naive::new(&table, NOW, &drawn.labels);
        let members: Vec<Vec<bool>> = rules
            .iter()
            .map(|rule| naive.answers(rule).into_iter().map(|answer| answer == Some(true)).collect())
            .collect();

        let pairs = overlap(&audiences.iter().collect::<Vec<_>>()).unwrap().both;
        for (i, a) in members.iter().enumerate() {
            for (j, b) in members.iter().enumerate() {
                let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as u64;
                assert_eq!(pairs[i][j], both, "seed {seed}: {} and {}", rules[i], rules[j]);
            }
        }
        for ((audience, rule), members) in audiences.iter().zip(&rules).zip(&members) {
            let place = format!("seed {seed}: {rule}");
            let inside: Vec<usize> = (0..table.rows()).filter(|&row| members[row]).collect();
            let ids: roaring::RoaringTreemap = inside.iter().map(|&row| table.user_ids[row]).collect();
            assert!(audience.to_roaring().unwrap() == ids, "{place}: exported");
            for index in 0..columns {
                check_breakdown(audience, &table, index, &inside, &place);
                check_figures(audience, &table, index, &inside, &place);
            }
            // Each bin is counted as a rule twice, so not of every column.
            check_bins(audience, &table, rng.below(columns), (1 + rng.below(40), &scope), &place);
        }
    }
}

/// A value by what makes it distinct: the two zeros are one value, and so are all NaNs.
fn identity(cell: &Cell) -> String {
    match cell {
        Cell::Float(value) => format!("{:?}", value + 0.0),
        cell => format!("{cell:?}"),
    }
}

/// How many of some cells have each value, by its identity, and how many have none.
fn counted<'a>(cells: impl Iterator<Item = &'a Cell>) -> (BTreeMap<String, u64>, u64) {
    let (mut counts, mut null) = (BTreeMap::<String, u64>::new(), 0);
    for cell in cells {
        match cell {
            Cell::Null => null += 1,
            Cell::Map(entries) => {
                // Of equal keys the first counts, also if it has no value.
                let mut seen = BTreeSet::new();
                for (key, value) in entries {
                    if seen.insert(key) && !value.is_null() {
                        *counts.entry(key.clone()).or_default() += 1;
                    }
                }
            }
            Cell::Array(elements) => {
                let mut seen: Vec<String> =
                    elements.iter().filter(|cell| !cell.is_null()).map(identity).collect();
                seen.sort();
                seen.dedup();
                for value in seen {
                    *counts.entry(value).or_default() += 1;
                }
            }
            cell => *counts.entry(identity(cell)).or_default() += 1,
        }
    }
    (counts, null)
}

fn check_breakdown(audience: &Audience, table: &Table, index: usize, inside: &[usize], place: &str) {
    let column = &table.schema.columns[index];
    let by = Operand::Column(column.name.clone());
    let cells = &table.columns[index];
    let (expected, null) = counted(inside.iter().map(|&row| &cells[row]));
    let (population, _) = counted(cells.iter());
    let found = audience.breakdown(&by, usize::MAX).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut wanted: Vec<(u64, u64)> =
        expected.iter().map(|(value, &count)| (count, population[value])).collect();
    wanted.sort_unstable_by_key(|&counts| std::cmp::Reverse(counts));
    let mut counts: Vec<(u64, u64)> =
        found.values.iter().map(|value| (value.count, value.population)).collect();
    assert!(counts.is_sorted_by_key(|&(count, _)| std::cmp::Reverse(count)), "{place}: by {}", column.name);
    counts.sort_unstable_by_key(|&counts| std::cmp::Reverse(counts));
    assert_eq!(counts, wanted, "{place}: by {}", column.name);
    let totals = (found.total, found.distinct, found.null, found.others);
    assert_eq!(totals, (inside.len() as u64, wanted.len() as u64, null, 0), "{place}: by {}", column.name);
    let top = audience.breakdown(&by, 2).unwrap();
    // As text, in which NaN equals itself.
    let first = format!("{:?}", &found.values[..found.values.len().min(2)]);
    assert_eq!(format!("{:?}", top.values), first, "{place}: top of {}", column.name);
    assert_eq!(
        top.others,
        wanted.iter().skip(2).map(|(count, _)| count).sum::<u64>(),
        "{place}: others of {}",
        column.name
    );
}

/// Bins adjoin, hold everybody's finite numbers, are no more than wanted, and each is what a range says.
fn check_bins(
    audience: &Audience,
    table: &Table,
    index: usize,
    (bins, scope): (usize, &Scope<'_>),
    place: &str,
) {
    let column = &table.schema.columns[index];
    let of = Operand::Column(column.name.clone());
    let ColumnType::Scalar(ty) = &column.ty else { return };
    let place = format!("{place}: bins of {} ({ty})", column.name);
    if !(ty.is_number() || ty.is_time() || *ty == ScalarType::Bool) {
        assert!(audience.histogram(&of, bins, Scale::Auto).is_err(), "{place}");
        return;
    }
    let stats = audience.stats(&of, &[]).unwrap();
    let finite = |table: &[Cell]| table.iter().filter(|cell| is_finite(cell)).count() as u64;
    for scale in [Scale::Auto, Scale::Linear, Scale::Log] {
        let found = audience.histogram(&of, bins, scale).unwrap();
        let place = format!("{place}, {scale:?}: {:?}", found.bins);
        assert!(found.scale != Scale::Auto && found.bins.len() <= bins, "{place}");
        assert!(found.bins.is_sorted_by(|a, b| a.low < a.high && a.high == b.low), "{place}");
        assert_eq!(found.bins.is_empty(), finite(&table.columns[index]) == 0, "{place}");
        let sum = |count: fn(&HistogramBin) -> u64| found.bins.iter().map(count).sum::<u64>();
        assert_eq!(sum(|bin| bin.population), finite(&table.columns[index]), "{place}");
        assert_eq!((found.total, found.null), (stats.total, stats.null), "{place}");
        assert_eq!(sum(|bin| bin.count) + found.not_finite, stats.total - stats.null, "{place}");
        // What a person would write; rules have no way to write some of it.
        if *ty == ScalarType::Bool {
            continue;
        }
        let last = found.bins.len().saturating_sub(1);
        for (at, bin) in found.bins.iter().enumerate() {
            let (Some(low), Some(high)) = (edge(ty, bin.low), edge(ty, bin.high)) else { continue };
            let to = if at == last { "<=" } else { "<" };
            let range = format!("{of} >= {low} AND {of} {to} {high}");
            let Ok(rule) = Rule::parse(&range, scope.limits) else { panic!("{place}: {range}") };
            let everybody = Audience::new(audience.snapshot(), &rule, scope).unwrap();
            assert_eq!(everybody.count(), bin.population, "{place}: {range}");
            let both = Rule::all(vec![audience.rule().clone(), rule]);
            let both = Audience::new(audience.snapshot(), &both, scope).unwrap();
            assert_eq!(both.count(), bin.count, "{place}: {range} of the audience");
        }
    }
}

/// An edge as rules have it, if they have it.
fn edge(ty: &ScalarType, edge: f64) -> Option<String> {
    if !ty.is_time() {
        return Some(format!("{edge:?}"));
    }
    let at = jiff::Timestamp::from_second(edge as i64).ok()?;
    if *ty == ScalarType::Date {
        return (0.0..5.6e9).contains(&edge).then(|| format!("toDate('{}')", at.strftime("%Y-%m-%d")));
    }
    (0.0..4.2e9).contains(&edge).then(|| format!("toDateTime('{}', 'UTC')", at.strftime("%Y-%m-%d %H:%M:%S")))
}

fn is_finite(cell: &Cell) -> bool {
    match cell {
        Cell::Null => false,
        Cell::Float(value) => value.is_finite(),
        _ => true,
    }
}

fn check_figures(audience: &Audience, table: &Table, index: usize, inside: &[usize], place: &str) {
    let column = &table.schema.columns[index];
    let ColumnType::Scalar(ScalarType::Int { .. } | ScalarType::UInt { .. } | ScalarType::Float { bits: 64 }) =
        column.ty
    else {
        return;
    };
    let mut numbers: Vec<f64> = Vec::new();
    let (mut null, mut nan) = (0, 0);
    for &row in inside {
        match &table.columns[index][row] {
            Cell::Null => null += 1,
            Cell::Float(value) if value.is_nan() => nan += 1,
            Cell::Float(value) => numbers.push(value + 0.0),
            Cell::Int(value) => numbers.push(*value as f64),
            Cell::Big(value) => numbers.push(*value as f64),
            other => panic!("{other:?} in a number column"),
        }
    }
    numbers.sort_unstable_by(f64::total_cmp);
    let levels = [0.0, 0.25, 0.5, 0.99, 1.0];
    let place = format!("{place}: figures of {}", column.name);
    let found = audience.stats(&Operand::Column(column.name.clone()), &levels).unwrap();
    let totals = (found.total, found.count, found.null, found.nan);
    assert_eq!(totals, (inside.len() as u64, numbers.len() as u64, null, nan), "{place}");
    assert_eq!(found.min.and_then(|value| value.as_f64()), numbers.first().copied(), "{place}");
    assert_eq!(found.max.and_then(|value| value.as_f64()), numbers.last().copied(), "{place}");
    for (quantile, level) in found.quantiles.iter().zip(levels) {
        let at = ((level * numbers.len() as f64) as usize).min(numbers.len() - 1);
        assert_eq!(quantile.value.as_f64(), Some(numbers[at]), "{place}: {level}");
    }
    let sum: f64 = numbers.iter().sum();
    let size: f64 = numbers.iter().map(|number| number.abs()).sum();
    if size.is_finite() && !numbers.is_empty() {
        let near =
            |found: Option<f64>, wanted: f64, size: f64| (found.unwrap() - wanted).abs() <= size * 1e-9;
        assert!(near(found.sum, sum, size), "{place}: {:?} for {sum}", found.sum);
        let count = numbers.len() as f64;
        assert!(near(found.mean, sum / count, size / count), "{place}: {:?} for {}", found.mean, sum / count);
    }
}
