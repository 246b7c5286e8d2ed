//! Pushes and pulls through a folder: what moves, what is refused, what a crash leaves, who gets in whose way.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Keep, MaskChange, RowOrder, Snapshot, Store};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use super::pull::writer;
use super::*;
use crate::author::here;
use crate::build::{BuildOptions, build};
use crate::config::Config;
use crate::progress::NoProgress;
use crate::source::ParquetSource;
use crate::stop::Stop;

/// What happens to an object: other bytes, or none.
type Damage = fn(Vec<u8>) -> Option<Vec<u8>>;

const USERS: u64 = 40_000;
const COLUMNS: u64 = 12;

/// A folder with a bucket and whatever stores a test makes.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bucket(&self) -> Bucket {
        self.bucket_in("bucket")
    }

    fn bucket_in(&self, name: &str) -> Bucket {
        let url = format!("file://{}", self.path(name).display());
        Bucket::open(&url, &BucketOptions { create: true, ..BucketOptions::default() }).unwrap()
    }

    /// The files in a folder of the bucket.
    fn objects(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("bucket").join(folder)).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Builds a generation; column `c0` has other values for every `night`, the others have not.
    fn build(&self, store: &str, night: u64) -> Store {
        let column = |column: u64| -> ArrayRef {
            let values = (0..USERS).map(|user| {
                let night = if column == 0 { night } else { 0 };
                (user.wrapping_mul(column * 2 + 0x9e37_79b9) >> 3) as i64 % 9973
                    + night as i64 * (user % 7) as i64
            });
            Arc::new(Int64Array::from_iter_values(values))
        };
        let ids: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..USERS));
        let columns = (0..COLUMNS).map(|c| (format!("c{c}"), column(c)));
        let batch = RecordBatch::try_from_iter([("user_id".to_owned(), ids)].into_iter().chain(columns));
        let batch = batch.unwrap();
        let path = self.path(&format!("{store}-{night}.parquet"));
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        // What these tests change from night to night would trip gates.
        let mut config = Config::default();
        config.gates.enabled = false;
        let mut options = BuildOptions::from(&config);
        options.store = self.path(store);
        options.row_order = RowOrder::Given;
        build(&ParquetSource::open(path.to_str().unwrap()).unwrap(), &options, &NoProgress).unwrap();
        Store::open(&self.path(store)).unwrap()
    }

    fn pull(&self, store: &str) -> Result<PullReport> {
        pull(&self.path(store), &self.bucket(), &Stop::new(), &NoProgress)
    }
}

fn push_to(store: &Store, bucket: &Bucket, options: &PushOptions) -> Result<PushReport> {
    push(store, bucket, options, &Stop::new(), &NoProgress)
}

fn pushed(store: &Store, bucket: &Bucket) -> PushReport {
    push_to(store, bucket, &PushOptions::default()).unwrap()
}

fn collecting(keep: usize) -> PushOptions {
    PushOptions { collect: Some(CollectOptions { keep, grace: Duration::ZERO }), ..PushOptions::default() }
}

fn count(snapshot: &Arc<Snapshot>, rule: &str) -> u64 {
    let limits = Limits::default();
    let rule = Rule::parse(rule, &limits).unwrap();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    Audience::new(snapshot, &rule, &scope).unwrap().count()
}

fn same(a: &Store, b: &Store) {
    let (a, b) = (a.current().unwrap(), b.current().unwrap());
    assert_eq!(a.manifest(), b.manifest());
    for rule in ["c0 > 4000", "c3 BETWEEN 10 AND 5000 AND c0 < 9000", "c1 = 7"] {
        assert_eq!(count(&a, rule), count(&b, rule), "{rule}");
    }
}

/// Requests a stop when a test ends, also by failing: threads that follow would keep it from ending.
struct StopAtEnd(Stop);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

fn nothing_published(store: &Path) {
    assert_eq!(Store::open(store).unwrap().current_generation().unwrap(), None);
    assert!(Store::open(store).unwrap().generations().unwrap().is_empty());
}

