//! Previews: how many users each part of a rule has, and what leaving it out would change, in one pass over the data.
//!
//! Every condition is evaluated once a chunk; everything else is bits. Upwards a group's rows follow from those of its parts.
//! Downwards go the rows in which a part decides: flip the part there, and the whole rule flips. For the root that is every row, for
//! a part of an AND those in which all parts beside it hold, and so on. A part that is left out of an AND lets the rows in which it
//! decides and does not hold in; left out of an OR, those in which it decides and holds go. So what leaving out costs is known for
//! all parts at once, however many there are, and no rule without one of its parts is ever evaluated.

mod tally;

use std::sync::Arc;

use serde::Serialize;

use super::batch::count_many;
use super::chunk::Evaluator;
use super::drive::over_chunks;
use super::erased;
use super::halt::apart;
use crate::bitmap::{Bits, Set, kernel};
use crate::format::chunks_of;
use crate::plan::{NodeId, Plan, simplified};
use crate::rule::ast::Rule;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::{Binder, Expanded, QueryError, Scope};
use crate::rule::outline::{Join, Kind, Outline};
use crate::snapshot::Snapshot;

use tally::Tally;

/// Parts of a rule up to which each one's effect is told; a rule of more has counts only. It bounds the bits that a thread holds.
pub const PREVIEW_EFFECTS_MAX: usize = 2_000;

/// What a part's bits take a chunk, about, besides evaluating it.
const BITS_NANOS: f64 = 1_000.0;

/// What a rule and its parts come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Users of the whole rule.
    pub count: u64,
    /// The rule, with its parts.
    pub root: PreviewNode,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewNode {
    /// The part as text.
    pub rule: String,
    /// Users for whom it is true by itself.
    pub count: u64,
    /// How many more users the whole rule would have without this part, negative if fewer. Absent for the whole rule, for a part
    /// without which nothing is left of it, and in rules of more than [`PREVIEW_EFFECTS_MAX`] parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<i64>,
    /// The parts of a group, in the order in which they were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PreviewNode>,
}

/// Counts a rule and all its parts, and what each of them costs or brings. A label stands for its rule and is one part.
pub fn preview(
    snapshot: &Arc<Snapshot>,
    outline: &Outline,
    scope: &Scope<'_>,
) -> Result<Preview, QueryError> {
    // The whole has to pass the limits, not only each condition.
    Expanded::new(&outline.rule(), snapshot, scope)?;
    let mut sheet = Sheet::default();
    sheet.add(outline, None);
    let totals = if sheet.parts.len() > PREVIEW_EFFECTS_MAX {
        counts_alone(snapshot, &sheet, scope)?
    } else {
        apart(|_| pass(snapshot, &mut sheet, scope))?
    };
    let root = described(&sheet, 0, &totals);
    Ok(Preview { count: root.count, root })
}

/// A part's users, and how many more the whole has without it; `None` where that is not told.
type Total = (u64, Option<i64>);

fn counts_alone(
    snapshot: &Arc<Snapshot>,
    sheet: &Sheet<'_>,
    scope: &Scope<'_>,
) -> Result<Vec<Total>, QueryError> {
    let rules: Vec<Rule> = sheet.parts.iter().map(|part| part.outline.rule()).collect();
    count_many(snapshot, &rules, scope)?.into_iter().map(|count| Ok((count?, None))).collect()
}

fn pass(
    snapshot: &Arc<Snapshot>,
    sheet: &mut Sheet<'_>,
    scope: &Scope<'_>,
) -> Result<Vec<Total>, QueryError> {
    let binder = Binder::new(snapshot, scope.now)?;
    let conditions = sheet.conditions(snapshot, &binder, scope)?;
    let (plan, roots) = Plan::many(snapshot, &binder, &conditions);
    let roots = roots.into_iter().collect::<Result<Vec<NodeId>, _>>()?;
    plan.check(snapshot)?;
    let each: f64 = roots.iter().map(|&id| plan.nanos(id)).sum();
    let nanos = each + f64::from(chunks_of(snapshot.rows())) * sheet.parts.len() as f64 * BITS_NANOS;
    let totals = over_chunks(
        &plan,
        snapshot,
        &erased(snapshot),
        None,
        nanos,
        |evaluator, chunk| {
            evaluator.enter(chunk);
            OnChunk::new(sheet, &roots, evaluator).totals()
        },
        |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| *a = (a.0 + b.0, a.1 + b.1));
            a
        },
    );
    let totals = totals.unwrap_or_else(|| vec![(0, 0); sheet.parts.len()]);
    let told = |(at, (count, without)): (usize, (u64, i64))| (count, (!sheet.is_all(at)).then_some(without));
    Ok(totals.into_iter().enumerate().map(told).collect())
}

