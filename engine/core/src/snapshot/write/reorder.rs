//! Rows in another order than they came in: what was collected by row, read in the new order.
//!
//! A permutation is the list of the rows as they came, in their new order: 4 bytes a row, shared by all columns.

use std::borrow::Cow;

use super::spool::RowBits;

/// Which order a column's rows are wanted in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order<'a> {
    /// As they came.
    Given,
    /// The row that came as `order[i]` is row `i`.
    By(&'a [u32]),
}

/// Which of the values of the rows that have one, in order.
#[derive(Debug)]
pub(super) enum Wanted<'a> {
    /// All, as they came.
    AsGiven,
    /// Those at these positions.
    At(Cow<'a, [u32]>),
}

impl<'a> Order<'a> {
    /// The permutation.
    pub(super) fn new(order: Option<&'a [u32]>) -> Self {
        order.map_or(Self::Given, Self::By)
    }

    /// Marks by row.
    pub(super) fn bits<'b>(&self, bits: &'b RowBits) -> Cow<'b, RowBits> {
        match self {
            Self::Given => Cow::Borrowed(bits),
            Self::By(order) => Cow::Owned(bits.reordered(order)),
        }
    }

    /// The positions of the rows' values among those of the rows that have one.
    pub(super) fn values(&self, present: &RowBits) -> Wanted<'a> {
        match *self {
            Self::Given => Wanted::AsGiven,
            Self::By(order) if present.all() => Wanted::At(Cow::Borrowed(order)),
            Self::By(order) => {
                let ranks = present.ranks();
                Wanted::At(order.iter().filter_map(|&row| ranks.rank(row)).collect())
            }
        }
    }

    /// Calls `f` with the new row and the position of each pair of a row and something, in the rows' new order; pairs of
    /// one row stay in theirs.
    pub(super) fn for_each_pair(&self, pairs: &[[u32; 2]], mut f: impl FnMut(u32, usize)) {
        let Self::By(order) = self else {
            pairs.iter().enumerate().for_each(|(index, [row, _])| f(*row, index));
            return;
        };
        let mut starts = vec![0_u32; order.len() + 1];
        for [row, _] in pairs {
            starts[*row as usize + 1] += 1;
        }
        for row in 0..order.len() {
            starts[row + 1] += starts[row];
        }
        for (new, &row) in (0..).zip(*order) {
            (starts[row as usize]..starts[row as usize + 1]).for_each(|index| f(new, index as usize));
        }
    }

    /// Pairs of a row and something, by their new rows.
    pub(super) fn pairs<'b>(&self, pairs: &'b [[u32; 2]]) -> Cow<'b, [[u32; 2]]> {
        if matches!(self, Self::Given) {
            return Cow::Borrowed(pairs);
        }
        let mut sorted = Vec::with_capacity(pairs.len());
        self.for_each_pair(pairs, |row, index| sorted.push([row, pairs[index][1]]));
        Cow::Owned(sorted)
    }
}

impl Wanted<'_> {
    /// The wanted ones of these values.
    pub(super) fn map<T: Copy, U>(&self, values: &[T], f: impl Fn(T) -> U) -> Vec<U> {
        match self {
            Self::AsGiven => values.iter().map(|&value| f(value)).collect(),
            Self::At(positions) => positions.iter().map(|&at| f(values[at as usize])).collect(),
        }
    }
}
