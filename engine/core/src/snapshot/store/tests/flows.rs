//! What each command does to a store when nothing goes wrong, and what it refuses.

use super::*;
use EventKind::{Accept, Clean, Collect, Discard, Hold, Publish, Recover, Rollback};

#[test]
fn generations_are_published_held_back_accepted_and_discarded() {
    let dir = folder();
    let store = store_of(dir.path(), 2);
    assert_eq!(hold(&store).unwrap(), 3);
    assert_eq!(
        (store.generations().unwrap(), store.held().unwrap(), all_whole(&store)),
        (vec![1, 2], vec![3], Some(2))
    );
    assert_eq!(store.record(3).unwrap().unwrap().reason.as_deref(), Some("too few users"));

    let mut writer = store.write(&somebody(), "publish").unwrap();
    assert_eq!(writer.publish_held(None, "as agreed").unwrap(), Moved { from: Some(2), to: 3 });
    drop(writer);
    let record = store.record(3).unwrap().unwrap();
    assert_eq!(
        (record.event, record.previous, record.reason.as_deref(), record.user.as_str(), record.at),
        (Accept, Some(2), Some("as agreed"), "alice", 1_795_132_800)
    );
    assert_eq!((store.generations().unwrap(), store.held().unwrap()), (vec![1, 2, 3], vec![]));

    assert_eq!(hold(&store).unwrap(), 4);
    assert_eq!(store.write(&somebody(), "discard").unwrap().discard(None, Some("bad")).unwrap(), 4);
    // A number is given once, also when nothing of its generation is left.
    assert_eq!(publish(&store).unwrap(), 5);
    assert_eq!(
        events(&store),
        [(Publish, 1), (Publish, 2), (Hold, 3), (Accept, 3), (Hold, 4), (Discard, 4), (Publish, 5)]
    );
    assert_eq!(store.history().unwrap().events[3].before, Some(2));
    assert!(is_clean(&store));
}

#[test]
fn what_is_not_held_back_is_neither_published_nor_discarded() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let mut writer = store.write(&somebody(), "publish").unwrap();
    let error = writer.publish_held(None, "x").unwrap_err().to_string();
    assert_eq!(error, "nothing is waiting for a decision; held back is none");
    let error = writer.discard(Some(1), None).unwrap_err().to_string();
    assert_eq!(error, "generation 1 is not held back; held back is none");
    drop(writer);
    hold(&store).unwrap();
    publish(&store).unwrap();
    let mut writer = store.write(&somebody(), "publish").unwrap();
    let error = writer.publish_held(None, "x").unwrap_err().to_string();
    assert!(error.contains("generation 3 was published since generation 2 was held back"), "{error}");
    let error = writer.rollback(Some(2), None).unwrap_err().to_string();
    assert!(error.contains("muster publish --generation 2"), "{error}");
    assert_eq!(writer.publish_held(Some(2), "x").unwrap(), Moved { from: Some(3), to: 2 });
    assert_eq!(writer.rollback(None, None).unwrap().to, 3);
}

#[test]
fn a_first_generation_that_is_held_back_says_how_to_publish_it() {
    let dir = folder();
    let store = Store::create(dir.path()).unwrap();
    hold(&store).unwrap();
    let error = store.current().unwrap_err().to_string();
    assert!(error.contains("generation 1 is held back; publish it with `muster publish`"), "{error}");
    let error = store.generation(9).unwrap_err().to_string();
    assert_eq!(error, "generation 9 is not in the store; it has none; held back is 1");
    store.write(&somebody(), "publish").unwrap().publish_held(None, "first").unwrap();
    assert_eq!(all_whole(&store), Some(1));
}

