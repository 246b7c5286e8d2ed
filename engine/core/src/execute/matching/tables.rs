//! Tables: for each facet, and each class of its values, a bit for every way to meet a rule that the facet does not rule out.
//!
//! Values between which no condition tells a difference are one class. Where a facet has too many, classes are joined, and what the
//! joined ones do not decide is asked of the ways that are left over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compile::Compiled;
use super::facets::{Accepted, Facet, accepted};
use super::reader::{ABSENT, Reader};
use super::terms::{TermId, Terms};
use crate::error::Result;
use crate::rule::bind::ranges::Range;
use crate::snapshot::Snapshot;

/// Words of a block: a cache line. Blocks are taken one after the other, so that the rules of the lowest priority may not be looked at.
pub(super) const BLOCK: usize = 8;
/// A bit for each of so many ways.
pub(super) type Block = [u64; BLOCK];
/// Ends of classes that a table may have.
const BOUNDS_MAX: usize = 511;
/// A facet has a table if one in so many ways looks at it, and at least [`USES_MIN`] do; else it is asked where that matters.
const WAYS_PER_USE_MAX: usize = 256;
const USES_MIN: usize = 4;

/// A way to meet a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// The rule's place in the order of priority.
    pub(super) rule: u32,
    /// Where the parts that tables do not decide begin, and end.
    open: (u32, u32),
}

/// A facet with a table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) reader: Reader,
    /// The first value of each class but the first.
    bounds: Vec<u32>,
    /// Where the bits of the first class are; those of rows without a value come after the last class.
    at: usize,
    /// The parts that look at it.
    pub(super) terms: Vec<TermId>,
}

/// All tables, and what they leave open.
#[derive(Debug)]
pub(super) struct Tables {
    /// The rules' keys in the order of priority.
    pub(super) keys: Vec<u64>,
    pub(super) ways: Vec<Way>,
    open: Vec<TermId>,
    pub(super) tables: Vec<Table>,
    bits: Vec<Block>,
    /// Ways that no condition rules out for everybody.
    pub(super) live: Vec<Block>,
    /// All ways.
    pub(super) everything: Vec<Block>,
    /// Parts that hold for all users, or for none, as long as nothing is overlaid.
    pub(super) fixed: Vec<TermId>,
    /// Which ways a part of a table, or a fixed one, is needed for.
    uses: Uses,
}

/// Ways by the parts they need.
#[derive(Debug, Default)]
struct Uses {
    starts: Vec<u32>,
    ways: Vec<u32>,
}

impl Uses {
    fn new(terms: usize, ways: &[&[TermId]]) -> Self {
        let mut starts = vec![0_u32; terms + 1];
        for &id in ways.iter().copied().flatten() {
            starts[id as usize + 1] += 1;
        }
        for at in 0..terms {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut held = vec![0; starts[terms] as usize];
        for (way, parts) in (0..).zip(ways) {
            for &id in *parts {
                held[next[id as usize] as usize] = way;
                next[id as usize] += 1;
            }
        }
        Self { starts, ways: held }
    }

    fn of(&self, id: TermId) -> &[u32] {
        let (from, to) = (self.starts[id as usize], self.starts[id as usize + 1]);
        &self.ways[from as usize..to as usize]
    }
}

impl Tables {
    pub(super) fn new<'r>(
        snapshot: &Snapshot,
        terms: &Terms,
        rules: impl Iterator<Item = &'r Arc<Compiled>>,
    ) -> Result<Self> {
        let mut rules: Vec<&Compiled> = rules.map(|rule| &**rule).collect();
        rules.sort_unstable_by_key(|rule| (Reverse(rule.priority), rule.key));
        let each = (0..).zip(&rules).flat_map(|(at, rule)| rule.ways.iter().map(move |way| (at, &**way)));
        let (owners, parts): (Vec<u32>, Vec<&[TermId]>) = each.unzip();
        let uses = Uses::new(terms.len(), &parts);
        let (facets, fixed) = by_facet(snapshot, terms, &uses)?;

        let blocks = parts.len().div_ceil(64 * BLOCK);
        let (mut bits, mut tables) = (Vec::new(), Vec::new());
        let mut decided = vec![false; terms.len()];
        for (facet, of) in facets {
            let used: usize = of.iter().map(|(id, _)| uses.of(*id).len()).sum();
            if used < USES_MIN || used * WAYS_PER_USE_MAX < parts.len() {
                continue;
            }
            let bounds = bounds_of(&of);
            let at = bits.len();
            fill(&mut bits, blocks, &bounds, &of, &uses);
            let is_exact = |(_, accepted): &&(TermId, Accepted)| {
                let ends = accepted.ranges.iter().flat_map(|&(from, to)| [from, to]);
                ends.filter(|&end| end > 0 && end < ABSENT).all(|end| bounds.binary_search(&end).is_ok())
            };
            of.iter().filter(is_exact).for_each(|(id, _)| decided[*id as usize] = true);
            let reader = Reader::new(snapshot, terms, facet)?;
            tables.push(Table { reader, bounds, at, terms: of.into_iter().map(|(id, _)| id).collect() });
        }
        let everything = all_of(parts.len());
        let mut live = everything.clone();
        for &(id, holds) in &fixed {
            decided[id as usize] = true;
            if !holds {
                clear(&mut live, uses.of(id));
            }
        }
        let (mut ways, mut open) = (Vec::with_capacity(parts.len()), Vec::new());
        for (rule, parts) in owners.into_iter().zip(&parts) {
            let from = open.len() as u32;
            open.extend(parts.iter().filter(|id| !decided[**id as usize]));
            // What most users fail is asked first.
            open[from as usize..].sort_by(|&a, &b| terms.share(a).total_cmp(&terms.share(b)));
            ways.push(Way { rule, open: (from, open.len() as u32) });
        }
        let keys = rules.iter().map(|rule| rule.key).collect();
        let fixed = fixed.into_iter().map(|(id, _)| id).collect();
        Ok(Self { keys, ways, open, tables, bits, live, everything, fixed, uses })
    }

