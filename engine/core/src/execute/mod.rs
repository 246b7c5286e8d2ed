//! Answers: an audience is a rule bound to one snapshot, and everything that can be asked of it.
//!
//! Whatever selects users ends up as an [`Audience`]; counts, members, membership, reasons, breakdowns and overlaps start from
//! one. All of it is synchronous and, but for the pages that the operating system brings in, in memory.
//!
//! ```
//! # use std::sync::Arc;
//! # use muster_engine::{batch::*, execute::Audience, rule::{ast::Rule, bind::Scope, labels::NoLabels, limits::Limits}};
//! # use muster_engine::{schema::*, snapshot::*};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A table of three users with one column, written as a snapshot.
//! let schema = Schema {
//!     user_id: "user_id".into(),
//!     time_zone: "UTC".into(),
//!     columns: vec![ColumnSchema {
//!         name: "wallet_count".into(),
//!         ty: ColumnType::Scalar(ScalarType::UInt { bits: 8 }),
//!         nullable: false,
//!         held_as: HeldAs::Native,
//!     }],
//! };
//! let dir = std::env::temp_dir().join(format!("muster-example-{}", std::process::id()));
//! let mut writer = SnapshotWriter::create(&dir, schema, WriteOptions::default())?;
//! let wallets = Values { keys: Keys::Fixed8(vec![0, 2, 5]), present: None };
//! writer.push(Batch { user_ids: vec![101, 102, 103], columns: vec![ColumnData::Scalar(wallets)] })?;
//! writer.finish(&|_| {})?;
//!
//! // Ask it.
//! let snapshot = Arc::new(Snapshot::open(&dir)?);
//! let limits = Limits::default();
//! let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
//! let rule = Rule::parse("wallet_count >= 2", &limits)?;
//! let audience = Audience::new(&snapshot, &rule, &scope)?;
//! assert_eq!(audience.count(), 2);
//! assert_eq!(audience.contains(101)?, Some(false));
//! assert_eq!(audience.contains(999)?, None); // not a user
//! let members: Vec<u64> = audience.members(None)?.flatten().collect::<Vec<_>>().concat();
//! assert_eq!(members, [102, 103]);
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok(())
//! # }
//! ```

mod batch;
mod check;
mod chunk;
mod drive;
mod explain;
mod features;
mod halt;
mod matching;
mod members;
mod membership;
mod overlap;
mod overlay;
mod preview;
mod profile;
mod why;

use std::sync::{Arc, OnceLock};

use crate::bitmap::Set;
use crate::error::Result;
use crate::format::chunks_of;
use crate::plan::{NodeId, Op, Plan};
use crate::rule::ast::Rule;
use crate::rule::bind::condition::Condition;
use crate::rule::bind::{Binder, Expanded, QueryError, Scope};
use crate::rule::labels::LabelSets;
use crate::snapshot::{RowSet, Snapshot};

use chunk::{Evaluator, Without, counted, holds};
use drive::{over, over_chunks};
use halt::apart;

pub use batch::{Batch, count_many};
pub use check::{Outcome, Verdict};
pub use explain::{ExplainedNode, Explanation};
pub use features::Feature;
pub use halt::{Halt, Halted, within};
pub use matching::{IndexedRule, Refused, RuleIndex, Standing};
pub use members::Members;
pub use overlap::{OVERLAP_MAX, Overlap, overlap};
pub use overlay::{OVERLAY_VALUES_MAX, Overlay};
pub use preview::{PREVIEW_EFFECTS_MAX, Preview, PreviewNode, preview};
pub use profile::{
    Breakdown, ColumnCounts, Histogram, HistogramBin, Profiler, Quantile, Scale, Stats, ValueCount,
};
pub use why::{FeatureChange, WHY_CONDITIONS_MAX, WHY_VALUES_MAX, Why};

pub use crate::rule::outline::Outline;

/// The users of one snapshot for whom a rule is true.
#[derive(Debug)]
pub struct Audience {
    snapshot: Arc<Snapshot>,
    /// Labels replaced by their rules, but for lists.
    rule: Rule,
    /// The rows of the lists in it.
    lists: LabelSets,
    now: i64,
    plan: Plan,
    /// Set once all bytes that the plan reads were checked.
    checked: OnceLock<()>,
    /// The rule for values that are not the snapshot's, once one was asked about.
    program: OnceLock<overlay::Program>,
}

