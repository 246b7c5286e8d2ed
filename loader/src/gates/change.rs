//! How far a figure moved, and whether that is too far. Plain arithmetic.

/// The change of a count, relative to what it was: -0.4 is 40 % less. From nothing to something it has no limit.
pub(super) fn of_count(before: u64, after: u64) -> f64 {
    relative(after as f64 - before as f64, before as f64)
}

/// The change of a share, relative to whichever group was the smaller one before, those inside or those outside: what is rare is
/// watched as closely as what is common.
pub(super) fn of_share(before: f64, after: f64) -> f64 {
    relative(after - before, before.min(1.0 - before))
}

/// The growth of a share, relative to what it was; nothing if it shrank.
pub(super) fn growth_of_share(before: f64, after: f64) -> f64 {
    relative((after - before).max(0.0), before)
}

fn relative(difference: f64, base: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / base.max(0.0) }
}

/// A part of a whole; of nothing it is nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Whether a change is more than what is allowed, and a difference no less than what counts at all.
pub(super) fn too_far(change: f64, allowed: f64, difference: f64, floor: f64) -> bool {
    change.abs() > allowed && difference.abs() >= floor
}
