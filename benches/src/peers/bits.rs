//! The bitmap libraries, `roaring` and `croaring`: the same set algebra, written as their users write it.
//!
//! In place wherever something is owned, unions of many at once, the last step as a cardinality without a result,
//! intersections from the smallest on. One thread.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use croaring::{Bitmap, Portable};
use roaring::{MultiOps, RoaringBitmap};

use super::{Peer, Question, Reply};
use crate::leaves::Leaves;
use crate::measure::timed;
use crate::sets::Set;

/// What the libraries have in common.
pub(crate) trait Bits: Clone {
    /// What tables call the library.
    const NAME: &'static str;
    fn from_portable(bytes: &[u8]) -> Result<Self>;
    fn size(&self) -> u64;
    fn and(&self, other: &Self) -> Self;
    fn minus(&self, other: &Self) -> Self;
    fn and_in_place(&mut self, other: &Self);
    fn minus_in_place(&mut self, other: &Self);
    fn or_in_place(&mut self, other: &Self);
    fn union(of: &[&Self]) -> Self;
    fn and_size(&self, other: &Self) -> u64;
    fn minus_size(&self, other: &Self) -> u64;
    fn or_size(&self, other: &Self) -> u64;
}

impl Bits for RoaringBitmap {
    const NAME: &'static str = "roaring";
    fn from_portable(bytes: &[u8]) -> Result<Self> {
        Ok(Self::deserialize_from(bytes)?)
    }
    fn size(&self) -> u64 {
        self.len()
    }
    fn and(&self, other: &Self) -> Self {
        self & other
    }
    fn minus(&self, other: &Self) -> Self {
        self - other
    }
    fn and_in_place(&mut self, other: &Self) {
        *self &= other;
    }
    fn minus_in_place(&mut self, other: &Self) {
        *self -= other;
    }
    fn or_in_place(&mut self, other: &Self) {
        *self |= other;
    }
    fn union(of: &[&Self]) -> Self {
        of.iter().copied().union()
    }
    fn and_size(&self, other: &Self) -> u64 {
        self.intersection_len(other)
    }
    fn minus_size(&self, other: &Self) -> u64 {
        self.difference_len(other)
    }
    fn or_size(&self, other: &Self) -> u64 {
        self.union_len(other)
    }
}

impl Bits for Bitmap {
    const NAME: &'static str = "croaring";
    fn from_portable(bytes: &[u8]) -> Result<Self> {
        Self::try_deserialize::<Portable>(bytes).context("croaring does not read the portable format")
    }
    fn size(&self) -> u64 {
        self.cardinality()
    }
    fn and(&self, other: &Self) -> Self {
        Bitmap::and(self, other)
    }
    fn minus(&self, other: &Self) -> Self {
        self.andnot(other)
    }
    fn and_in_place(&mut self, other: &Self) {
        self.and_inplace(other);
    }
    fn minus_in_place(&mut self, other: &Self) {
        self.andnot_inplace(other);
    }
    fn or_in_place(&mut self, other: &Self) {
        self.or_inplace(other);
    }
    fn union(of: &[&Self]) -> Self {
        Self::fast_or(of)
    }
    fn and_size(&self, other: &Self) -> u64 {
        self.and_cardinality(other)
    }
    fn minus_size(&self, other: &Self) -> u64 {
        self.andnot_cardinality(other)
    }
    fn or_size(&self, other: &Self) -> u64 {
        self.or_cardinality(other)
    }
}

/// One of the libraries, with the leaves it was asked for so far.
pub(crate) struct Library<B> {
    leaves: Rc<Leaves>,
    everybody: B,
    held: HashMap<String, B>,
}

impl<B: Bits> Library<B> {
    /// Over these leaves.
    pub(crate) fn new(leaves: &Rc<Leaves>) -> Result<Self> {
        let everybody = B::from_portable(&leaves.everybody()?)?;
        Ok(Self { leaves: Rc::clone(leaves), everybody, held: HashMap::new() })
    }
}

impl<B: Bits> Peer for Library<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn threads(&self) -> usize {
        1
    }

    fn prepare(&mut self, question: &Question) -> Result<()> {
        for leaf in question.sets.iter().flat_map(|sets| &sets.leaves) {
            if !self.held.contains_key(leaf) {
                self.held.insert(leaf.clone(), B::from_portable(&self.leaves.portable(leaf)?)?);
            }
        }
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Reply> {
        let Some(sets) = &question.sets else {
            return Ok(Reply::NotAsked("a bitmap library has bitmaps only".to_owned()));
        };
        let held = |leaf: &String| self.held.get(leaf).context("a leaf was not made ready");
        let leaves = sets.leaves.iter().map(held).collect::<Result<Vec<&B>>>()?;
        let algebra = Algebra { leaves, everybody: &self.everybody };
        let (nanos, count) = timed(|| algebra.count(&sets.root));
        Ok(Reply::Counted { count, nanos })
    }
}

/// Evaluates set algebra; what is only borrowed is never copied.
struct Algebra<'a, B> {
    leaves: Vec<&'a B>,
    everybody: &'a B,
}