impl Audience {
    /// Binds and plans a rule. All bytes that counting will read are checked here, once per snapshot; a count that the
    /// index knows reads next to nothing.
    pub fn new(snapshot: &Arc<Snapshot>, rule: &Rule, scope: &Scope<'_>) -> Result<Self, QueryError> {
        let rule = Expanded::new(rule, snapshot, scope)?;
        apart(|_| {
            let binder = Binder::new(snapshot, scope.now)?;
            let condition = rule.bind(&binder, true)?;
            Self::of_condition(snapshot, (rule.rule, rule.lists), &binder, condition)
        })
    }

    fn of_condition(
        snapshot: &Arc<Snapshot>,
        (rule, lists): (Rule, LabelSets),
        binder: &Binder<'_>,
        condition: Condition,
    ) -> Result<Self, QueryError> {
        let plan = Plan::new(snapshot, binder, condition)?;
        let now = binder.clock().now;
        let audience = Self {
            snapshot: Arc::clone(snapshot),
            rule,
            lists,
            now,
            plan,
            checked: OnceLock::new(),
            program: OnceLock::new(),
        };
        if audience.plan.known_count().is_none() || snapshot.masked().is_some() {
            audience.check_bytes()?;
        }
        Ok(audience)
    }

    /// Makes sure that the plan may be evaluated.
    fn check_bytes(&self) -> Result<()> {
        if self.checked.get().is_none() {
            apart(|_| self.plan.check(&self.snapshot))?;
            self.checked.get_or_init(|| ());
        }
        Ok(())
    }