fn described(sheet: &Sheet<'_>, at: usize, totals: &[Total]) -> PreviewNode {
    let part = &sheet.parts[at];
    let (count, without) = totals.get(at).copied().unwrap_or_default();
    let parts = part.children.iter().map(|&child| described(sheet, child, totals)).collect();
    PreviewNode { rule: part.outline.rule().to_string(), count, without, parts }
}

/// The parts of a rule, each before those in it.
#[derive(Default)]
struct Sheet<'o> {
    parts: Vec<Part<'o>>,
}

struct Part<'o> {
    outline: &'o Outline,
    parent: Option<usize>,
    children: Vec<usize>,
    /// What the whole rule asks it to be: below a negation, false.
    asked: bool,
    /// Whether the rows where it is false are needed, and where it is true; the latter always are.
    needed: [bool; 2],
    /// For a condition, where these rows are among the roots.
    roots: [usize; 2],
}

impl<'o> Sheet<'o> {
    fn add(&mut self, outline: &'o Outline, parent: Option<usize>) -> usize {
        let (asked, needed) = match parent.map(|at| &self.parts[at]) {
            None => (true, [false, true]),
            Some(parent) => {
                let not = parent.not();
                let from = |truth: bool| parent.needed[usize::from(truth != not)];
                (parent.asked != not, [from(false), true])
            }
        };
        let at = self.parts.len();
        self.parts.push(Part { outline, parent, children: Vec::new(), asked, needed, roots: [0; 2] });
        for part in &outline.parts {
            let child = self.add(part, Some(at));
            self.parts[at].children.push(child);
        }
        at
    }

    /// The conditions whose rows are needed, after that of all users.
    fn conditions(
        &mut self,
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Condition>, QueryError> {
        let mut conditions = vec![Condition::All];
        for part in &mut self.parts {
            let Kind::Leaf(rule) = &part.outline.kind else { continue };
            let rule = Expanded::new(rule, snapshot, scope)?;
            for truth in [false, true] {
                if part.needed[usize::from(truth)] {
                    part.roots[usize::from(truth)] = conditions.len();
                    conditions.push(simplified(snapshot, binder, rule.bind(binder, truth)?));
                }
            }
        }
        Ok(conditions)
    }

    /// Whether a part is the whole rule, or all that is in it.
    fn is_all(&self, mut at: usize) -> bool {
        while let Some(parent) = self.parts[at].parent {
            if self.parts[parent].children.len() > 1 {
                return false;
            }
            at = parent;
        }
        true
    }
}

impl Part<'_> {
    fn not(&self) -> bool {
        matches!(self.outline.kind, Kind::Group { not: true, .. })
    }

    /// For the rows where a group is so, how many of its parts have to be what, true or false.
    fn threshold(&self, truth: bool) -> (u32, bool) {
        let n = self.children.len() as u32;
        let each = truth != self.not();
        let k = match self.outline.kind {
            Kind::Group { join: Join::And, .. } | Kind::Leaf(_) => n,
            Kind::Group { join: Join::Or, .. } => 1,
            Kind::Group { join: Join::AtLeast(k), .. } => k,
        };
        (if each { k } else { (n + 1).saturating_sub(k) }, each)
    }

    /// Whether the group has more rows without one of its parts, which are those in which that part decided; else it has fewer.
    fn gains(&self) -> bool {
        let each = self.asked != self.not();
        let all = match self.outline.kind {
            Kind::Group { join: Join::And, .. } | Kind::Leaf(_) => true,
            Kind::Group { join: Join::Or, .. } => false,
            Kind::Group { join: Join::AtLeast(k), .. } => k as usize >= self.children.len(),
        };
        all == each
    }
}

/// One chunk's rows of each part.
struct OnChunk<'s, 'e, 'p> {
    sheet: &'s Sheet<'s>,
    evaluator: &'e mut Evaluator<'p>,
    /// The chunk's users.
    everyone: Box<Bits>,
    /// Where each part is false and where it is true, as far as that is needed.
    rows: Vec<[Option<Box<Bits>>; 2]>,
}

impl<'s, 'e, 'p> OnChunk<'s, 'e, 'p> {
    /// Upwards: conditions are evaluated, groups follow from their parts.
    fn new(sheet: &'s Sheet<'s>, roots: &[NodeId], evaluator: &'e mut Evaluator<'p>) -> Self {
        let everyone = evaluator.bits(roots[0]);
        let rows = sheet.parts.iter().map(|_| [None, None]).collect();
        let mut chunk = Self { sheet, evaluator, everyone, rows };
        for (at, part) in sheet.parts.iter().enumerate().rev() {
            for truth in [false, true] {
                if !part.needed[usize::from(truth)] {
                    continue;
                }
                let bits = if part.children.is_empty() {
                    chunk.evaluator.bits(roots[part.roots[usize::from(truth)]])
                } else {
                    let (needed, each) = part.threshold(truth);
                    chunk.tally(at, needed, each).reached
                };
                chunk.rows[at][usize::from(truth)] = Some(bits);
            }
        }
        chunk
    }

