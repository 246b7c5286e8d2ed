//! Users who were erased are in no answer, and those who opted out are no targets: random rules on random populations with random
//! masks, every operation against the naive evaluator, or a snapshot of the table, without these users.
//!
//! `MUSTER_ERASING_SECONDS` says how long (5 if unset); `MUSTER_ERASING_SEED` repeats the population that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::diff::{Diff, Moved};
use muster_engine::execute::{Audience, Batch, Scale, overlap};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::limits::Limits;
use muster_engine::schema::ColumnType;
use muster_engine::snapshot::{Author, MaskChange, Snapshot, Store};
use truth::engine;
use truth::generate::Rules;
use truth::naive::Naive;
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::table::Table;

const NOW: i64 = 1_795_168_800;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn somebody() -> Author {
    Author { user: "alice".into(), host: "here".into(), clock: || NOW }
}

#[test]
fn erased_users_are_in_no_answer_and_those_who_opted_out_are_no_targets() {
    if let Some(seed) = setting("MUSTER_ERASING_SEED") {
        check_population(seed);
        return;
    }
    let time = Duration::from_secs(setting("MUSTER_ERASING_SECONDS").unwrap_or(5));
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 * 1_000_000;
    let (begun, mut seed, mut rules) = (Instant::now(), start, 0);
    while begun.elapsed() < time {
        rules += check_population(seed);
        seed += 1;
    }
    println!("{rules} rules on {} populations from seed {start}", seed - start);
    assert!(rules > 20, "{rules} rules");
}

/// Who is masked, of a table's users.
struct Chosen {
    erased: BTreeSet<u64>,
    opted_out: BTreeSet<u64>,
}

impl Chosen {
    fn new(table: &Table, rng: &mut Rng) -> Self {
        // Few, so that rows are looked at one by one; many, so that they are bits; all.
        let shares = [0, 1, 1, 10, 100, 500, 1000];
        let (erased, out) = (*rng.pick(&shares), *rng.pick(&shares));
        let mut some = |share| {
            let users = table.user_ids.iter().copied();
            users.filter(|_| rng.below(1000) < share).collect::<BTreeSet<u64>>()
        };
        Self { erased: some(erased), opted_out: some(out) }
    }

    fn apply(&self, store: &Store, snapshot: &Snapshot, strangers: &[u64]) {
        let of = |set: &BTreeSet<u64>| set.iter().chain(strangers).copied().collect::<Vec<u64>>();
        store.change_masks(&somebody(), MaskChange::Erase, &of(&self.erased)).unwrap();
        store.change_masks(&somebody(), MaskChange::OptOut, &of(&self.opted_out)).unwrap();
        snapshot.apply_masks(&store.masks().unwrap()).unwrap();
    }
}

