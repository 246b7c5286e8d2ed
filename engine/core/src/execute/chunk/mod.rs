//! A plan on one chunk: the rows it yields, or only how many, straight from the stored containers.

mod at_least;
mod codes;
mod pair;
mod row;

use std::cell::RefCell;
use std::sync::Arc;

use crate::bitmap::{
    Bits, Container, Leaf as Bitmap, Part, Scratch, Set, Terms, and, common, count_and, kernel,
};
use crate::column::Ids;
use crate::format::rows_in_chunk;
use crate::plan::{NodeId, Op, Plan};
use crate::snapshot::{ChunkRows, MaskedRows, Snapshot};

pub(super) use row::holds;
use row::in_ranges;

/// The rows that an operation leaves out, which it takes once, when it begins.
pub(super) type Without = Option<Arc<MaskedRows>>;

/// Masked rows of a chunk up to which each is looked at by itself.
const MASKED_PROBED_MAX: usize = 32;
/// With fewer rows left than this, an expensive term is asked about each row rather than evaluated.
const PROBE_ROWS_MAX: u32 = 512;
/// Rows of a chunk that are kept as a list; more are kept as bits.
const KEPT_LISTED_MAX: u32 = 4096;

thread_local! {
    /// Buffers of evaluations that ended, for the next one on this thread.
    static BUFFERS: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

/// Evaluates a plan chunk by chunk on one thread, reusing its buffers.
#[derive(Debug)]
pub(super) struct Evaluator<'p> {
    plan: &'p Plan,
    ids: &'p Ids,
    table_rows: u32,
    /// Rows that no answer has.
    without: Without,
    chunk: u32,
    chunk_rows: u32,
    scratch: Scratch,
    /// Lists of terms that are not in use.
    // Boxed because they are large and taken for every AND of every chunk.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Terms<'p>>>,
    /// Results that are used more than once; all are borrowed or shared.
    memo: Vec<Option<Part<'p>>>,
    /// Ids of the rows that are looked at one by one.
    wanted_ids: Vec<u64>,
    /// Stored bytes of bitmaps, orders, codes and ids that were used so far, for `explain`.
    touched: u64,
}

impl Drop for Evaluator<'_> {
    fn drop(&mut self) {
        self.forget();
        let scratch = std::mem::take(&mut self.scratch);
        // The thread may be ending; then the buffers just go.
        let _ = BUFFERS.try_with(|buffers| buffers.borrow_mut().push(scratch));
    }
}

/// Bytes of the buffers that wait on this thread for the next evaluation.
#[cfg(test)]
pub(super) fn kept_bytes() -> usize {
    BUFFERS.with_borrow(|buffers| buffers.iter().map(Scratch::kept_bytes).sum())
}

impl<'p> Evaluator<'p> {
    pub(super) fn new(plan: &'p Plan, snapshot: &'p Snapshot, without: &Without) -> Self {
        let scratch =
            BUFFERS.try_with(|buffers| buffers.borrow_mut().pop()).ok().flatten().unwrap_or_default();
        let memo = (0..plan.memo_slots()).map(|_| None).collect();
        Self {
            plan,
            ids: snapshot.ids(),
            table_rows: snapshot.rows(),
            without: without.clone(),
            chunk: 0,
            chunk_rows: 0,
            scratch,
            spare: Vec::new(),
            memo,
            wanted_ids: Vec::new(),
            touched: 0,
        }
    }

    /// Goes to a chunk.
    pub(super) fn enter(&mut self, chunk: u32) {
        self.chunk = chunk;
        self.chunk_rows = rows_in_chunk(self.table_rows, chunk);
        self.forget();
    }

    fn forget(&mut self) {
        for slot in &mut self.memo {
            if let Some(part) = slot.take() {
                self.scratch.give(part.set);
            }
        }
    }

    /// Stored bytes that were used since this was last asked.
    pub(super) fn take_touched(&mut self) -> u64 {
        std::mem::take(&mut self.touched)
    }