    /// In how many of a group's parts each row is so.
    fn tally(&self, at: usize, needed: u32, each: bool) -> Tally {
        let parts: Vec<&Bits> = self.sheet.parts[at]
            .children
            .iter()
            .filter_map(|&child| self.rows[child][usize::from(each)].as_deref())
            .collect();
        Tally::new(&parts, needed, &self.everyone)
    }

    /// Downwards: where each part decides, and what the whole gains or loses without it.
    fn totals(mut self) -> Vec<(u64, i64)> {
        let parts = &self.sheet.parts;
        let mut totals = vec![(0, 0); parts.len()];
        let mut decides: Vec<Option<Box<Bits>>> = parts.iter().map(|_| None).collect();
        for (at, part) in parts.iter().enumerate() {
            totals[at].0 =
                self.rows[at][1].as_deref().map_or(0, |bits| kernel::count_and(&[bits], &[]).into());
            let here = decides[at].take().unwrap_or_else(|| self.everyone.clone());
            if let [child] = part.children[..] {
                // Goes with its group.
                totals[child].1 = totals[at].1;
                decides[child] = Some(here);
                continue;
            }
            if part.children.is_empty() {
                continue;
            }
            let ((needed, each), gains) = (part.threshold(part.asked), part.gains());
            let tally = self.tally(at, needed, each);
            for &child in &part.children {
                let Some(own) = self.rows[child][usize::from(each)].as_deref() else { continue };
                let mut decided = here.clone();
                tally.keep_decided(&mut decided, own);
                let (keep, minus): (&[&Bits], &[&Bits]) =
                    if gains { (&[&decided], &[own]) } else { (&[&decided, own], &[]) };
                let effect = i64::from(kernel::count_and(keep, minus));
                totals[child].1 = if gains { effect } else { -effect };
                if !parts[child].children.is_empty() {
                    decides[child] = Some(decided);
                }
            }
        }
        // Only what the evaluator lent goes back; what was made of it here does not, or it would keep more with each chunk.
        let lent = self.rows.drain(..).zip(parts).filter(|(_, part)| part.children.is_empty());
        for bits in lent.flat_map(|(rows, _)| rows).flatten().chain([self.everyone]) {
            self.evaluator.give(Set::OwnBits(bits));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::kept_bytes;
    use super::*;
    use crate::batch::{Batch, ColumnData, Keys, Values};
    use crate::rule::labels::NoLabels;
    use crate::rule::limits::Limits;
    use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
    use crate::snapshot::{SnapshotWriter, WriteOptions};

    fn snapshot(dir: &std::path::Path) -> Arc<Snapshot> {
        let column = |name: &str| ColumnSchema {
            name: name.into(),
            ty: ColumnType::Scalar(ScalarType::Bool),
            nullable: false,
            held_as: HeldAs::Native,
        };
        let columns = ["a", "b", "c", "d"].map(column).to_vec();
        let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns };
        let mut writer = SnapshotWriter::create(dir, schema, WriteOptions::default()).unwrap();
        let users = 0..3_000_u64;
        let bools = |every: u64| {
            let keys = Keys::Bool(users.clone().map(|user| user % every == 0).collect());
            ColumnData::Scalar(Values { keys, present: None })
        };
        let columns = [2, 3, 5, 7].map(bools).into();
        writer.push(Batch { user_ids: users.clone().collect(), columns }).unwrap();
        writer.finish(&|_| {}).unwrap();
        Arc::new(Snapshot::open(dir).unwrap())
    }

    #[test]
    fn a_thousand_previews_keep_no_more_buffers_than_a_few() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = snapshot(dir.path());
        let limits = Limits::default();
        let scope = Scope { now: 0, labels: &NoLabels, limits: &limits };
        let rule = Rule::parse("at_least(2, a, b, c, d) AND NOT (a AND b) AND (c OR d)", &limits).unwrap();
        let outline = Outline::of(&rule);
        let previews = |times: usize| {
            (0..times).for_each(|_| drop(preview(&snapshot, &outline, &scope).unwrap()));
            kept_bytes()
        };
        let few = previews(5);
        assert_eq!(previews(1_000), few);
    }
}
