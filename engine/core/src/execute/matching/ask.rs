//! Asking: which of the rules one user meets.

use std::cell::RefCell;

use super::tables::{BLOCK, Block, Way};
use super::terms::{Term, TermId};
use super::{RuleIndex, Standing};
use crate::error::Result;
use crate::execute::chunk::holds;
use crate::execute::overlay::{Overlay, View};
use crate::rule::bind::QueryError;

thread_local! {
    /// What the thread's last question left, for the next one.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

/// Buffers of a thread.
#[derive(Debug)]
struct Scratch {
    /// For each part the question that it was asked in last, and whether it held: twice the question's number, or one more.
    asked: Vec<u32>,
    question: u32,
    /// Where each facet's bits are.
    at: Vec<usize>,
    /// Ways that are left over, under an overlay.
    left: Vec<Block>,
}

impl Scratch {
    const fn new() -> Self {
        Self { asked: Vec::new(), question: 0, at: Vec::new(), left: Vec::new() }
    }

    /// Begins a question about an index with so many parts. Other indexes may have been asked in between: their answers are of other
    /// questions.
    fn begin(&mut self, terms: usize) {
        if self.question >= u32::MAX / 2 - 1 {
            self.asked.clear();
            self.question = 0;
        }
        self.question += 1;
        if self.asked.len() < terms {
            self.asked.resize(terms, 0);
        }
    }
}

impl RuleIndex {
    /// Puts the keys of the rules that a user meets into `keys`, in the order of their priority and at most `limit` of them; what was in
    /// it goes. Who was erased or opted out meets none.
    pub fn matching(&self, user_id: u64, limit: usize, keys: &mut Vec<u64>) -> Result<Standing> {
        let (standing, row) = self.standing(user_id)?;
        keys.clear();
        if let Some(row) = row {
            let mut found = Found { keys, limit, accept: |_| true };
            with_scratch(|scratch| self.ask(row, scratch, &mut found))?;
        }
        Ok(standing)
    }

    /// The same as if the user had the values of an overlay. Conditions that look at none of them cost what they cost otherwise, the
    /// others a comparison each.
    pub fn matching_with(
        &self,
        user_id: u64,
        overlay: &Overlay,
        limit: usize,
        keys: &mut Vec<u64>,
    ) -> Result<Standing, QueryError> {
        self.matching_among(user_id, overlay, limit, |_| true, keys)
    }

    /// The same of those rules only whose keys are accepted. A rule that is not takes no place of the limit, and its conditions are not
    /// asked.
    pub fn matching_among(
        &self,
        user_id: u64,
        overlay: &Overlay,
        limit: usize,
        accept: impl FnMut(u64) -> bool,
        keys: &mut Vec<u64>,
    ) -> Result<Standing, QueryError> {
        overlay.check_schema(self.snapshot.schema())?;
        let (standing, row) = self.standing(user_id)?;
        keys.clear();
        if let Some(row) = row {
            let mut found = Found { keys, limit, accept };
            with_scratch(|scratch| {
                if overlay.is_empty() {
                    self.ask(row, scratch, &mut found)
                } else {
                    self.ask_with(View::new(&self.snapshot, row, overlay), scratch, &mut found)
                }
            })?;
        }
        Ok(standing)
    }

    /// How a user stands, and the row of one who may be a target.
    fn standing(&self, user_id: u64) -> Result<(Standing, Option<u32>)> {
        let Some(row) = self.snapshot.ids().row(user_id)? else { return Ok((Standing::Unknown, None)) };
        Ok(match self.snapshot.targetable(row) {
            None => (Standing::Unknown, None),
            Some(false) => (Standing::OptedOut, None),
            Some(true) => (Standing::Known, Some(row)),
        })
    }

    fn ask(
        &self,
        row: u32,
        scratch: &mut Scratch,
        found: &mut Found<'_, impl FnMut(u64) -> bool>,
    ) -> Result<()> {
        scratch.begin(self.terms.len());
        let Scratch { asked, question, at, .. } = scratch;
        let mut asking = Asking { index: self, row, view: None, asked, question: *question };
        let tables = &self.tables;
        at.clear();
        for table in &tables.tables {
            let group = |id| asking.holds(id).unwrap_or_default();
            let value = table.reader.read(&self.snapshot, row, group);
            at.push(tables.bits_at(table, value));
        }
        for (block, live) in tables.live.iter().enumerate() {
            let mut left = *live;
            for &at in &*at {
                let bits = tables.block(at + block);
                for word in 0..BLOCK {
                    left[word] &= bits[word];
                }
            }
            if left != [0; BLOCK] && asking.tell(block * BLOCK, &left, found)? {
                break;
            }
        }
        Ok(())
    }

    fn ask_with(
        &self,
        view: View<'_>,
        scratch: &mut Scratch,
        found: &mut Found<'_, impl FnMut(u64) -> bool>,
    ) -> Result<()> {
        scratch.begin(self.terms.len());
        let Scratch { asked, question, left, .. } = scratch;
        let mut asking = Asking { index: self, row: view.row, view: Some(view), asked, question: *question };
        let tables = &self.tables;
        left.clone_from(&tables.everything);
        for table in &tables.tables {
            if table.terms.iter().any(|&id| asking.is_touched(id)) {
                for &id in &table.terms {
                    if !asking.holds(id)? {
                        tables.without(left, id);
                    }
                }
                continue;
            }
            let group = |id| asking.holds(id).unwrap_or_default();
            let value = table.reader.read(&self.snapshot, view.row, group);
            let bits = tables.all(tables.bits_at(table, value));
            let words = left.as_flattened_mut().iter_mut().zip(bits.as_flattened());
            words.for_each(|(left, bits)| *left &= bits);
        }
        for &id in &tables.fixed {
            if !asking.holds(id)? {
                tables.without(left, id);
            }
        }
        asking.tell(0, left.as_flattened(), found)?;
        Ok(())
    }
}

/// Does something with this thread's buffers.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        // Nothing asks while it is asked; if something did, it would have buffers of its own.
        Err(_) => work(&mut Scratch::new()),
    })
}