    /// A stored container that is about to be used.
    fn container(&mut self, leaf: &'p Bitmap) -> Set<'p> {
        let container = leaf.container(self.chunk);
        self.touched += container.bytes() as u64;
        container.into()
    }

    /// Rows in the chunk.
    pub(super) fn chunk_rows(&self) -> u32 {
        self.chunk_rows
    }

    /// Takes a set's buffer back.
    pub(super) fn give(&mut self, set: Set<'p>) {
        self.scratch.give(set);
    }

    /// The rows of this chunk that a node yields, without the masked ones.
    pub(super) fn rows(&mut self, id: NodeId) -> Set<'p> {
        let set = self.part(id).into_set(self.chunk_rows, &mut self.scratch);
        match &self.without {
            Some(masked) => set.without(masked.in_chunk(self.chunk), self.chunk_rows, &mut self.scratch),
            None => set,
        }
    }

    /// The same to be kept.
    pub(super) fn chunk_rows_of(&mut self, id: NodeId) -> ChunkRows {
        let set = self.rows(id);
        if set.count(self.chunk_rows) > KEPT_LISTED_MAX {
            let bits = set.into_bits(self.chunk_rows, &mut self.scratch);
            return ChunkRows::Bits(bits);
        }
        let mut rows = Vec::new();
        set.for_each(self.chunk_rows, |row| rows.push(row));
        self.give(set);
        ChunkRows::Listed(rows)
    }

    /// The same as bits.
    pub(super) fn bits(&mut self, id: NodeId) -> Box<Bits> {
        let set = self.rows(id);
        set.into_bits(self.chunk_rows, &mut self.scratch)
    }

    /// How many rows of this chunk a node yields, without the masked ones.
    pub(super) fn count(&mut self, id: NodeId) -> u32 {
        self.count_stored(id).saturating_sub(self.count_masked(id))
    }

    /// How many masked rows of this chunk a node yields.
    pub(super) fn count_masked(&mut self, id: NodeId) -> u32 {
        let Some(without) = &self.without else { return 0 };
        let masked = without.in_chunk(self.chunk);
        let base = self.chunk << 16;
        match masked {
            Container::Empty => 0,
            Container::Array(rows) if rows.len() <= MASKED_PROBED_MAX => {
                let holds = |row: u16| holds(self.plan, self.ids, id, base | u32::from(row));
                rows.iter().filter(|&&row| holds(row)).count() as u32
            }
            _ => {
                let set = self.part(id).into_set(self.chunk_rows, &mut self.scratch);
                let masked = self.without.as_ref().map_or(Container::Empty, |of| of.in_chunk(self.chunk));
                let count = common(set.view(), masked, self.chunk_rows, &mut self.scratch);
                self.scratch.give(set);
                count
            }
        }
    }

    /// How many rows of this chunk a node yields, masked ones too.
    fn count_stored(&mut self, id: NodeId) -> u32 {
        let plan = self.plan;
        let node = plan.node(id);
        match &node.op {
            Op::Bitmap(leaf) => rows_of(leaf, self.chunk),
            Op::NotBitmap(leaf) => self.chunk_rows.saturating_sub(rows_of(leaf, self.chunk)),
            Op::And(of) if node.memo.is_none() => self.count_all(of, false),
            Op::Or(of) if node.memo.is_none() => self.chunk_rows.saturating_sub(self.count_all(of, true)),
            _ => {
                let part = self.part(id);
                let count = part.count(self.chunk_rows);
                self.scratch.give(part.set);
                count
            }
        }
    }