#[test]
fn going_back_leads_to_what_was_in_service_before() {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    let back = |to| store.write(&somebody(), "rollback").unwrap().rollback(to, None);
    assert_eq!(back(None).unwrap(), Moved { from: Some(3), to: 2 });
    // The third was bad, so what follows replaces the second.
    assert_eq!(publish(&store).unwrap(), 4);
    assert_eq!(store.record(4).unwrap().unwrap().previous, Some(2));
    assert_eq!(back(None).unwrap().to, 2);
    assert_eq!(back(None).unwrap().to, 1);
    let error = back(None).unwrap_err().to_string();
    assert!(error.contains("generation 1 is in service and the store holds nothing earlier"), "{error}");
    assert_eq!(back(Some(4)).unwrap(), Moved { from: Some(1), to: 4 });
    assert!(matches!(back(Some(9)).unwrap_err(), Error::NoGeneration { wanted: 9, .. }));
    // Without its record, a generation is taken to have replaced the one below it.
    std::fs::remove_file(store.generation_dir(4).join("record.json")).unwrap();
    assert_eq!(back(None).unwrap().to, 3);
}

#[test]
fn a_generation_that_cannot_be_opened_does_not_go_into_service() {
    let dir = folder();
    let store = store_of(dir.path(), 2);
    std::fs::remove_file(store.generation_dir(1).join("data.bin")).unwrap();
    store.write(&somebody(), "rollback").unwrap().rollback(None, None).unwrap_err();
    assert_eq!(store.current_generation().unwrap(), Some(2));
    let staging = store.write(&somebody(), "build").unwrap().stage().unwrap();
    staging.publish(None).unwrap_err();
    assert_eq!((store.current_generation().unwrap(), is_clean(&store)), (Some(2), true));
}

#[test]
fn the_newest_are_kept_and_what_going_back_needs() {
    let dir = folder();
    let store = store_of(dir.path(), 6);
    let collect = |generations, held| {
        let mut writer = store.write(&somebody(), "collect").unwrap();
        writer.collect(Keep { generations, held }).unwrap().removed
    };
    assert_eq!(collect(4, 1), [1, 2]);
    store.write(&somebody(), "rollback").unwrap().rollback(Some(4), None).unwrap();
    // 4 is in service, 3 is what going back leads to, 6 is the newest.
    assert_eq!(collect(1, 1), [5]);
    assert_eq!(store.generations().unwrap(), [3, 4, 6]);
    for _ in 0..3 {
        hold(&store).unwrap();
    }
    assert_eq!(collect(1, 1), [7, 8]);
    assert_eq!((store.held().unwrap(), collect(1, 1)), (vec![9], vec![]));
    assert!(events(&store).ends_with(&[(Collect, 7), (Collect, 8)]));
    // A damaged CURRENT says nothing about what is needed.
    std::fs::write(store.dir().join("CURRENT"), "?").unwrap();
    assert_eq!((collect(0, 0), store.generations().unwrap()), (vec![9], vec![3, 4, 6]));
}

#[test]
fn what_a_dead_process_left_is_cleared_away_and_recorded() {
    let dir = folder();
    let store = store_of(dir.path(), 2);
    let generations = store.dir().join("generations");
    for left in ["0000000003.staging", "0000000001.removing", "somebody's"] {
        std::fs::create_dir(generations.join(left)).unwrap();
        std::fs::write(generations.join(left).join("data.bin"), "half").unwrap();
    }
    std::fs::write(store.dir().join("CURRENT.tmp"), "1").unwrap();
    assert_eq!(all_whole(&store), Some(2));
    assert_eq!(publish(&store).unwrap(), 4, "the number of what was left is taken");
    assert!(is_clean(&store) && generations.join("somebody's").exists());
    let cleaned = &store.history().unwrap().events[2..4];
    assert_eq!(
        cleaned.iter().map(|event| (event.event, event.generation)).collect::<Vec<_>>(),
        [(Clean, 1), (Clean, 3)]
    );
    assert_eq!(cleaned[1].reason.as_deref(), Some("0000000003.staging was left by a process that died"));
}

