//! Work that a deadline or a cancellation ends: soon, everywhere, and never with a partial result.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use muster_engine::batch::{Batch as Rows, ColumnData, Keys, Values};
use muster_engine::execute::{Audience, Batch, Halt, Halted, Scale, overlap, within};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Snapshot, SnapshotWriter, WriteOptions};

const CHUNKS: u32 = 40;

/// A table of [`CHUNKS`] full chunks; every user has a number, and one in 16 a list.
fn snapshot() -> (tempfile::TempDir, Arc<Snapshot>) {
    let column =
        |name: &str, ty| ColumnSchema { name: name.into(), ty, nullable: false, held_as: HeldAs::Native };
    let byte = ScalarType::UInt { bits: 8 };
    let schema = Schema {
        user_id: "user_id".into(),
        time_zone: "UTC".into(),
        columns: vec![
            column("number", ColumnType::Scalar(byte.clone())),
            column("list", ColumnType::Array(byte)),
        ],
    };
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(dir.path(), schema, WriteOptions::default()).unwrap();
    for chunk in 0..CHUNKS {
        let ids: Vec<u64> = (u64::from(chunk) << 16..u64::from(chunk + 1) << 16).collect();
        let numbers = Values { keys: Keys::Fixed8(ids.iter().map(|id| id % 251).collect()), present: None };
        let mut ends = Vec::with_capacity(ids.len());
        let mut held = Vec::new();
        for id in &ids {
            held.extend((id % 16 == 0).then_some(id / 16 % 50));
            ends.push(held.len() as u32);
        }
        let elements = Values { keys: Keys::Fixed8(held), present: None };
        let columns = vec![ColumnData::Scalar(numbers), ColumnData::List { ends, elements, present: None }];
        writer.push(Rows { user_ids: ids, columns }).unwrap();
    }
    writer.finish(&|_| {}).unwrap();
    let snapshot = Arc::new(Snapshot::open(dir.path()).unwrap());
    (dir, snapshot)
}

fn audience(snapshot: &Arc<Snapshot>, rule: &str) -> Audience {
    let limits = Limits::default();
    let scope = Scope { now: 0, labels: &NoLabels, limits: &limits };
    Audience::new(snapshot, &Rule::parse(rule, &limits).unwrap(), &scope).unwrap()
}

/// A rule that no index answers.
const RULE: &str = "bucket('a', 0, 50) AND number != 7";

fn two_threads() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()
}

