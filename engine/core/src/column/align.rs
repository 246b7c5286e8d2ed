//! Two dictionaries side by side, so that comparing values of two columns becomes comparing two small numbers.
//!
//! Code `l` of the left column has place `2 l + 1`. A right code's place is `2 l + 1` if its value is that of `l`, and else the
//! even number between its neighbours. Values compare as their places do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::Keys8;
use crate::error::Result;

/// Where the left and the right dictionary are in the file.
type Place = (usize, usize);

/// Alignments that were asked for, a limited number of them: computing one takes longer than using it.
#[derive(Debug, Default)]
pub struct Alignments {
    known: Mutex<HashMap<Place, Arc<[u32]>>>,
}

/// How many are kept; beyond, a new one takes the place of all.
const KEPT_MAX: usize = 64;

impl Alignments {
    /// The places of the right codes among the left ones. Checks all bytes of both dictionaries.
    pub fn get(&self, left: &Keys8, right: &Keys8) -> Result<Arc<[u32]>> {
        left.check()?;
        right.check()?;
        let of = (left.start(), right.start());
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&of) {
            return Ok(Arc::clone(known));
        }
        let key_of = |keys: &Keys8, at: usize| keys.checked(at).unwrap_or(u64::MAX);
        let places: Arc<[u32]> =
            places((left.len(), &|at| key_of(left, at)), (right.len(), &|at| key_of(right, at))).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(of, Arc::clone(&places));
        Ok(places)
    }
}

/// Ascending keys: how many, and each of them.
type Ascending<'a> = (usize, &'a (dyn Fn(usize) -> u64 + Sync));

/// The place of each right key among the left keys.
fn places(left: Ascending<'_>, right: Ascending<'_>) -> Vec<u32> {
    const TOGETHER: usize = 1 << 14;
    let mut places = vec![0; right.0];
    places.par_chunks_mut(TOGETHER).enumerate().for_each(|(part, places)| {
        let first = (right.1)(part * TOGETHER);
        let (mut at, mut end) = (0, left.0);
        while at < end {
            let middle = at + (end - at) / 2;
            if (left.1)(middle) < first { at = middle + 1 } else { end = middle }
        }
        for (offset, place) in places.iter_mut().enumerate() {
            let key = (right.1)(part * TOGETHER + offset);
            while at < left.0 && (left.1)(at) < key {
                at += 1;
            }
            *place = 2 * at as u32 + u32::from(at < left.0 && (left.1)(at) == key);
        }
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_compare_as_values_do() {
        let left: Vec<u64> = (0..50_000).map(|i| i * 3).collect();
        let right: Vec<u64> = (0..40_000).map(|i| i * 2 + 7).collect();
        let places = places((left.len(), &|at| left[at]), (right.len(), &|at| right[at]));
        for (code, key) in left.iter().enumerate().step_by(777) {
            for (other, place) in right.iter().zip(&places).step_by(311) {
                assert_eq!((2 * code as u32 + 1).cmp(place), key.cmp(other));
            }
        }
    }
}
