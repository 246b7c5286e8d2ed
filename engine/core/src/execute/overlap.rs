//! How audiences overlap: the size of each pair's intersection, in one pass over the chunks.

use serde::Serialize;

use super::chunk::{Evaluator, Without};
use super::drive::over;
use super::{Audience, erased};
use crate::bitmap::{Set, kernel};
use crate::error::{Error, Result};
use crate::format::chunks_of;

/// Audiences in one call.
pub const OVERLAP_MAX: usize = 50;

/// Sizes of pairwise intersections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// `both[i][j]`: users in audience `i` and in audience `j`; the diagonal has the counts.
    pub both: Vec<Vec<u64>>,
}

/// Intersects each pair of up to [`OVERLAP_MAX`] audiences of one snapshot.
pub fn overlap(audiences: &[&Audience]) -> Result<Overlap> {
    let count = audiences.len();
    if count > OVERLAP_MAX {
        return Err(Error::input(format!("{count} audiences to overlap, the limit is {OVERLAP_MAX}")));
    }
    let Some(first) = audiences.first() else { return Ok(Overlap { both: Vec::new() }) };
    if audiences.iter().any(|audience| audience.snapshot.generation() != first.snapshot.generation()) {
        return Err(Error::input("audiences of different generations cannot be overlapped"));
    }
    audiences.iter().try_for_each(|audience| audience.check_bytes())?;
    let without: Vec<Without> = audiences.iter().map(|audience| erased(&audience.snapshot)).collect();
    let evaluators = || audiences.iter().zip(&without).map(|(of, without)| of.evaluator(without)).collect();
    let pairs = over(
        chunks_of(first.snapshot.rows()),
        f64::INFINITY,
        evaluators,
        |evaluators: &mut Vec<Evaluator<'_>>, chunk| pairs_in(chunk, audiences, evaluators),
        |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
            a
        },
    )
    .unwrap_or_else(|| vec![0; count * count]);
    let both = (0..count).map(|i| (0..count).map(|j| pairs[i.min(j) * count + i.max(j)]).collect()).collect();
    Ok(Overlap { both })
}

/// How many rows of a chunk each pair of audiences has in common, the lesser one first.
fn pairs_in<'p>(chunk: u32, audiences: &[&'p Audience], evaluators: &mut [Evaluator<'p>]) -> Vec<u64> {
    let count = audiences.len();
    let mut bits = Vec::with_capacity(count);
    for (audience, evaluator) in audiences.iter().zip(evaluators.iter_mut()) {
        evaluator.enter(chunk);
        bits.push(evaluator.bits(audience.plan.root()));
    }
    let mut both = vec![0_u64; count * count];
    for (i, a) in bits.iter().enumerate() {
        for (j, b) in bits.iter().enumerate().skip(i) {
            both[i * count + j] = kernel::count_and(&[a, b], &[]).into();
        }
    }
    for (bits, evaluator) in bits.into_iter().zip(evaluators.iter_mut()) {
        evaluator.give(Set::OwnBits(bits));
    }
    both
}