#[test]
fn a_halt_ends_work_after_the_chunk_in_hand() {
    let (_dir, snapshot) = snapshot();
    let audience = audience(&snapshot, RULE);
    let seen = AtomicU32::new(0);
    let cancelled = Arc::new(Halt::new(None));
    let all = || {
        audience.for_each_chunk(|_, _, _| {
            seen.fetch_add(1, Ordering::Relaxed);
            cancelled.cancel();
        })
    };
    // From a thread of rayon's, and from one that is not.
    let halted = two_threads().install(|| within(&cancelled, all).map(|_| ()));
    assert_eq!(halted, Err(Halted::Cancelled));
    assert!((1..=2).contains(&seen.load(Ordering::Relaxed)), "{seen:?} chunks after it was cancelled");
    assert_eq!(within(&cancelled, || audience.count()), Err(Halted::Cancelled), "it stays cancelled");

    seen.store(0, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_millis(200);
    let late = Arc::new(Halt::new(Some(deadline)));
    let all = || {
        audience.for_each_chunk(|_, _, _| {
            seen.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        })
    };
    let halted = two_threads().install(|| within(&late, all).map(|_| ()));
    assert_eq!(halted, Err(Halted::Deadline));
    assert!((1..=2).contains(&seen.load(Ordering::Relaxed)), "{seen:?} chunks past the deadline");
}

#[test]
fn an_endless_row_of_counts_ends_soon_after_its_deadline() {
    let (_dir, snapshot) = snapshot();
    let audience = audience(&snapshot, RULE);
    let once = audience.count();
    let begun = Instant::now();
    let halt = Arc::new(Halt::new(Some(begun + Duration::from_millis(100))));
    let all = within(&halt, || (0..10_000).map(|_| audience.count()).sum::<u64>());
    assert_eq!(all, Err(Halted::Deadline));
    // 10,000 counts take a minute; those after the deadline take nothing.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let calm = Arc::new(Halt::new(Some(Instant::now() + Duration::from_mins(10))));
    assert_eq!(within(&calm, || audience.count()), Ok(once));
    assert_eq!(audience.count(), once, "nothing of the halt stays with the thread");
}

/// An operation and its answer as text.
type Operation<'a> = Box<dyn Fn() -> String + Sync + 'a>;

/// A cancellation at any moment gives the whole answer or none, in every operation.
#[test]
fn no_partial_result_comes_back() {
    let (_dir, snapshot) = snapshot();
    let audience = &audience(&snapshot, RULE);
    let other = &self::audience(&snapshot, "bucket('b', 0, 50)");
    let limits = Limits::default();
    let scope = Scope { now: 0, labels: &NoLabels, limits: &limits };
    let batch = &Batch::new(&snapshot, &[audience.rule().clone(), other.rule().clone()], &scope).unwrap();
    let number = &Operand::Column("number".into());
    let list = &Operand::Column("list".into());
    let terms: Vec<String> = (0..60).map(|i| format!("(number = {i} AND has(list, {}))", i % 50)).collect();
    let far = &self::audience(&snapshot, &format!("at_least(40, {})", terms.join(", ")));
    let everybody = &self::audience(&snapshot, "true");
    let bins = |of: &Audience| format!("{:?}", of.histogram(number, 9, Scale::Auto).unwrap());
    let operations: [(&str, Operation<'_>); 13] = [
        ("why", Box::new(|| format!("{:?}", far.why(1 << 16, None).unwrap().unwrap().change))),
        ("count", Box::new(|| audience.count().to_string())),
        ("explain", Box::new(|| audience.explain().unwrap().root.actual_rows.to_string())),
        ("rows", Box::new(|| format!("{:?}", audience.rows().unwrap().len()))),
        ("to_roaring", Box::new(|| audience.to_roaring().unwrap().len().to_string())),
        ("breakdown", Box::new(|| format!("{:?}", audience.breakdown(number, 5).unwrap()))),
        ("elements", Box::new(|| format!("{:?}", audience.breakdown(list, 5).unwrap()))),
        ("bins", Box::new(|| bins(audience))),
        ("bins of everybody", Box::new(|| bins(everybody))),
        ("elements of everybody", Box::new(|| format!("{:?}", everybody.breakdown(list, 5).unwrap()))),
        ("stats", Box::new(|| format!("{:?}", audience.stats(number, &[0.5]).unwrap()))),
        ("overlap", Box::new(|| format!("{:?}", overlap(&[audience, other]).unwrap()))),
        ("batch", Box::new(|| format!("{:?}", batch.counts()))),
    ];
    for (name, operation) in &operations {
        let begun = Instant::now();
        let whole = operation();
        let took = begun.elapsed();
        let (mut ended, mut done) = (0, 0);
        for part in 0..16 {
            let halt = Arc::new(Halt::new(None));
            let answer = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(took * part / 12);
                    halt.cancel();
                });
                within(&halt, operation)
            });
            match answer {
                Ok(answer) => {
                    assert_eq!(answer, whole, "{name}");
                    done += 1;
                }
                Err(halted) => {
                    assert_eq!(halted, Halted::Cancelled, "{name}");
                    ended += 1;
                }
            }
        }
        println!("{name}: {ended} ended early, {done} done, {took:?} each");
    }
}

#[test]
fn members_go_on_where_a_halt_ended_them() {
    let (_dir, snapshot) = snapshot();
    let audience = audience(&snapshot, RULE);
    let whole: Vec<u64> = audience.members(None).unwrap().flat_map(Result::unwrap).collect();
    let mut members = audience.members(None).unwrap();
    let mut found = members.next().unwrap().unwrap();
    let token = members.token();
    let mut ended = 0;
    loop {
        let halt = Arc::new(Halt::new(None));
        let next = std::thread::scope(|scope| {
            scope.spawn(|| halt.cancel());
            within(&halt, || members.next())
        });
        match next {
            Ok(Some(batch)) => found.extend(batch.unwrap()),
            Ok(None) => break,
            Err(_) => ended += 1,
        }
        if ended > 100 {
            break;
        }
    }
    found.extend(members.flat_map(Result::unwrap));
    assert_eq!(found, whole);
    assert!(token.is_some());
}

#[test]
fn the_inner_halt_holds_alone_and_the_outer_one_after_it() {
    let (_dir, snapshot) = snapshot();
    let audience = audience(&snapshot, RULE);
    let whole = audience.count();
    let (outer, inner) = (Arc::new(Halt::new(None)), Arc::new(Halt::new(None)));
    let answers = within(&outer, || {
        inner.cancel();
        let within_inner = within(&inner, || audience.count());
        (within_inner, audience.count())
    });
    assert_eq!(answers, Ok((Err(Halted::Cancelled), whole)));
    let ended = within(&outer, || {
        outer.cancel();
        audience.count()
    });
    assert_eq!(ended, Err(Halted::Cancelled));
    let panicked = std::panic::catch_unwind(|| {
        let halt = Arc::new(Halt::new(None));
        let _ = within(&halt, || -> u64 {
            halt.cancel();
            panic!("meant to");
        });
    });
    assert!(panicked.is_err());
    assert_eq!(audience.count(), whole, "a panic leaves no halt behind");
}