    /// The snapshot it is an audience of; it stays open as long as this does.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The rule, with labels replaced by theirs; a label that is a static list stays.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Binds parts of the rule.
    fn binder(&self) -> Result<Binder<'_>, QueryError> {
        let binder = Binder::new(&self.snapshot, self.now)?;
        binder.know(&self.lists);
        Ok(binder)
    }

    /// The instant that `now()` was, in Unix seconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many users.
    pub fn count(&self) -> u64 {
        self.count_without(&erased(&self.snapshot))
    }

    /// How many of them may be targets: those who did not opt out.
    pub fn count_targetable(&self) -> u64 {
        self.count_without(&untargetable(&self.snapshot))
    }

    fn count_without(&self, without: &Without) -> u64 {
        let root = self.plan.root();
        match self.plan.known_count() {
            Some(known) => known.saturating_sub(self.count_masked(root, without).0),
            None => self.count_node(root, without).0,
        }
    }

    /// Whether counting reads the index alone and evaluates nothing.
    pub fn is_known(&self) -> bool {
        self.plan.known_count().is_some()
    }

    /// How many rows a node of the plan yields, evaluated, and how many stored bytes that used.
    fn count_node(&self, id: NodeId, without: &Without) -> (u64, u64) {
        if let Some((stored, touched)) = self.count_two(id) {
            let (masked, more) = self.count_masked(id, without);
            return (stored.saturating_sub(masked), touched + more);
        }
        let count = |evaluator: &mut Evaluator<'_>, chunk| {
            evaluator.enter(chunk);
            let count = u64::from(evaluator.count(id));
            (count, evaluator.take_touched())
        };
        let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        self.fold_chunks(id, without, self.plan.nanos(id), count, sum).unwrap_or_default()
    }

    /// How many of the masked rows a node yields, and how many stored bytes that used.
    fn count_masked(&self, id: NodeId, without: &Without) -> (u64, u64) {
        let Some(masked) = without else { return (0, 0) };
        // Bytes are checked when the audience is made, but where the index knew its count and nobody was masked yet. Damage then
        // shows in everything else that is asked of it; the count is the index's.
        if self.check_bytes().is_err() {
            return (0, 0);
        }
        let nanos = self.plan.nanos(id) / f64::from(chunks_of(self.snapshot.rows()).max(1));
        let count = |evaluator: &mut Evaluator<'_>, at| {
            evaluator.enter(masked.chunk_at(at));
            (u64::from(evaluator.count_masked(id)), evaluator.take_touched())
        };
        over(masked.chunks(), nanos, || self.evaluator(without), count, |a, b| (a.0 + b.0, a.1 + b.1))
            .unwrap_or_default()
    }

    /// The same of all rows, masked or not, where a node joins two stored bitmaps: their sizes are known, and only chunks where both have rows matter.
    fn count_two(&self, id: NodeId) -> Option<(u64, u64)> {
        let (of, inverted) = match &self.plan.node(id).op {
            Op::And(of) => (of, false),
            Op::Or(of) => (of, true),
            _ => return None,
        };
        let [a, b] = of[..] else { return None };
        let ((a, a_not), (b, b_not)) = (self.plan.stored(a)?, self.plan.stored(b)?);
        let narrower = if a.entries().len() <= b.entries().len() { a } else { b };
        let (common, touched) = over_chunks(
            &self.plan,
            &self.snapshot,
            &None,
            Some(narrower),
            self.plan.nanos(id),
            |evaluator, chunk| {
                evaluator.enter(chunk);
                (u64::from(evaluator.common(a, b)), evaluator.take_touched())
            },
            |a, b| (a.0 + b.0, a.1 + b.1),
        )
        .unwrap_or_default();
        let all = self.snapshot.rows();
        let count: u64 = counted((a.rows(), a_not != inverted), (b.rows(), b_not != inverted), common, all);
        Some((if inverted { u64::from(all).saturating_sub(count) } else { count }, touched))
    }

    fn evaluator(&self, without: &Without) -> Evaluator<'_> {
        Evaluator::new(&self.plan, &self.snapshot, without)
    }

    /// Does something with every chunk in which a node can have rows, and joins the results, in any order.
    fn fold_chunks<'s, T: Send>(
        &'s self,
        id: NodeId,
        without: &Without,
        nanos: f64,
        work: impl Fn(&mut Evaluator<'s>, u32) -> T + Sync,
        join: impl Fn(T, T) -> T + Sync,
    ) -> Option<T> {
        over_chunks(&self.plan, &self.snapshot, without, self.plan.narrowest(id), nanos, work, join)
    }

    /// All rows for which the rule is true, masked ones too, as a set: what [`Labels::rows`](crate::rule::labels::Labels::rows) may
    /// hand out for a label of this rule.
    pub fn row_set(&self) -> Result<RowSet> {
        self.check_bytes()?;
        let root = self.plan.root();
        let chunk = |evaluator: &mut Evaluator<'_>, chunk| {
            evaluator.enter(chunk);
            vec![(chunk, evaluator.chunk_rows_of(root))]
        };
        let chunks = self.fold_chunks(root, &None, self.plan.nanos(root), chunk, |mut a, mut b| {
            a.append(&mut b);
            a
        });
        RowSet::of_chunks(&self.snapshot, chunks.unwrap_or_default())
    }

    /// Calls `f` with the audience's rows in each chunk that may have some, on all cores, in no order: the chunk, the rows, and how
    /// many rows the chunk has.
    pub fn for_each_chunk(&self, f: impl Fn(u32, &Set<'_>, u32) + Sync) -> Result<()> {
        self.check_bytes()?;
        let root = self.plan.root();
        self.fold_chunks(
            root,
            &erased(&self.snapshot),
            f64::INFINITY,
            |evaluator, chunk| {
                evaluator.enter(chunk);
                let set = evaluator.rows(root);
                f(chunk, &set, evaluator.chunk_rows());
                evaluator.give(set);
            },
            |(), ()| (),
        );
        Ok(())
    }
}

/// The rows of users who were erased.
fn erased(snapshot: &Snapshot) -> Without {
    snapshot.masked().map(|masked| Arc::clone(&masked.erased)).filter(|rows| !rows.is_empty())
}

/// The same, and the rows of users who opted out.
fn untargetable(snapshot: &Snapshot) -> Without {
    snapshot.masked().map(|masked| Arc::clone(&masked.untargetable)).filter(|rows| !rows.is_empty())
}