    pub(super) fn facets(&self) -> usize {
        self.tables.len()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.bits[..]) + size_of_val(&self.ways[..]) + size_of_val(&self.uses.ways[..])
    }

    /// The parts of a way that tables do not decide.
    pub(super) fn open(&self, way: Way) -> &[TermId] {
        &self.open[way.open.0 as usize..way.open.1 as usize]
    }

    /// Takes out the ways that need a part.
    pub(super) fn without(&self, left: &mut [Block], id: TermId) {
        clear(left, self.uses.of(id));
    }

    /// Where the bits for a value of a facet begin.
    #[inline]
    pub(super) fn bits_at(&self, table: &Table, value: u32) -> usize {
        let class = if value == ABSENT {
            table.bounds.len() + 1
        } else {
            table.bounds.partition_point(|&first| first <= value)
        };
        table.at + class * self.live.len()
    }

    /// A block of the bits that begin somewhere.
    #[inline]
    pub(super) fn block(&self, at: usize) -> &Block {
        &self.bits[at]
    }

    /// All of the bits that begin somewhere.
    pub(super) fn all(&self, at: usize) -> &[Block] {
        &self.bits[at..at + self.live.len()]
    }
}

/// A bit for each of so many ways, all of them set.
fn all_of(ways: usize) -> Vec<Block> {
    let mut bits = vec![[0; BLOCK]; ways.div_ceil(64 * BLOCK)];
    let words = bits.as_flattened_mut();
    words[..ways / 64].fill(u64::MAX);
    if !ways.is_multiple_of(64) {
        words[ways / 64] = (1 << (ways % 64)) - 1;
    }
    bits
}

fn clear(bits: &mut [Block], ways: &[u32]) {
    let words = bits.as_flattened_mut();
    for &way in ways {
        words[way as usize / 64] &= !(1 << (way % 64));
    }
}

type ByFacet = BTreeMap<Facet, Vec<(TermId, Accepted)>>;

/// The parts in use by what they look at, and those that hold for all or for none.
fn by_facet(snapshot: &Snapshot, terms: &Terms, uses: &Uses) -> Result<(ByFacet, Vec<(TermId, bool)>)> {
    let (mut facets, mut fixed) = (ByFacet::new(), Vec::new());
    for id in (0..terms.len() as TermId).filter(|&id| !uses.of(id).is_empty()) {
        match accepted(snapshot, terms, id)? {
            Ok(accepted) => facets.entry(accepted.facet).or_default().push((id, accepted)),
            Err(holds) => fixed.push((id, holds)),
        }
    }
    Ok((facets, fixed))
}

/// Where classes begin: where any condition begins or ends to hold, or some of these places.
fn bounds_of(of: &[(TermId, Accepted)]) -> Vec<u32> {
    let ends = of.iter().flat_map(|(_, accepted)| accepted.ranges.iter().flat_map(|&(from, to)| [from, to]));
    let bounds: BTreeSet<u32> = ends.filter(|&end| end > 0 && end < ABSENT).collect();
    let step = bounds.len().div_ceil(BOUNDS_MAX).max(1);
    bounds.into_iter().step_by(step).collect()
}

/// Adds the bits of every class.
fn fill(bits: &mut Vec<Block>, blocks: usize, bounds: &[u32], of: &[(TermId, Accepted)], uses: &Uses) {
    let firsts = std::iter::once(0).chain(bounds.iter().copied());
    let lasts = bounds.iter().map(|&next| next - 1).chain([ABSENT - 1]);
    let classes: Vec<Option<Range>> = firsts.zip(lasts).map(Some).chain([None]).collect();
    for class in classes {
        let at = bits.len();
        bits.resize(at + blocks, [u64::MAX; BLOCK]);
        for (id, accepted) in of {
            let may_hold = match class {
                Some((first, last)) => {
                    let next = accepted.ranges.partition_point(|&(_, to)| to <= first);
                    accepted.ranges.get(next).is_some_and(|&(from, _)| from <= last)
                }
                None => accepted.absent,
            };
            if !may_hold {
                clear(&mut bits[at..], uses.of(*id));
            }
        }
    }
}
