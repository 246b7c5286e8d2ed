//! Set algebra on every shape of operands, against sets of the standard library.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::set::union_into;
use super::{Container, Part, Run, Scratch, Set, Terms, WORDS, and, count_and};

/// A set in each of its shapes, made from the same rows.
fn shapes(rows: &BTreeSet<u16>) -> Vec<Set<'static>> {
    let list: Vec<u16> = rows.iter().copied().collect();
    let mut bits = Box::new([0; WORDS]);
    union_into(&mut bits, Container::Array(&list), 65_536);
    let mut runs: Vec<Run> = Vec::new();
    for &row in &list {
        match runs.last_mut() {
            Some(run) if run.last + 1 == row => run.last = row,
            _ => runs.push(Run { first: row, last: row }),
        }
    }
    let runs: &'static [Run] = Box::leak(runs.into_boxed_slice());
    vec![
        Set::OwnArray(list.clone()),
        Set::OwnBits(bits.clone()),
        Set::Runs(runs),
        Set::OwnBits(bits).shared(),
        Set::OwnArray(list).shared(),
    ]
}

fn some_rows(chunk_rows: u32) -> impl Strategy<Value = BTreeSet<u16>> {
    let last = (chunk_rows - 1) as u16;
    prop_oneof![
        proptest::collection::btree_set(0..=last, 0..50),
        proptest::collection::btree_set(0..=last.min(400), 0..300),
        proptest::collection::btree_set(0..=last, 0..3000),
        (0..=last, 0..=last).prop_map(|(a, b)| (a.min(b)..=a.max(b)).collect()),
        Just(BTreeSet::new()),
        Just((0..=last).collect()),
    ]
}

#[derive(Debug, Clone)]
struct Term {
    rows: BTreeSet<u16>,
    shape: usize,
    not: bool,
}

fn some_terms() -> impl Strategy<Value = (u32, Vec<Term>)> {
    prop_oneof![Just(65_536_u32), 1_u32..3000].prop_flat_map(|chunk_rows| {
        let term = (some_rows(chunk_rows), 0_usize..5, any::<bool>()).prop_map(|(rows, shape, not)| Term {
            rows,
            shape,
            not,
        });
        (Just(chunk_rows), proptest::collection::vec(term, 0..6))
    })
}

fn collected<'a>(terms: &[Term], scratch: &mut Scratch, invert: bool) -> Terms<'a> {
    let mut parts = Terms::default();
    for term in terms {
        let set = shapes(&term.rows).swap_remove(term.shape);
        parts.push(Part { set, not: term.not != invert }, scratch);
    }
    parts
}

fn rows_of(set: &Set<'_>, chunk_rows: u32) -> BTreeSet<u16> {
    let mut rows = BTreeSet::new();
    set.for_each(chunk_rows, |row| assert!(rows.insert(row)));
    assert_eq!(set.count(chunk_rows) as usize, rows.len());
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_terms_of_any_shape_obey_set_algebra((chunk_rows, terms) in some_terms()) {
        let mut scratch = Scratch::default();
        let holds = |term: &Term, row: u16| term.rows.contains(&row) != term.not;
        let all: Vec<u16> = (0..chunk_rows).map(|row| row as u16).collect();
        let both: BTreeSet<u16> = all.iter().copied().filter(|&row| terms.iter().all(|t| holds(t, row))).collect();
        let any: BTreeSet<u16> = all.iter().copied().filter(|&row| terms.iter().any(|t| holds(t, row))).collect();
        for _ in 0..2 {
            // Twice, so that buffers come back used.
            let count = count_and(&mut collected(&terms, &mut scratch, false), chunk_rows, &mut scratch);
            prop_assert_eq!(count as usize, both.len());
            let found = and(&mut collected(&terms, &mut scratch, false), chunk_rows, &mut scratch);
            let set = found.into_set(chunk_rows, &mut scratch);
            prop_assert_eq!(rows_of(&set, chunk_rows), both.clone());
            scratch.give(set);
            let found = and(&mut collected(&terms, &mut scratch, true), chunk_rows, &mut scratch).inverted();
            prop_assert_eq!(found.count(chunk_rows) as usize, any.len());
            let set = found.into_set(chunk_rows, &mut scratch);
            prop_assert_eq!(rows_of(&set, chunk_rows), any.clone());
            scratch.give(set);
        }
    }
}

#[test]
fn more_terms_than_one_pass_takes_are_taken_in_several() {
    let mut scratch = Scratch::default();
    for (count, shape) in [(40_usize, 1_usize), (70, 3), (33, 0)] {
        let rows =
            |i: usize| (0..20_000_u16).filter(|row| *row as usize % (i + 2) != 1).collect::<BTreeSet<u16>>();
        let terms: Vec<Term> =
            (0..count).map(|i| Term { rows: rows(i), shape, not: i % 7 == 3 && shape == 1 }).collect();
        let expected =
            (0..20_000_u16).filter(|row| terms.iter().all(|t| t.rows.contains(row) != t.not)).count();
        let found = count_and(&mut collected(&terms, &mut scratch, false), 20_000, &mut scratch);
        assert_eq!(found as usize, expected);
        let found = and(&mut collected(&terms, &mut scratch, false), 20_000, &mut scratch);
        assert_eq!(found.count(20_000) as usize, expected);
        let any = (0..20_000_u16).filter(|row| terms.iter().any(|t| t.rows.contains(row) != t.not)).count();
        let found = and(&mut collected(&terms, &mut scratch, true), 20_000, &mut scratch).inverted();
        assert_eq!(found.count(20_000) as usize, any);
    }
}

#[test]
fn buffers_that_are_given_and_never_taken_do_not_pile_up() {
    let mut scratch = Scratch::default();
    let give = |scratch: &mut Scratch| {
        scratch.give(Set::OwnBits(Box::new([0; WORDS])));
        scratch.give(Set::OwnArray(vec![0; 4096]));
    };
    (0..1_000).for_each(|_| give(&mut scratch));
    let kept = scratch.kept_bytes();
    (0..10_000).for_each(|_| give(&mut scratch));
    assert_eq!(scratch.kept_bytes(), kept);
    assert!(kept <= 8 << 20, "{kept} bytes are kept");
}