fn check_population(seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let rows = populate::rows(&mut rng);
    let columns = 1 + rng.below(8);
    let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
    let built = engine::build(&table, &mut rng).unwrap();
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let dir = dir.unwrap();
    let store = Store::create(dir.path()).unwrap();
    let chosen = Chosen::new(&table, &mut rng);
    let kept: Vec<usize> =
        (0..table.rows()).filter(|&row| !chosen.erased.contains(&table.user_ids[row])).collect();
    let smaller = table.take(&kept);
    let smaller_built = engine::build(&smaller, &mut rng).unwrap();
    let mut rules = Rules::new(&table, NOW, rng.fork());
    let count = if rows > 10_000 { 6 } else { 30 };
    let mut asked: Vec<Rule> = (0..count).map(|_| rules.rule()).collect();
    asked.retain(|rule| !engine::too_large(rule, &rules.labels));
    asked.extend([Rule::Const(true), Rule::Const(false)]);
    let labels = engine::labels(&rules.labels);
    let limits = Limits::default();
    let scope = Scope { now: NOW, labels: &labels, limits: &limits };
    // Made while nobody is masked yet.
    let audience = |snapshot: &Arc<Snapshot>, rule: &Rule| match Audience::new(snapshot, rule, &scope) {
        Ok(audience) => audience,
        Err(error) => panic!("MUSTER_ERASING_SEED={seed}: {rule}: {error}"),
    };
    let before: Vec<Audience> = asked.iter().map(|rule| audience(&built.snapshot, rule)).collect();
    let batch_before = Batch::new(&built.snapshot, &asked, &scope).unwrap();
    let full = before.iter().map(Audience::count).collect::<Vec<u64>>();
    let strangers: Vec<u64> = (0..3).map(|_| rng.next()).filter(|id| !table.user_ids.contains(id)).collect();
    chosen.apply(&store, &built.snapshot, &strangers);
    assert_eq!(built.snapshot.users(), kept.len() as u64, "MUSTER_ERASING_SEED={seed}");
    let after: Vec<Audience> = asked.iter().map(|rule| audience(&built.snapshot, rule)).collect();
    let batch_after = Batch::new(&built.snapshot, &asked, &scope).unwrap();
    let naive = Naive::new(&smaller, NOW, &rules.labels);
    let mut counts = Vec::new();
    for (at, rule) in asked.iter().enumerate() {
        let members: BTreeSet<u64> = smaller
            .user_ids
            .iter()
            .zip(naive.answers(rule))
            .filter_map(|(&id, answer)| (answer == Some(true)).then_some(id))
            .collect();
        counts.push(members.len() as u64);
        let other = audience(&smaller_built.snapshot, rule);
        for audience in [&before[at], &after[at]] {
            let case = Case { chosen: &chosen, table: &table, members: &members };
            case.check(audience, &mut rng)
                .and_then(|()| case.figures(audience, &other))
                .unwrap_or_else(|what| panic!("MUSTER_ERASING_SEED={seed}: {rule}: {what}"));
        }
    }
    for batch in [&batch_before, &batch_after] {
        let found: Vec<u64> = batch.counts().into_iter().map(|count| count.unwrap()).collect();
        assert_eq!(found, counts, "MUSTER_ERASING_SEED={seed}: together, {full:?} before");
    }
    let pair = overlap(&[&before[0], &after[1 % after.len()]]).unwrap();
    let pair_kept = overlap(&[
        &audience(&smaller_built.snapshot, &asked[0]),
        &audience(&smaller_built.snapshot, &asked[1 % asked.len()]),
    ])
    .unwrap();
    assert_eq!(pair, pair_kept, "MUSTER_ERASING_SEED={seed}");
    differences(&built.snapshot, &smaller_built.snapshot, (&before[0], &asked[0]), &audience, seed);
    count as u64
}

struct Case<'a> {
    chosen: &'a Chosen,
    table: &'a Table,
    /// Those for whom the rule is true and who were not erased.
    members: &'a BTreeSet<u64>,
}

#[expect(clippy::needless_pass_by_value, reason = "what is compared is made for it")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got:?}, not {wanted:?}")) }
}

impl Case<'_> {
    fn check(&self, audience: &Audience, rng: &mut Rng) -> Result<(), String> {
        let targets: BTreeSet<u64> = self.members.difference(&self.chosen.opted_out).copied().collect();
        same("count", audience.count(), self.members.len() as u64)?;
        same("count_targetable", audience.count_targetable(), targets.len() as u64)?;
        let page = *rng.pick(&[1 + self.table.rows() as u64 / 3, u64::MAX]);
        same("members", &listed(audience, page, false), self.members)?;
        same("targetable members", &listed(audience, page, true), &targets)?;
        same("rows", audience.rows().unwrap().len(), self.members.len())?;
        let roaring: BTreeSet<u64> = audience.to_roaring().unwrap().iter().collect();
        same("to_roaring", &roaring, self.members)?;
        let explained = audience.explain().unwrap().root.actual_rows;
        same("explain", explained, self.members.len() as u64)?;
        let known = |id: &u64| !self.chosen.erased.contains(id);
        let some: Vec<u64> = self.table.user_ids.iter().copied().take(*rng.pick(&[5, 3000])).collect();
        let answers = |of: &BTreeSet<u64>| -> Vec<Option<bool>> {
            some.iter().map(|id| known(id).then(|| of.contains(id))).collect()
        };
        same("contains_many", audience.contains_many(&some).unwrap(), answers(self.members))?;
        same("targets_many", audience.targets_many(&some).unwrap(), answers(&targets))?;
        for _ in 0..5.min(self.table.rows()) {
            let id = *rng.pick(&self.table.user_ids);
            same("contains", audience.contains(id).unwrap(), known(&id).then(|| self.members.contains(&id)))?;
            same("targets", audience.targets(id).unwrap(), known(&id).then(|| targets.contains(&id)))?;
            let snapshot = audience.snapshot();
            let row = snapshot.ids().row(id).unwrap().unwrap();
            same("contains_row", audience.contains_row(row).unwrap(), self.members.contains(&id))?;
            same("row_of", snapshot.row_of(id).unwrap(), known(&id).then_some(row))?;
            same("check", audience.check(id).unwrap().is_some(), known(&id))?;
            let of = Operand::Column(snapshot.schema().user_id.clone());
            same("feature", snapshot.feature(&of, row).unwrap().is_some(), known(&id))?;
        }
        Ok(())
    }

    /// Breakdowns and figures, as of the table without the erased users.
    fn figures(&self, audience: &Audience, other: &Audience) -> Result<(), String> {
        for column in &self.table.schema.columns {
            let of = Operand::Column(column.name.clone());
            let text = |result: Result<String, QueryError>| result.unwrap_or_else(|error| error.to_string());
            let breakdown = |of_audience: &Audience| {
                text(of_audience.breakdown(&of, 5).map(|answer| format!("{answer:?}")))
            };
            same("breakdown", breakdown(audience), breakdown(other))?;
            if matches!(column.ty, ColumnType::Array(_) | ColumnType::Map(_)) {
                continue;
            }
            // Sums of floats depend on nothing but the counts by value, so they are equal to the bit.
            let stats =
                |audience: &Audience| text(audience.stats(&of, &[0.0, 0.5, 1.0]).map(|a| format!("{a:?}")));
            same("stats", stats(audience), stats(other))?;
            for scale in [Scale::Auto, Scale::Log] {
                let histogram =
                    |audience: &Audience| text(audience.histogram(&of, 7, scale).map(|a| format!("{a:?}")));
                same("histogram", histogram(audience), histogram(other))?;
            }
        }
        Ok(())
    }
}