#[test]
fn a_pull_gives_what_was_pushed_and_then_only_changes_move() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    let first = pushed(&origin, &bucket);
    assert_eq!((first.generation, first.before, first.moved_bytes), (1, None, first.bytes), "{first:?}");
    let pulled = place.pull("replica").unwrap();
    assert_eq!((pulled.outcome, pulled.moved_bytes), (PullOutcome::Pulled, first.bytes));
    let replica = Store::open(&place.path("replica")).unwrap();
    same(&origin, &replica);
    replica.current().unwrap().verify(&|_| {}).unwrap();
    assert_eq!(place.pull("replica").unwrap().outcome, PullOutcome::Unchanged);

    place.build("origin", 1);
    let second = pushed(&origin, &bucket);
    assert_eq!((second.generation, second.before), (2, Some(1)));
    // One column of twelve, the ids not.
    assert!(second.moved_bytes * 8 < second.bytes, "{second:?}");
    let pulled = place.pull("replica").unwrap();
    assert_eq!(pulled.moved_bytes, second.moved_bytes, "{pulled:?}");
    assert_eq!(pulled.moved_bytes + pulled.reused_bytes, pulled.bytes);
    same(&origin, &replica);
    assert_eq!(pushed(&origin, &bucket).moved_parts, 0, "it is all there");
    assert!(
        place.objects("claims").is_empty()
            && fs::read_dir(place.path("replica/incoming")).unwrap().count() == 1
    );
}

#[test]
fn going_back_takes_replicas_back() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    pushed(&origin, &bucket);
    place.pull("replica").unwrap();
    place.build("origin", 1);
    pushed(&origin, &bucket);
    place.pull("replica").unwrap();
    writer(&origin).unwrap().rollback(None, None).unwrap();
    let back = pushed(&origin, &bucket);
    assert_eq!((back.generation, back.before, back.moved_parts), (1, Some(2), 0));
    let pulled = place.pull("replica").unwrap();
    assert_eq!((pulled.outcome, pulled.generation, pulled.moved_bytes), (PullOutcome::Switched, 1, 0));
    same(&origin, &Store::open(&place.path("replica")).unwrap());
    let newer = PushOptions { generation: Some(2), ..PushOptions::default() };
    assert_eq!(push_to(&origin, &bucket, &newer).unwrap().generation, 2);
}

#[test]
fn what_a_killed_pull_left_is_checked_and_used() {
    let place = Place::new();
    let bucket = place.bucket();
    let first = pushed(&place.build("origin", 0), &bucket);
    // As a pull leaves things that was killed: some parts in place, some zero, some wrong.
    let incoming = incoming::Incoming::open(&place.path("replica")).unwrap();
    let (index, bytes) = bucket
        .run(&Stop::new(), async {
            let current = bucket.current(None).await?.unwrap();
            bucket.index(&current.pointer.index, Some(&current.pointer.sha256)).await
        })
        .unwrap();
    let assembly = incoming.assemble(&index, &bytes).unwrap();
    let placed = index.placed();
    let mut there = 0;
    for (number, (at, part)) in placed.iter().enumerate() {
        let mut bytes = bucket.run(&Stop::new(), bucket.part(part)).unwrap();
        match number % 3 {
            0 => there += part.1,
            1 => bytes[0] ^= 1,
            _ => continue,
        }
        assembly.place(*at, &bytes).unwrap();
    }
    drop((assembly, incoming));
    let pulled = place.pull("replica").unwrap();
    // Parts that are equal to others are fetched once.
    assert!(there > 0 && pulled.moved_bytes <= first.bytes - there, "{pulled:?}, {there} were there");
    assert!(pulled.moved_bytes > 0);
    same(&Store::open(&place.path("origin")).unwrap(), &Store::open(&place.path("replica")).unwrap());
}

#[test]
fn what_a_killed_push_uploaded_is_not_uploaded_again() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    let whole = pushed(&origin, &bucket);
    // As a push leaves things that was killed before its end: a claim, some parts, no index, no CURRENT.
    fs::remove_file(place.path("bucket/CURRENT")).unwrap();
    let index = place.objects("generations").remove(0);
    fs::create_dir_all(place.path("bucket/claims")).unwrap();
    fs::rename(index, place.path("bucket/claims/0000000001-00000000deadbeef.json")).unwrap();
    let parts = place.objects("parts");
    parts.iter().step_by(2).for_each(|part| fs::remove_file(part).unwrap());
    // Of another length: not what was meant to be there.
    fs::write(&parts[1], b"cut").unwrap();
    assert!(matches!(place.pull("replica"), Err(BucketError::Empty { .. })));
    let again = pushed(&origin, &bucket);
    assert!(again.moved_parts > parts.len() / 2 && again.moved_parts < parts.len(), "{again:?}");
    assert!(again.moved_bytes < whole.bytes);
    place.pull("replica").unwrap();
    same(&origin, &Store::open(&place.path("replica")).unwrap());
}

