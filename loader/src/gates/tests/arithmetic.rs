//! Laws of the changes that gates measure.

use proptest::prelude::*;

use super::super::change::{growth_of_share, of_count, of_share, share, too_far};
use super::super::*;

fn check(before: u64, after: u64, allowed: f64, floor: f64) -> Check {
    let threshold = Threshold::Share(allowed);
    Check::of_counts(Gate::Rows, None, (before, after), threshold, floor).unwrap()
}

#[test]
fn at_the_threshold_nothing_trips_and_just_behind_it_does() {
    for (before, after, trips) in
        [(1000, 1300, false), (1000, 1301, true), (1000, 700, false), (1000, 699, true), (1000, 1000, false)]
    {
        assert_eq!(check(before, after, 0.3, 10.0).trips, trips, "{before} -> {after}");
    }
    // A difference below the floor is none, whatever its share.
    assert!(!check(1, 10, 0.3, 10.0).trips && check(1, 11, 0.3, 10.0).trips);
    assert!(!check(0, 9, 0.3, 10.0).trips && check(0, 10, 0.3, 10.0).trips);
    assert!(check(0, 1, 100.0, 0.0).trips, "from nothing is beyond any threshold");
    assert!(!check(0, 0, 0.0, 0.0).trips);
}

#[test]
fn a_share_moves_relative_to_the_smaller_group() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(close(of_share(0.02, 0.03), 0.5));
    assert!(close(of_share(0.99, 0.98), -1.0));
    assert!(close(of_share(0.5, 0.4), -0.2));
    assert_eq!((of_share(0.0, 0.1), of_share(1.0, 0.9)), (f64::INFINITY, f64::NEG_INFINITY));
    assert_eq!((of_share(0.0, 0.0), of_share(1.0, 1.0)), (0.0, 0.0));
    assert_eq!((growth_of_share(0.2, 0.1), growth_of_share(0.0, 0.1)), (0.0, f64::INFINITY));
}

proptest! {
    #[test]
    fn a_count_trips_exactly_when_it_moved_more_than_allowed(
        before in 1..1_000_000_u64, after in 0..2_000_000_u64, percent in 0..300_u64, floor in 0..1000_u64,
    ) {
        // In whole numbers, without rounding: |after - before| / before > percent / 100.
        let moved = before.abs_diff(after);
        let further = u128::from(moved) * 100 > u128::from(before) * u128::from(percent);
        let tripped = check(before, after, percent as f64 / 100.0, floor as f64).trips;
        prop_assert_eq!(tripped, further && moved >= floor);
    }

    #[test]
    fn what_did_not_move_never_trips(figure in 0..u64::MAX, part in 0.0..=1.0_f64) {
        prop_assert!(!check(figure, figure, 0.0, 0.0).trips);
        prop_assert!(!too_far(of_share(part, part), 0.0, 0.0, 0.0));
        prop_assert!(!too_far(growth_of_share(part, part), 0.0, 0.0, 0.0));
    }

    #[test]
    fn more_may_move_when_more_is_allowed(
        before in 0..10_000_u64, after in 0..10_000_u64, a in 0.0..3.0_f64, b in 0.0..3.0_f64, floor in 0.0..100.0_f64,
    ) {
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!(check(before, after, less, floor).trips || !check(before, after, more, floor).trips);
        prop_assert!(check(before, after, less, floor).trips || !check(before, after, less, floor + 1.0).trips);
    }

    #[test]
    fn moving_further_the_same_way_trips_too(
        before in 0..10_000_u64, step in 0..5_000_u64, further in 0..5_000_u64, allowed in 0.0..3.0_f64,
    ) {
        let up = (before + step, before + step + further);
        let down = (before.saturating_sub(step), before.saturating_sub(step).saturating_sub(further));
        for (near, far) in [up, down] {
            prop_assert!(!check(before, near, allowed, 10.0).trips || check(before, far, allowed, 10.0).trips);
        }
    }

    #[test]
    fn a_share_and_its_opposite_move_alike(before in 0.001..0.999_f64, after in 0.0..=1.0_f64) {
        let (inside, outside) = (of_share(before, after), of_share(1.0 - before, 1.0 - after));
        prop_assert!((inside + outside).abs() <= 1e-6 * inside.abs().max(1.0), "{} {}", inside, outside);
        // Never less than what either group moved by itself.
        let own = (after - before).abs() / before;
        let others = (after - before).abs() / (1.0 - before);
        prop_assert!(inside.abs() >= own.max(others) - 1e-6 * inside.abs().max(1.0));
    }

    #[test]
    fn shares_are_between_nothing_and_all(part in 0..1000_u64, more in 0..1000_u64) {
        prop_assert!((0.0..=1.0).contains(&share(part, part + more)));
        let direction = of_count(part, more).partial_cmp(&0.0);
        prop_assert_eq!(direction, Some(more.cmp(&part)));
    }
}