/// What was found, and what is wanted.
struct Found<'a, F> {
    keys: &'a mut Vec<u64>,
    limit: usize,
    accept: F,
}

impl<F> Found<'_, F> {
    fn is_enough(&self) -> bool {
        self.keys.len() >= self.limit
    }
}

/// One question.
struct Asking<'a> {
    index: &'a RuleIndex,
    row: u32,
    view: Option<View<'a>>,
    asked: &'a mut Vec<u32>,
    question: u32,
}

impl Asking<'_> {
    /// Adds the keys of the accepted rules that a way among these, from a word on, leads to; whether there are enough.
    fn tell(
        &mut self,
        from: usize,
        left: &[u64],
        found: &mut Found<'_, impl FnMut(u64) -> bool>,
    ) -> Result<bool> {
        let tables = &self.index.tables;
        for (word, &bits) in (from..).zip(left) {
            let mut rest = bits;
            while rest != 0 {
                if found.is_enough() {
                    return Ok(true);
                }
                let Some(&way) = tables.ways.get(word * 64 + rest.trailing_zeros() as usize) else { break };
                rest &= rest - 1;
                let Some(&key) = tables.keys.get(way.rule as usize) else { continue };
                // Ways to meet one rule follow each other.
                if found.keys.last() != Some(&key) && (found.accept)(key) && self.is_met(way)? {
                    found.keys.push(key);
                }
            }
        }
        Ok(found.is_enough())
    }

    fn is_met(&mut self, way: Way) -> Result<bool> {
        for &id in self.index.tables.open(way) {
            if !self.holds(id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a part holds; found out once a question.
    fn holds(&mut self, id: TermId) -> Result<bool> {
        let known = self.asked[id as usize];
        if known / 2 == self.question {
            return Ok(known % 2 == 1);
        }
        let index = self.index;
        let found = match index.terms.get(id) {
            Term::Leaf(leaf) => match &self.view {
                Some(view) if leaf.leaf.touched_by(view.overlay) => {
                    leaf.leaf.holds_in(view, index.terms.clock())?
                }
                _ => holds(&leaf.plan, index.snapshot.ids(), leaf.plan.root(), self.row),
            },
            Term::All(of) => self.at_least(of.len() as u32, of)?,
            Term::Any(of) => self.at_least(1, of)?,
            Term::AtLeast(k, of) => self.at_least(*k, of)?,
            Term::Not(of) => !self.holds(*of)?,
        };
        self.asked[id as usize] = self.question * 2 + u32::from(found);
        Ok(found)
    }

    fn at_least(&mut self, k: u32, of: &[TermId]) -> Result<bool> {
        let (mut needed, mut left) = (k as usize, of.len());
        for &id in of {
            if needed == 0 || needed > left {
                break;
            }
            needed -= usize::from(self.holds(id)?);
            left -= 1;
        }
        Ok(needed == 0)
    }

    /// Whether an overlay may turn a part.
    fn is_touched(&self, id: TermId) -> bool {
        match (self.index.terms.get(id), &self.view) {
            (Term::Leaf(leaf), Some(view)) => leaf.leaf.touched_by(view.overlay),
            (Term::Not(of), _) => self.is_touched(*of),
            // Asking a group asks its parts, which know.
            _ => false,
        }
    }
}