#[test]
fn a_damaged_or_missing_object_is_named_and_nothing_is_published() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    pushed(&origin, &bucket);
    let parts = place.objects("parts");
    let index = place.objects("generations").remove(0);
    let current = place.path("bucket/CURRENT");
    let flipped: Damage = |mut bytes| {
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        Some(bytes)
    };
    let cut: Damage = |mut bytes| {
        bytes.pop();
        Some(bytes)
    };
    let longer: Damage = |mut bytes| {
        bytes.push(b' ');
        Some(bytes)
    };
    let gone: Damage = |_| None;
    for (object, damages) in [
        (&parts[0], &[flipped, cut, longer, gone][..]),
        (&parts[parts.len() - 1], &[flipped, cut, longer, gone]),
        (&index, &[flipped, cut, longer, gone]),
        (&current, &[flipped, cut, gone]),
    ] {
        let bytes = fs::read(object).unwrap();
        for (number, damage) in damages.iter().enumerate() {
            match damage(bytes.clone()) {
                Some(damaged) => fs::write(object, damaged).unwrap(),
                None => fs::remove_file(object).unwrap(),
            }
            // Each into a store of its own: what a pull before has fetched is not fetched again.
            let name = object.file_name().unwrap().to_str().unwrap();
            let replica = format!("replica-{number}-{name}");
            let error = place.pull(&replica).unwrap_err();
            if matches!(error, BucketError::Empty { .. }) {
                assert_eq!(name, "CURRENT");
            } else {
                assert!(error.to_string().contains(name), "damage {number}: {error}");
                assert!(
                    matches!(error, BucketError::Damaged { .. } | BucketError::Missing { .. }),
                    "{error:?}"
                );
            }
            if place.path(&replica).exists() {
                nothing_published(&place.path(&replica));
            }
            fs::write(object, &bytes).unwrap();
        }
    }
    // The way out that the messages name.
    fs::remove_file(&parts[0]).unwrap();
    fs::write(&parts[1], vec![0; fs::metadata(&parts[1]).unwrap().len() as usize]).unwrap();
    push_to(&origin, &bucket, &PushOptions { all: true, ..PushOptions::default() }).unwrap();
    assert_eq!(place.pull("replica").unwrap().outcome, PullOutcome::Pulled);
    same(&origin, &Store::open(&place.path("replica")).unwrap());
}

#[test]
fn parts_of_a_damaged_local_generation_are_fetched() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    pushed(&origin, &bucket);
    place.pull("replica").unwrap();
    let data = place.path("replica/generations/0000000001/data.bin");
    let mut bytes = fs::read(&data).unwrap();
    let len = bytes.len();
    bytes[len / 2] ^= 1;
    fs::write(&data, bytes).unwrap();
    place.build("origin", 1);
    let second = pushed(&origin, &bucket);
    let pulled = place.pull("replica").unwrap();
    assert!(pulled.moved_bytes > second.moved_bytes && pulled.moved_bytes < second.bytes, "{pulled:?}");
    Store::open(&place.path("replica")).unwrap().current().unwrap().verify(&|_| {}).unwrap();
}

#[test]
fn a_damaged_generation_is_not_pushed() {
    let place = Place::new();
    let origin = place.build("origin", 0);
    let data = place.path("origin/generations/0000000001/data.bin");
    let mut bytes = fs::read(&data).unwrap();
    let len = bytes.len();
    bytes[len / 3] ^= 1;
    fs::write(&data, bytes).unwrap();
    let error = push_to(&origin, &place.bucket(), &PushOptions::default()).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(place.objects("").is_empty());
}

#[test]
fn two_generations_of_one_number_are_not_mixed() {
    let place = Place::new();
    let bucket = place.bucket();
    let (one, other) = (place.build("one", 0), place.build("other", 1));
    pushed(&one, &bucket);
    place.pull("replica").unwrap();
    let error = push_to(&other, &bucket, &PushOptions::default()).unwrap_err();
    assert!(matches!(&error, BucketError::Conflict(said) if said.contains("--replace")), "{error}");
    push_to(&other, &bucket, &PushOptions { replace: true, ..PushOptions::default() }).unwrap();
    let error = place.pull("replica").unwrap_err();
    assert!(matches!(&error, BucketError::Conflict(said) if said.contains("another one")), "{error}");
    same(&one, &Store::open(&place.path("replica")).unwrap());
    place.pull("fresh").unwrap();
    same(&other, &Store::open(&place.path("fresh")).unwrap());
}

