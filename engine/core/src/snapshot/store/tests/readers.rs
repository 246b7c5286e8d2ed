//! Readers beside writers: pins, and opening while generations come and go.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn a_generation_stays_while_somebody_has_it_open() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let pinned = store.current().unwrap();
    for _ in 0..4 {
        publish(&store).unwrap();
    }
    let collect = || {
        let mut writer = store.write(&somebody(), "collect").unwrap();
        writer.collect(Keep { generations: 1, held: 0 }).unwrap()
    };
    let collected = collect();
    assert_eq!((collected.removed, collected.pinned), (vec![2, 3], vec![1]));
    whole(&pinned);
    whole(&store.generation(1).unwrap());
    drop(pinned);
    assert_eq!((collect().removed, store.generations().unwrap()), (vec![1], vec![4, 5]));
}

#[test]
fn a_held_generation_that_is_read_is_published_but_not_discarded() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    hold(&store).unwrap();
    let held = store.generation(2).unwrap();
    let mut writer = store.write(&somebody(), "discard").unwrap();
    let error = writer.discard(None, None).unwrap_err().to_string();
    assert!(error.contains("generation 2 is being read by another process"), "{error}");
    assert_eq!(whole(&held), 2);
    writer.publish_held(None, "fine").unwrap();
    assert_eq!((whole(&held), all_whole(&store)), (2, Some(2)));
}

#[test]
fn a_pin_lasts_as_long_as_the_snapshot_and_needs_no_way_to_it() {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    let snapshot = store.generation(1).unwrap();
    let also = Arc::clone(&snapshot);
    drop(snapshot);
    let mut writer = store.write(&somebody(), "collect").unwrap();
    assert_eq!(writer.collect(Keep { generations: 1, held: 0 }).unwrap().pinned, [1]);
    drop(also);
    assert_eq!(writer.collect(Keep { generations: 1, held: 0 }).unwrap().removed, [1]);
}

#[test]
fn opening_never_fails_while_generations_come_and_go() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut opened, mut last) = (0, 0);
                    while !over.load(Ordering::Relaxed) {
                        let snapshot = store.current().unwrap();
                        let generation = snapshot.generation();
                        assert!(u64::from(snapshot.rows()) == generation && snapshot.ids().check().unwrap());
                        assert!(generation >= last, "{generation} after {last}");
                        last = generation;
                        opened += 1;
                    }
                    opened
                })
            })
            .collect();
        for _ in 0..200 {
            let writer = staged(&store).unwrap().publish(None);
            writer.unwrap().collect(Keep { generations: 0, held: 0 }).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    let mut writer = store.write(&somebody(), "collect").unwrap();
    writer.collect(Keep { generations: 0, held: 0 }).unwrap();
    assert_eq!(store.generations().unwrap(), [200, 201]);
}