impl<'a, B: Bits> Algebra<'a, B> {
    fn count(&self, set: &Set) -> u64 {
        match set {
            Set::Not(inner) => self.everybody.minus_size(&self.eval(inner)),
            Set::All(of) => {
                let (mut result, mut steps) = self.conjunction(of);
                let last = steps.pop();
                for step in &steps {
                    apply(&mut result, step);
                }
                match last {
                    Some((other, true)) => result.and_size(&other),
                    Some((other, false)) => result.minus_size(&other),
                    None => result.size(),
                }
            }
            Set::Any(of) if of.len() == 2 => self.eval(&of[0]).or_size(&self.eval(&of[1])),
            other => self.eval(other).size(),
        }
    }

    fn eval(&self, set: &Set) -> Cow<'a, B> {
        match set {
            Set::Leaf(leaf) => Cow::Borrowed(self.leaves[*leaf]),
            Set::Not(inner) => Cow::Owned(self.everybody.minus(&self.eval(inner))),
            Set::All(of) => {
                let (mut result, steps) = self.conjunction(of);
                for step in &steps {
                    apply(&mut result, step);
                }
                result
            }
            Set::Any(of) => {
                let of: Vec<Cow<'a, B>> = of.iter().map(|set| self.eval(set)).collect();
                Cow::Owned(B::union(&of.iter().map(Cow::as_ref).collect::<Vec<_>>()))
            }
            Set::AtLeast(k, of) => Cow::Owned(self.at_least(*k as usize, of)),
        }
    }

    /// Where a conjunction starts, and what is to be intersected (`true`) or subtracted (`false`) then.
    fn conjunction(&self, of: &[Set]) -> (Cow<'a, B>, Vec<(Cow<'a, B>, bool)>) {
        let mut steps: Vec<(Cow<'a, B>, bool)> = of
            .iter()
            .map(|set| match set {
                Set::Not(inner) => (self.eval(inner), false),
                other => (self.eval(other), true),
            })
            .collect();
        // The smallest first, then what is subtracted, the largest first.
        steps.sort_by_cached_key(
            |(bits, keep)| if *keep { (0, bits.size()) } else { (1, u64::MAX - bits.size()) },
        );
        if steps.first().is_some_and(|(_, keep)| *keep) {
            let (first, _) = steps.remove(0);
            return (first, steps);
        }
        (Cow::Borrowed(self.everybody), steps)
    }

    /// `levels[i]` has who was seen more than `i` times so far.
    fn at_least(&self, k: usize, of: &[Set]) -> B {
        let mut levels = vec![B::union(&[]); k.max(1)];
        for set in of {
            let next = self.eval(set);
            for level in (1..levels.len()).rev() {
                let again = levels[level - 1].and(&next);
                levels[level].or_in_place(&again);
            }
            levels[0].or_in_place(&next);
        }
        levels.swap_remove(levels.len() - 1)
    }
}

fn apply<B: Bits>(result: &mut Cow<'_, B>, (other, keep): &(Cow<'_, B>, bool)) {
    match (result, keep) {
        (Cow::Owned(bits), true) => bits.and_in_place(other),
        (Cow::Owned(bits), false) => bits.minus_in_place(other),
        (result @ Cow::Borrowed(_), true) => *result = Cow::Owned(result.and(other)),
        (result @ Cow::Borrowed(_), false) => *result = Cow::Owned(result.minus(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<B: Bits>() -> Vec<u64> {
        let portable = |rows: &mut dyn Iterator<Item = u32>| {
            let mut bytes = Vec::new();
            rows.collect::<RoaringBitmap>().serialize_into(&mut bytes).unwrap();
            B::from_portable(&bytes).unwrap()
        };
        let everybody = portable(&mut (0..300_000));
        let (even, third) = (portable(&mut (0..300_000).step_by(2)), portable(&mut (0..300_000).step_by(3)));
        let fifth = portable(&mut (0..300_000).step_by(5));
        let algebra = Algebra { leaves: vec![&even, &third, &fifth], everybody: &everybody };
        let not = |leaf| Set::Not(Box::new(Set::Leaf(leaf)));
        let all = || (0..3).map(Set::Leaf).collect::<Vec<_>>();
        [
            Set::Leaf(0),
            not(1),
            Set::All(vec![Set::Leaf(0), not(1)]),
            Set::All(all()),
            Set::All(vec![not(0), not(1), not(2)]),
            Set::Any(vec![Set::Leaf(0), Set::Leaf(1)]),
            Set::Any(all()),
            Set::AtLeast(2, all()),
            Set::AtLeast(3, all()),
            Set::Any(vec![Set::All(vec![Set::Leaf(0), not(1)]), not(2)]),
        ]
        .iter()
        .map(|set| algebra.count(set))
        .collect()
    }

    #[test]
    fn both_libraries_do_the_same_algebra() {
        let expected = [150_000, 200_000, 100_000, 10_000, 80_000, 200_000, 220_000, 80_000, 10_000, 260_000];
        assert_eq!(counts::<RoaringBitmap>(), expected);
        assert_eq!(counts::<Bitmap>(), expected);
    }
}