#[test]
fn of_two_pushers_at_once_the_last_wins_and_nothing_is_mixed() {
    let place = Place::new();
    let stores = [place.build("one", 0), place.build("other", 1)];
    for round in 0..8 {
        let options = PushOptions { replace: true, ..collecting(1) };
        thread::scope(|scope| {
            for store in &stores {
                scope.spawn(|| push_to(store, &place.bucket(), &options).unwrap());
            }
        });
        let replica = format!("replica-{round}");
        place.pull(&replica).unwrap();
        let pulled = Store::open(&place.path(&replica)).unwrap().current().unwrap();
        pulled.verify(&|_| {}).unwrap();
        let same = |store: &Store| store.current().unwrap().manifest() == pulled.manifest();
        assert!(stores.iter().any(same));
    }
    assert!(place.objects("claims").is_empty() && place.objects("collecting").is_empty());
}

#[test]
fn a_collection_removes_what_nobody_needs_and_nothing_else() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    pushed(&origin, &bucket);
    for night in 1..4 {
        place.build("origin", night);
        pushed(&origin, &bucket);
    }
    let before = place.objects("parts").len();
    // A stray part, as a killed push leaves it, and a claim that protects what it names.
    let claim = place.path("bucket/claims/0000000001-00000000deadbeef.json");
    fs::create_dir_all(claim.parent().unwrap()).unwrap();
    fs::copy(&place.objects("generations")[0], &claim).unwrap();
    let report = push_to(&origin, &bucket, &collecting(2)).unwrap().collected.unwrap();
    assert_eq!(report.generations.len(), 1, "the first is claimed, the last two are kept: {report:?}");
    assert!(report.generations[0].contains("0000000002-") && report.parts > 0 && !report.more);
    fs::remove_file(&claim).unwrap();
    let report = push_to(&origin, &bucket, &collecting(1)).unwrap().collected.unwrap();
    assert_eq!(report.generations.len(), 2, "{report:?}");
    assert!(place.objects("parts").len() < before);
    place.pull("replica").unwrap();
    same(&origin, &Store::open(&place.path("replica")).unwrap());
    let grace = CollectOptions { keep: 1, grace: Duration::from_hours(1) };
    place.build("origin", 9);
    let patient = PushOptions { collect: Some(grace), ..PushOptions::default() };
    let report = push_to(&origin, &bucket, &patient).unwrap().collected.unwrap();
    assert_eq!((report.generations.len(), report.parts), (0, 0), "its successor is too young");
}

