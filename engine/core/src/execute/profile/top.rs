//! The most frequent of many, without sorting or keeping all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The most frequent codes so far, those with a lower code first where frequencies are equal.
#[derive(Debug)]
pub(super) struct Top {
    wanted: usize,
    /// A count must be above this to matter, once so many are kept.
    floor: u64,
    /// The least of those kept is on top.
    kept: BinaryHeap<Reverse<(u64, Reverse<u32>)>>,
    /// Codes that were there.
    pub(super) distinct: u64,
    /// All counts together.
    pub(super) total: u64,
}

impl Top {
    /// None yet, of which so many are wanted.
    pub(super) fn new(wanted: usize) -> Self {
        let floor = if wanted == 0 { u64::MAX } else { 0 };
        Self { wanted, floor, kept: BinaryHeap::new(), distinct: 0, total: 0 }
    }

    /// Another code, above those before; 0 is not there.
    pub(super) fn add(&mut self, code: u32, count: u64) {
        self.distinct += u64::from(count > 0);
        self.total += count;
        // Of as many, the codes before come first.
        if count > self.floor {
            self.keep((count, Reverse(code)));
            if self.kept.len() == self.wanted {
                self.floor = self.kept.peek().map_or(0, |least| least.0.0);
            }
        }
    }

    fn keep(&mut self, one: (u64, Reverse<u32>)) {
        if self.kept.len() < self.wanted {
            self.kept.push(Reverse(one));
        } else if let Some(mut least) = self.kept.peek_mut()
            && one > least.0
        {
            *least = Reverse(one);
        }
    }

    /// Those of both.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.distinct += other.distinct;
        self.total += other.total;
        other.kept.into_iter().for_each(|Reverse(one)| self.keep(one));
        self
    }

    /// The most frequent ones, in order, and the count of all others.
    pub(super) fn into_sorted(self) -> (Vec<(u32, u64)>, u64) {
        let sorted = self.kept.into_sorted_vec();
        let found: Vec<_> = sorted.into_iter().map(|Reverse((count, Reverse(code)))| (code, count)).collect();
        let shown: u64 = found.iter().map(|(_, count)| count).sum();
        (found, self.total.saturating_sub(shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_are_those_of_a_sort() {
        let counts = [3_u64, 0, 7, 7, 1, 3, 9, 0, 7];
        let mut sorted: Vec<(u32, u64)> = (0..).zip(counts).filter(|(_, count)| *count > 0).collect();
        sorted.sort_by_key(|&(code, count)| (Reverse(count), code));
        for wanted in 0..10 {
            let (mut a, mut b) = (Top::new(wanted), Top::new(wanted));
            (0..)
                .zip(counts)
                .for_each(|(code, count)| if code % 2 == 0 { &mut a } else { &mut b }.add(code, count));
            let top = a.join(b);
            assert_eq!((top.distinct, top.total), (7, 37));
            let (found, others) = top.into_sorted();
            assert_eq!(found, sorted[..wanted.min(7)]);
            assert_eq!(others, sorted.iter().skip(wanted).map(|(_, count)| count).sum::<u64>());
        }
    }
}
