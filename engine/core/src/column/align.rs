//! Two dictionaries side by side, so that comparing values of two columns becomes comparing two small numbers.
//!
//! Code `l` of the left column has place `2 l + 1`. A right code's place is `2 l + 1` if its value is that of `l`, and else the
//! even number between its neighbours. Values compare as their places do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::format::data::Values;

/// Where the left and the right dictionary are in the file.
type Place = (usize, usize);

/// Alignments that were asked for, at most [`KEPT_MAX`] of them: computing one takes longer than using it.
#[derive(Debug, Default)]
pub struct Alignments {
    known: Mutex<HashMap<Place, Arc<[u32]>>>,
}

/// How many are kept; beyond, a new one takes the place of all.
const KEPT_MAX: usize = 64;

impl Alignments {
    /// The places of the right codes among the left ones. Checks all bytes of both dictionaries.
    pub fn get(&self, left: &Values<u64>, right: &Values<u64>) -> Result<Arc<[u32]>> {
        let (left_keys, right_keys) = (left.all()?, right.all()?);
        let of = (left.section().start(), right.section().start());
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&of) {
            return Ok(Arc::clone(known));
        }
        let places: Arc<[u32]> = places(left_keys, right_keys).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(of, Arc::clone(&places));
        Ok(places)
    }
}

/// The place of each right key among the left keys; both ascend.
fn places(left: &[u64], right: &[u64]) -> Vec<u32> {
    let mut places = vec![0; right.len()];
    places.par_chunks_mut(1 << 14).zip(right.par_chunks(1 << 14)).for_each(|(places, right)| {
        let mut at = left.partition_point(|key| right.first().is_some_and(|first| key < first));
        for (place, key) in places.iter_mut().zip(right) {
            while left.get(at).is_some_and(|other| other < key) {
                at += 1;
            }
            *place = 2 * at as u32 + u32::from(left.get(at) == Some(key));
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
        let places = places(&left, &right);
        for (code, key) in left.iter().enumerate().step_by(777) {
            for (other, place) in right.iter().zip(&places).step_by(311) {
                assert_eq!((2 * code as u32 + 1).cmp(place), key.cmp(other));
            }
        }
    }
}