#[test]
fn a_push_waits_for_a_collection_that_may_not_have_seen_its_claim() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    fs::create_dir_all(place.path("bucket/collecting")).unwrap();
    let lease = place.path("bucket/collecting/0123456789abcdef");
    fs::write(&lease, "a collection\n").unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(1500));
            assert_eq!(place.objects("claims").len(), 1);
            assert!(place.objects("parts").is_empty());
            fs::remove_file(&lease).unwrap();
        });
        pushed(&origin, &bucket);
    });
    assert!(begun.elapsed() > Duration::from_millis(1500));
    // One that was killed long ago does not count.
    fs::write(&lease, "a collection\n").unwrap();
    let old = std::time::SystemTime::now() - collect::COLLECTION_LASTS * 2;
    File::options().write(true).open(&lease).unwrap().set_modified(old).unwrap();
    let begun = Instant::now();
    pushed(&origin, &bucket);
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn pulls_get_whole_generations_while_pushes_and_collections_go_on() {
    let place = Place::new();
    let origin = place.build("origin", 0);
    for night in 1..6 {
        place.build("origin", night);
    }
    pushed(&origin, &place.bucket());
    let done = AtomicBool::new(false);
    let pulls = AtomicU64::new(0);
    thread::scope(|scope| {
        for replica in ["a", "b"] {
            let (place, done, pulls) = (&place, &done, &pulls);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    match place.pull(replica) {
                        Ok(report) => {
                            let store = Store::open(&place.path(replica)).unwrap();
                            assert_eq!(store.current_generation().unwrap(), Some(report.generation));
                            pulls.fetch_add(
                                u64::from(report.outcome == PullOutcome::Pulled),
                                Ordering::Relaxed,
                            );
                            writer(&store).unwrap().collect(Keep { generations: 1, held: 1 }).unwrap();
                        }
                        // Without any grace a pull may be overtaken again and again; it says so and harms nothing.
                        Err(BucketError::Busy(said)) => assert!(said.contains("--grace"), "{said}"),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        for round in 0..18 {
            let generation = Some(1 + round % 6);
            push_to(&origin, &place.bucket(), &PushOptions { generation, ..collecting(1) }).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(pulls.load(Ordering::Relaxed) >= 4, "{pulls:?}");
}

#[test]
fn a_follower_brings_new_generations_while_a_reader_keeps_answering() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    let stop = Stop::new();
    let replica = place.path("replica");
    let options = FollowOptions { every: Duration::from_millis(50), keep: 2 };
    let until = |done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it did not happen");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let in_service =
        || Store::open(&replica).ok().and_then(|store| store.current_generation().unwrap_or_default());
    let asked = AtomicU64::new(0);
    thread::scope(|scope| {
        let follower =
            scope.spawn(|| follow(&replica, &place.bucket(), &options, &stop, &NoProgress, &|_| {}));
        let _stop = StopAtEnd(stop.clone());
        // The bucket is empty: it waits.
        thread::sleep(Duration::from_millis(200));
        assert!(!follower.is_finished());
        pushed(&origin, &bucket);
        until(&|| in_service() == Some(1));
        let reader = scope.spawn(|| {
            let store = Store::open(&replica).unwrap();
            let pinned = store.current().unwrap();
            let (first, rows) = (count(&pinned, "c0 > 4000"), u64::from(pinned.rows()));
            while !stop.requested() {
                assert_eq!(count(&pinned, "c0 > 4000"), first);
                // As a reader does that opens what is in service each time; a generation in between may be gone.
                if let Ok(now) = store.current() {
                    assert_eq!(count(&now, "c0 >= 0 OR c0 < 0"), rows);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
            assert!(
                store.generations().unwrap().contains(&pinned.generation()),
                "removed although it is read"
            );
        });
        for night in 1..4 {
            place.build("origin", night);
            pushed(&origin, &bucket);
            until(&|| in_service() == Some(night + 1));
        }
        // The bucket is away for a while.
        fs::rename(place.path("bucket"), place.path("away")).unwrap();
        thread::sleep(Duration::from_millis(300));
        assert!(!follower.is_finished() && in_service() == Some(4));
        fs::rename(place.path("away"), place.path("bucket")).unwrap();
        place.build("origin", 4);
        pushed(&origin, &bucket);
        until(&|| in_service() == Some(5));
        stop.request();
        follower.join().unwrap().unwrap();
        reader.join().unwrap();
    });
    same(&origin, &Store::open(&replica).unwrap());
    // What the reader had open goes when it is gone.
    let store = Store::open(&replica).unwrap();
    writer(&store).unwrap().collect(Keep { generations: 2, ..Keep::default() }).unwrap();
    assert_eq!(store.generations().unwrap(), [4, 5]);
    assert!(asked.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_pull_waits_for_a_build_and_two_pulls_do_not_meet() {
    let place = Place::new();
    pushed(&place.build("origin", 0), &place.bucket());
    let store = Store::create(&place.path("replica")).unwrap();
    thread::scope(|scope| {
        let building = writer(&store).unwrap().stage().unwrap();
        let pulled = scope.spawn(|| place.pull("replica"));
        let begun = Instant::now();
        // It fetches beside the build, and waits with everything in place.
        while fs::read_dir(place.path("replica/incoming")).map_or(0, Iterator::count) < 2 {
            assert!(begun.elapsed() < Duration::from_mins(1));
            thread::sleep(Duration::from_millis(10));
        }
        let second = place.pull("replica").unwrap_err();
        assert!(second.to_string().contains("another `muster pull`"), "{second}");
        assert!(!pulled.is_finished());
        drop(building);
        assert_eq!(pulled.join().unwrap().unwrap().outcome, PullOutcome::Pulled);
    });
}

#[test]
fn a_stopped_pull_goes_on_the_next_time() {
    let place = Place::new();
    pushed(&place.build("origin", 0), &place.bucket());
    let stop = Stop::new();
    stop.request();
    let error = pull(&place.path("replica"), &place.bucket(), &stop, &NoProgress).unwrap_err();
    assert!(matches!(error, BucketError::Stopped));
    place.pull("replica").unwrap();
}

#[test]
fn addresses_that_make_no_sense_are_refused_with_what_to_write() {
    let open = |url: &str, options: &BucketOptions| Bucket::open(url, options).unwrap_err().to_string();
    let plain = BucketOptions::default();
    for (url, said) in [
        ("http://bucket/x", "s3://BUCKET/PREFIX"),
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://bucket/a//b", "prefix"),
        ("file://relative/path", "absolute"),
        ("file:///no/such/folder", "holds no generation"),
    ] {
        let error = open(url, &plain);
        assert!(error.contains(said), "{url}: {error}");
    }
    let endpoint = |endpoint: &str| BucketOptions { endpoint: Some(endpoint.to_owned()), ..plain.clone() };
    assert!(open("s3://bucket", &endpoint("http://127.0.0.1:9000")).contains("--allow-http"));
    assert!(open("s3://bucket", &endpoint("127.0.0.1:9000")).contains("https://"));
    let allowed = BucketOptions { allow_http: true, ..endpoint("http://127.0.0.1:9000") };
    Bucket::open("s3://bucket/prefix/", &allowed).unwrap();
    Bucket::open("s3://bucket", &endpoint("https://127.0.0.1:9000")).unwrap();
}

fn erased(store: &Store) -> Vec<u64> {
    store.masks().unwrap().erased().collect()
}

/// Whoever is erased in one store is erased in all that push to the bucket or pull from it, though nobody builds anew.
#[test]
fn masks_get_from_every_store_to_every_other() {
    let place = Place::new();
    let bucket = place.bucket();
    let origin = place.build("origin", 0);
    pushed(&origin, &bucket);
    assert!(place.objects("masks").is_empty(), "nobody is masked");
    assert_eq!(place.pull("replica").unwrap().masks, 0);
    let replica = Store::open(&place.path("replica")).unwrap();

    origin.change_masks(&here(), MaskChange::Erase, &[1, 2]).unwrap();
    origin.change_masks(&here(), MaskChange::OptOut, &[3]).unwrap();
    pushed(&origin, &bucket);
    let report = place.pull("replica").unwrap();
    assert_eq!((report.outcome, report.masks), (PullOutcome::Unchanged, 3));
    assert_eq!(place.pull("replica").unwrap().masks, 0);
    assert_eq!(replica.current().unwrap().users(), USERS - 2);
    assert!(replica.masks().unwrap().is_opted_out(3));
    // A new replica has them before anything is in service.
    assert_eq!(place.pull("other").unwrap().masks, 3);

    // What a replica learns gets back to where it is built, and the bucket keeps one object.
    replica.change_masks(&here(), MaskChange::Erase, &[7]).unwrap();
    pushed(&replica, &bucket);
    assert_eq!(pushed(&origin, &bucket).masks, 1);
    assert_eq!(erased(&origin), [1, 2, 7]);
    assert_eq!(place.objects("masks").len(), 1);

    // Another one that was written at the same time is taken in by the next push, and one that is damaged is an error.
    let other = Store::create(&place.path("elsewhere")).unwrap();
    other.change_masks(&here(), MaskChange::Erase, &[9]).unwrap();
    let elsewhere = place.bucket_in("elsewhere-bucket");
    masks::exchange(&other, &elsewhere, &Stop::new()).unwrap();
    let object = fs::read_dir(place.path("elsewhere-bucket/masks")).unwrap().next().unwrap().unwrap();
    fs::copy(object.path(), place.path("bucket/masks").join(object.file_name())).unwrap();
    assert_eq!(pushed(&origin, &bucket).masks, 1);
    assert_eq!(place.objects("masks").len(), 1);
    assert_eq!(place.pull("replica").unwrap().masks, 1);
    assert_eq!(erased(&replica), [1, 2, 7, 9]);
    // Cut behind a record, where a file of a store would be one whose last change a crash ended.
    let path = place.path("bucket/masks.bin");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 32]).unwrap();
    let error = place.pull("replica").unwrap_err();
    assert!(matches!(error, BucketError::Damaged { .. }), "{error}");
    assert_eq!(erased(&replica), [1, 2, 7, 9]);
}