fn listed(audience: &Audience, page: u64, targetable: bool) -> BTreeSet<u64> {
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut members = audience.members(token.as_deref()).unwrap().limit(page);
        if targetable {
            members = members.targetable();
        }
        for batch in &mut members {
            ids.extend(batch.unwrap());
        }
        token = members.token();
        if token.is_none() {
            break;
        }
    }
    let set: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "a member is listed twice");
    set
}

/// A generation with erased users is no different from one without their rows.
fn differences(
    masked: &Arc<Snapshot>,
    smaller: &Arc<Snapshot>,
    (audience, rule): (&Audience, &Rule),
    of: &dyn Fn(&Arc<Snapshot>, &Rule) -> Audience,
    seed: u64,
) {
    let diff = Diff::new(smaller, masked).unwrap();
    let counts = diff.user_counts();
    let all = smaller.users();
    assert_eq!(
        (counts.before, counts.after, counts.both, counts.added, counts.gone),
        (all, all, all, 0, 0),
        "MUSTER_ERASING_SEED={seed}"
    );
    let other = of(smaller, rule);
    let movement = diff.movement((&other, audience)).unwrap();
    let moved = (movement.entered, movement.left, movement.stayed);
    assert_eq!(moved, (0, 0, other.count()), "MUSTER_ERASING_SEED={seed}: {movement:?}");
    for which in [Moved::Added, Moved::Gone] {
        let ids: Vec<u64> = diff.users(which, None).unwrap().flat_map(Result::unwrap).collect();
        assert!(ids.is_empty(), "MUSTER_ERASING_SEED={seed}: {which:?} {ids:?}");
    }
}

/// What is compiled once and kept, as a server does, needs no compiling again.
#[test]
fn an_audience_made_before_somebody_was_erased_answers_without_them() {
    let mut rng = Rng::new(7);
    let table = populate::table(&mut rng, Options { rows: 1000, columns: 3, warehouse: false });
    let built = engine::build(&table, &mut rng).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path()).unwrap();
    let labels: HashMap<String, Rule> = HashMap::new();
    let limits = Limits::default();
    let scope = Scope { now: NOW, labels: &labels, limits: &limits };
    let everybody = Audience::new(&built.snapshot, &Rule::Const(true), &scope).unwrap();
    let user = table.user_ids[17];
    assert_eq!((everybody.count(), everybody.contains(user).unwrap()), (1000, Some(true)));
    assert_eq!(store.change_masks(&somebody(), MaskChange::OptOut, &[user]).unwrap(), 1);
    built.snapshot.apply_masks(&store.masks().unwrap()).unwrap();
    assert_eq!((everybody.count(), everybody.count_targetable()), (1000, 999));
    assert_eq!(everybody.contains(user).unwrap(), Some(true));
    assert_eq!(everybody.targets(user).unwrap(), Some(false));
    let older = store.masks().unwrap();
    assert_eq!(store.change_masks(&somebody(), MaskChange::Erase, &[user, user]).unwrap(), 1);
    built.snapshot.apply_masks(&store.masks().unwrap()).unwrap();
    // A thread that read the masks before comes too late.
    built.snapshot.apply_masks(&older).unwrap();
    assert_eq!((everybody.count(), built.snapshot.users()), (999, 999));
    assert_eq!((everybody.contains(user).unwrap(), everybody.targets(user).unwrap()), (None, None));
    assert_eq!(everybody.check(user).unwrap(), None);
}