    /// What a node yields on this chunk, perhaps as the rows it does not yield.
    fn part(&mut self, id: NodeId) -> Part<'p> {
        let Some(slot) = self.plan.node(id).memo else { return self.compute(id) };
        if self.memo[slot].is_none() {
            let part = self.compute(id);
            self.memo[slot] = Some(Part { set: part.set.shared(), not: part.not });
        }
        let known = self.memo[slot].as_ref();
        let again = known.and_then(|part| part.set.again().map(|set| Part { set, not: part.not }));
        again.unwrap_or_else(|| Part::is(Set::Empty))
    }

    fn compute(&mut self, id: NodeId) -> Part<'p> {
        let plan = self.plan;
        match &plan.node(id).op {
            Op::None => Part::is(Set::Empty),
            Op::All => Part::is(Set::Full),
            Op::Bitmap(leaf) => Part::is(self.container(leaf)),
            Op::NotBitmap(leaf) => Part::is_not(self.container(leaf)),
            Op::Rows(rows) => Part::is(self.listed(rows)),
            Op::NotRows(rows) => Part::is_not(self.listed(rows)),
            Op::Codes(codes) => self.codes(codes),
            Op::UserIds(ranges) => Part::is(self.by_id(ranges)),
            Op::Bucket { seed, low, high, inside } => {
                let base = self.chunk << 16;
                let ids = self.ids.ids(base, base + self.chunk_rows).unwrap_or_default();
                self.touched += size_of_val(ids) as u64;
                let mut bits = self.scratch.zeroed();
                kernel::in_bucket(&mut bits, ids, *seed, (*low, *high), *inside);
                Part::is(Set::OwnBits(bits))
            }
            Op::Pair(pair) => self.pair(pair),
            Op::And(of) => self.all(of, false),
            Op::Or(of) => self.all(of, true).inverted(),
            Op::AtLeast(k, of) => self.at_least(*k, of),
        }
    }

    /// Explicit rows, as far as they are in this chunk.
    fn listed(&mut self, rows: &[u32]) -> Set<'p> {
        let from = rows.partition_point(|&row| row >> 16 < self.chunk);
        let here = rows[from..].iter().take_while(|&&row| row >> 16 == self.chunk);
        let mut array = self.scratch.array();
        array.extend(here.map(|&row| row as u16));
        if array.is_empty() {
            self.scratch.give(Set::OwnArray(array));
            return Set::Empty;
        }
        Set::OwnArray(array)
    }

    fn by_id(&mut self, ranges: &[(u64, u64)]) -> Set<'p> {
        let base = self.chunk << 16;
        let ids = self.ids.ids(base, base + self.chunk_rows).unwrap_or_default();
        self.touched += size_of_val(ids) as u64;
        let mut bits = self.scratch.zeroed();
        kernel::set_where(&mut bits, ids, |id| in_ranges(ranges, id));
        Set::OwnBits(bits)
    }

    /// The rows that all nodes yield, or, if `inverted`, that none of them does.
    fn all(&mut self, of: &[NodeId], inverted: bool) -> Part<'p> {
        let mut terms = self.gather(of, inverted);
        let part = and(&mut terms, self.chunk_rows, &mut self.scratch);
        self.spare.push(terms);
        part
    }

    fn count_all(&mut self, of: &[NodeId], inverted: bool) -> u32 {
        if let [a, b] = of
            && let (Some((a, a_not)), Some((b, b_not))) = (self.plan.stored(*a), self.plan.stored(*b))
        {
            let common = self.common(a, b);
            let (a, b) = (rows_of(a, self.chunk), rows_of(b, self.chunk));
            return counted((a, a_not != inverted), (b, b_not != inverted), common.into(), self.chunk_rows);
        }
        let mut terms = self.gather(of, inverted);
        let count = count_and(&mut terms, self.chunk_rows, &mut self.scratch);
        self.spare.push(terms);
        count
    }

    /// A node that is a stored bitmap: its container here, its rows, and whether its complement is meant.
    fn stored(&self, id: NodeId, inverted: bool) -> Option<(Container<'p>, u32, bool)> {
        let (leaf, not) = match &self.plan.node(id).op {
            Op::Bitmap(leaf) => (leaf, inverted),
            Op::NotBitmap(leaf) => (leaf, !inverted),
            _ => return None,
        };
        Some(match leaf.entry(self.chunk) {
            Some(entry) => (leaf.container_of(entry), entry.rows, not),
            None => (Container::Empty, 0, not),
        })
    }

    /// How many rows of this chunk two stored bitmaps have in common.
    pub(super) fn common(&mut self, a: &'p Bitmap, b: &'p Bitmap) -> u32 {
        let (Some(a_entry), Some(b_entry)) = (a.entry(self.chunk), b.entry(self.chunk)) else { return 0 };
        if a_entry.rows == self.chunk_rows {
            return b_entry.rows;
        }
        if b_entry.rows == self.chunk_rows {
            return a_entry.rows;
        }
        let (a, b) = (a.container_of(a_entry), b.container_of(b_entry));
        self.touched += (a.bytes() + b.bytes()) as u64;
        common(a, b, self.chunk_rows, &mut self.scratch)
    }

    /// What the nodes yield here: stored bitmaps first, because an empty one ends it, then what has to be computed. With few
    /// rows left, a computed term is asked about these rows only.
    fn gather(&mut self, of: &[NodeId], inverted: bool) -> Box<Terms<'p>> {
        let mut terms = self.spare.pop().unwrap_or_default();
        let plan = self.plan;
        for &id in of {
            let Some((container, rows, not)) = self.stored(id, inverted) else { continue };
            self.touched += container.bytes() as u64;
            terms.push_stored(Part { set: container.into(), not }, rows, &mut self.scratch);
            if terms.is_none() {
                return terms;
            }
        }
        for &id in of {
            let node = plan.node(id);
            if matches!(node.op, Op::Bitmap(_) | Op::NotBitmap(_)) {
                continue;
            }
            let few = terms.rows_at_most().is_some_and(|rows| rows as u32 <= PROBE_ROWS_MAX);
            if !inverted && (few || node.row_wise && node.memo.is_none()) {
                self.narrow(&mut terms, id);
            } else {
                let part = self.part(id);
                terms.push(Part { set: part.set, not: part.not != inverted }, &mut self.scratch);
            }
            if terms.is_none() {
                break;
            }
        }
        terms
    }

    /// Adds a term by looking only at the rows that the other terms leave, if these are few enough.
    fn narrow(&mut self, terms: &mut Terms<'p>, id: NodeId) {
        let left =
            and(terms, self.chunk_rows, &mut self.scratch).into_set(self.chunk_rows, &mut self.scratch);
        let rows = left.count(self.chunk_rows);
        let op = &self.plan.node(id).op;
        // How many times longer one row takes than one of a whole chunk.
        let dearer = match op {
            Op::Bucket { .. } => 2,
            Op::Pair(_) | Op::UserIds(_) => 8,
            _ => u32::MAX,
        };
        if rows <= PROBE_ROWS_MAX || rows < self.chunk_rows / dearer {
            let set = self.keep_where(&left, op, id);
            self.scratch.give(left);
            terms.push(Part::is(set), &mut self.scratch);
        } else {
            terms.push(Part::is(left), &mut self.scratch);
            let part = self.part(id);
            terms.push(part, &mut self.scratch);
        }
    }

    /// The rows of a set for which a node holds.
    fn keep_where(&mut self, of: &Set<'p>, op: &Op, id: NodeId) -> Set<'p> {
        let mut kept = self.scratch.array();
        let base = self.chunk << 16;
        if let Op::Bucket { seed, low, high, inside } = op {
            of.for_each(self.chunk_rows, |row| kept.push(row));
            let ids = self.ids.ids(base, base + self.chunk_rows).unwrap_or_default();
            self.touched += kept.len() as u64 * 8;
            self.wanted_ids.clear();
            self.wanted_ids
                .extend(kept.iter().map(|&row| ids.get(row as usize).copied().unwrap_or_default()));
            let mut hits = self.scratch.zeroed();
            kernel::in_bucket(&mut hits, &self.wanted_ids, *seed, (*low, *high), *inside);
            let mut at = 0;
            kept.retain(|_| {
                let hit = hits[at / 64] >> (at % 64) & 1 == 1;
                at += 1;
                hit
            });
            self.scratch.give(Set::OwnBits(hits));
        } else {
            of.for_each(self.chunk_rows, |row| {
                if holds(self.plan, self.ids, id, base | u32::from(row)) {
                    kept.push(row);
                }
            });
        }
        if kept.is_empty() {
            self.scratch.give(Set::OwnArray(kept));
            return Set::Empty;
        }
        Set::OwnArray(kept)
    }
}

/// How many of `all` rows are in both sets, or in their complements where that is meant: from their sizes and what they have in
/// common. Damaged bytes may have more in common than they have rows.
pub(super) fn counted<N: Into<u64>, R: TryFrom<u64> + Default>(
    a: (N, bool),
    b: (N, bool),
    common: u64,
    all: N,
) -> R {
    let ((a, a_not), (b, b_not), all) = ((a.0.into(), a.1), (b.0.into(), b.1), all.into());
    let count = match (a_not, b_not) {
        (false, false) => common,
        (false, true) => a.saturating_sub(common),
        (true, false) => b.saturating_sub(common),
        (true, true) => (all + common).saturating_sub(a + b),
    };
    R::try_from(count).unwrap_or_default()
}

fn rows_of(leaf: &Bitmap, chunk: u32) -> u32 {
    leaf.entry(chunk).map_or(0, |entry| entry.rows)
}