#[test]
fn a_generation_from_elsewhere_keeps_its_number() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let stage_as = |generation| store.write(&somebody(), "pull").unwrap().stage_as(generation);
    let staging = stage_as(7).unwrap();
    fill(&staging);
    staging.publish(None).unwrap();
    assert_eq!(hold(&store).unwrap(), 8);
    for taken in [1, 7, 8] {
        let error = stage_as(taken).unwrap_err().to_string();
        assert_eq!(error, format!("generation {taken} is in the store already"));
    }
    let staging = stage_as(5).unwrap();
    fill(&staging);
    staging.publish(None).unwrap();
    assert_eq!((all_whole(&store), store.previous_of(5).unwrap()), (Some(5), Some(7)));
}

#[test]
fn a_history_with_half_a_line_goes_on() {
    let dir = folder();
    let store = store_of(dir.path(), 2);
    let path = store.dir().join("history.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    publish(&store).unwrap();
    // The line of the second was lost, and it was found in service.
    assert_eq!(events(&store), [(Publish, 1), (Recover, 2), (Publish, 3)]);
    assert_eq!(store.history().unwrap().unreadable, 1);
    std::fs::remove_file(&path).unwrap();
    store.write(&somebody(), "rollback").unwrap().rollback(None, Some("test")).unwrap();
    assert_eq!(events(&store), [(Recover, 3), (Rollback, 2)]);
}

#[test]
fn a_second_writer_is_refused_and_told_who_is_the_first() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let first = staged(&store).unwrap();
    let error = store.write(&somebody(), "another").unwrap().stage().unwrap_err().to_string();
    let want = format!(
        "process {} on here (build, by alice, since 2026-11-20T00:00:00Z) is writing to {}; wait for it to end, or end it: \
         what is in service stays",
        std::process::id(),
        dir.path().display()
    );
    assert_eq!(error, want);
    // Readers do not mind.
    assert_eq!(all_whole(&store), Some(1));
    drop(first);
    assert!(is_clean(&store));
    assert_eq!(publish(&store).unwrap(), 2);
    // A change is under way.
    let writer = store.write(&somebody(), "collect").unwrap();
    let error = store.write(&somebody(), "rollback").unwrap_err().to_string();
    assert!(error.contains("(collect, by alice"), "{error}");
    drop(writer);
    // A lock that says nothing is a lock.
    let lock = std::fs::File::options().write(true).open(dir.path().join("LOCK")).unwrap();
    lock.lock().unwrap();
    let error = store.write(&somebody(), "rollback").unwrap_err().to_string();
    assert!(error.starts_with("another process is writing to"), "{error}");
}

#[test]
fn going_back_does_not_wait_for_a_build() {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    let building = staged(&store).unwrap();
    let held = second_build(&store);
    assert!(held.contains("is writing to"), "{held}");
    assert_eq!(store.write(&somebody(), "rollback").unwrap().rollback(None, None).unwrap().to, 2);
    // Nor does removing, which leaves the generation in the making alone.
    let keep = Keep { generations: 1, held: 0 };
    let removed = store.write(&somebody(), "collect").unwrap().collect(keep).unwrap().removed;
    assert!(removed.is_empty() && building.dir().is_dir(), "{removed:?}");
    // The build replaces what is in service when it is done, and waits for a change that is under way.
    let change = store.write(&somebody(), "rollback").unwrap();
    let publishing = std::thread::spawn(move || building.publish(None).map(drop));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!publishing.is_finished());
    drop(change);
    publishing.join().unwrap().unwrap();
    assert_eq!(store.current_generation().unwrap(), Some(4));
    assert_eq!(store.previous_of(4).unwrap(), Some(2));
}

/// What a second build is told.
fn second_build(store: &Store) -> String {
    store.write(&somebody(), "build").unwrap().stage().unwrap_err().to_string()
}

#[test]
fn what_was_verified_is_known_until_the_files_are_others() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let generation = 1;
    assert!(!store.is_verified(generation));
    store.note_verified(generation).unwrap();
    assert!(store.is_verified(generation));
    assert_eq!(store.manifest(generation).unwrap().generation, generation);
    // The same bytes in another file have not been verified on this disk.
    let data = store.generation_dir(generation).join(crate::format::DATA_FILE);
    let aside = data.with_extension("aside");
    std::fs::copy(&data, &aside).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    assert!(!store.is_verified(generation));
}
