//! The file of masks: what is acknowledged is there after any crash, what a crash tore is not, and damage is told from both.

use super::super::masks::{MaskChange, Masks};
use super::super::names::MASKS;
use super::failing::Refusing;
use super::model::{Chosen, Model, Op, Recorder};
use super::*;

fn erased(store: &Store) -> Vec<u64> {
    store.masks().unwrap().erased().collect()
}

fn change(store: &Store, change: MaskChange, users: &[u64]) -> Result<u64> {
    store.change_masks(&somebody(), change, users)
}

#[test]
fn masks_are_kept_and_only_what_is_new_is_added() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    assert_eq!(store.masks().unwrap(), Masks::default());
    let before = store.masks().unwrap().stamp();
    assert!(!store.masks_changed(&before).unwrap());
    assert_eq!(change(&store, MaskChange::Erase, &[5, 3, 5]).unwrap(), 2);
    assert!(store.masks_changed(&before).unwrap());
    let bytes = std::fs::metadata(dir.path().join(MASKS)).unwrap().len();
    assert_eq!(bytes, 32 * 3, "a header and two records");
    assert_eq!(change(&store, MaskChange::Erase, &[3, 5]).unwrap(), 0);
    assert_eq!(change(&store, MaskChange::OptIn, &[9]).unwrap(), 0, "everybody is in who did not opt out");
    assert_eq!(change(&store, MaskChange::Erase, &[]).unwrap(), 0);
    assert_eq!(std::fs::metadata(dir.path().join(MASKS)).unwrap().len(), bytes);
    assert_eq!(change(&store, MaskChange::OptOut, &[9, 3, u64::MAX]).unwrap(), 3);
    assert_eq!(change(&store, MaskChange::OptIn, &[9]).unwrap(), 1);
    let masks = store.masks().unwrap();
    assert_eq!(masks.erased().collect::<Vec<_>>(), [3, 5]);
    assert_eq!(masks.opted_out().collect::<Vec<_>>(), [3, u64::MAX]);
    assert_eq!((masks.erased_at(5), masks.erased_at(9)), (Some(1_795_132_800), None));
    assert!(!store.masks_changed(&masks.stamp()).unwrap());
    assert_eq!(change(&store, MaskChange::OptOut, &[9]).unwrap(), 1, "out again");
    assert!(store.masks_changed(&masks.stamp()).unwrap());
    let masks = store.masks().unwrap();
    let copy = Masks::from_bytes(&masks.to_bytes()).unwrap();
    assert!(copy.erased().eq(masks.erased()) && copy.opted_out().eq(masks.opted_out()));
}

#[test]
fn the_generations_of_a_store_are_opened_with_its_masks() {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    change(&store, MaskChange::Erase, &[0, 2, 77]).unwrap();
    let users = |generation| store.generation(generation).unwrap().users();
    assert_eq!((users(1), users(2), users(3)), (0, 1, 1));
    assert_eq!(store.current().unwrap().users(), 1);
    assert_eq!(Snapshot::open(&store.generation_dir(3)).unwrap().users(), 3, "the files are as they were");
}

#[test]
fn erasing_waits_for_nobody_who_builds_or_publishes() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let staging = staged(&store).unwrap();
    let writer = store.write(&somebody(), "publish").unwrap();
    assert_eq!(change(&store, MaskChange::Erase, &[0]).unwrap(), 1);
    drop((writer, staging));
}

/// Of two stores each has what the other one had, and of what was said about being a target the latest holds.
#[test]
fn masks_of_two_stores_are_merged() {
    let at = |clock: fn() -> i64| Author { clock, ..somebody() };
    let (one, other) = (folder(), folder());
    let (one, other) = (store_of(one.path(), 1), store_of(other.path(), 1));
    one.change_masks(&at(|| 100), MaskChange::Erase, &[1]).unwrap();
    one.change_masks(&at(|| 100), MaskChange::OptOut, &[5, 6]).unwrap();
    other.change_masks(&at(|| 50), MaskChange::Erase, &[2]).unwrap();
    other.change_masks(&at(|| 50), MaskChange::OptOut, &[6]).unwrap();
    other.change_masks(&at(|| 200), MaskChange::OptIn, &[6]).unwrap();
    let theirs = other.masks().unwrap();
    assert_eq!(one.merge_masks(&somebody(), &theirs).unwrap(), 2);
    assert_eq!(one.merge_masks(&somebody(), &theirs).unwrap(), 0);
    assert_eq!(other.merge_masks(&somebody(), &one.masks().unwrap()).unwrap(), 2);
    for store in [&one, &other] {
        let masks = store.masks().unwrap();
        assert_eq!(masks.erased().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(masks.opted_out().collect::<Vec<_>>(), [5]);
        assert_eq!((masks.erased_at(1), masks.erased_at(2)), (Some(100), Some(50)));
    }
}

#[test]
fn what_a_crash_left_behind_the_last_change_is_ignored_and_cut_off() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let path = dir.path().join(MASKS);
    // Before anything was acknowledged: half a header, and garbage.
    for torn in [&b"MUSTERM"[..], &[0; 32], &[0xff; 100]] {
        std::fs::write(&path, torn).unwrap();
        assert!(erased(&store).is_empty(), "{torn:?}");
    }
    change(&store, MaskChange::Erase, &[1, 2, 3]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    change(&store, MaskChange::Erase, &[4, 5]).unwrap();
    let longer = std::fs::read(&path).unwrap();
    for cut in whole.len()..longer.len() {
        let torn = [&longer[..cut], &[0; 70][..], &[0xff; 7][..]];
        for tails in 1..=torn.len() {
            std::fs::write(&path, torn[..tails].concat()).unwrap();
            assert_eq!(erased(&store), [1, 2, 3], "{cut}, {tails}");
        }
        assert_eq!(change(&store, MaskChange::Erase, &[9]).unwrap(), 1);
        assert_eq!(erased(&store), [1, 2, 3, 9]);
        assert_eq!(std::fs::read(&path).unwrap().len(), whole.len() + 32, "the torn end is gone");
        std::fs::write(&path, &whole).unwrap();
    }
}

/// What was acknowledged never gets lost in silence: any byte of it that differs is an error, but for those of the last record, without
/// which the file is that of a change that a crash ended.
#[test]
fn damage_before_the_last_change_is_an_error_that_names_the_place() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    let path = dir.path().join(MASKS);
    change(&store, MaskChange::Erase, &[1, 2, 3]).unwrap();
    change(&store, MaskChange::OptOut, &[4]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() - 32 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let error = store.masks().unwrap_err();
        assert!(matches!(error, Error::Corrupt { file: MASKS, .. }), "byte {at}: {error}");
        let named = if at < 32 { "32 bytes".to_owned() } else { format!("record {}, at byte", at / 32) };
        assert!(error.to_string().contains(&named), "byte {at}: {error}");
        assert!(store.current().is_err(), "nothing is answered without the masks");
        assert!(change(&store, MaskChange::Erase, &[8]).is_err());
    }
    // Records that changed places are damaged too.
    let mut swapped = whole.clone();
    swapped[32..96].rotate_left(32);
    std::fs::write(&path, swapped).unwrap();
    assert!(store.masks().unwrap_err().to_string().contains("record 1"));
}

/// Every crash at every step, with any part of what was not synced lost: what was acknowledged is there, and a change is there as a
/// whole or not at all.
#[test]
fn after_a_crash_acknowledged_changes_are_there() {
    let dir = folder();
    let root = dir.path().join("store");
    store_of(&root, 1);
    let before = Model::of(&root);
    let recorder = Arc::new(Recorder::new(&root));
    let store = through(&root, recorder.clone());
    let changes: [&[u64]; 5] = [&[7], &[1, 2, 3], &[], &[2, 9], &[11, 12, 13, 14]];
    let mut ends = Vec::new();
    for users in changes {
        change(&store, MaskChange::Erase, users).unwrap();
        ends.push(recorder.ops.lock().unwrap().len());
    }
    let ops = recorder.ops.lock().unwrap().clone();
    let (mut model, mut tried) = (before, 0);
    let states = |done: usize| {
        let mut erased: Vec<u64> = changes[..done].concat();
        erased.sort_unstable();
        erased.dedup();
        erased
    };
    for (at, op) in ops.iter().enumerate() {
        let mut models = model.halfway(op);
        if let Op::Append(path, bytes) = op {
            // The end gets to the disk, and what is before it does not.
            let mut holed = model.clone();
            let (lost, kept) = bytes.split_at(bytes.len() / 2);
            holed.run(&Op::Append(path.clone(), [&vec![0; lost.len()], kept].concat()));
            models.extend((!lost.is_empty()).then_some(holed));
        }
        model.run(op);
        models.push(model.clone());
        let done = ends.iter().filter(|&&end| end <= at).count();
        for model in models {
            for chosen in 0..1 << model.pending() {
                let crashed = dir.path().join(format!("{tried}"));
                model.write_out(Chosen(chosen), &crashed);
                let store = Store::open(&crashed).unwrap();
                let found = erased(&store);
                assert!(
                    found == states(done) || found == states(done + 1),
                    "step {at} {op:?}, kept {chosen:b}: {found:?} after {done} changes"
                );
                let again = changes.concat();
                change(&store, MaskChange::Erase, &again).unwrap();
                assert_eq!(erased(&store), states(changes.len()), "step {at}");
                std::fs::remove_dir_all(&crashed).unwrap();
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

/// A full disk at every step: the change has not happened, or it has and says so the next time.
#[test]
fn a_step_that_fails_loses_no_change_that_was_acknowledged() {
    for count in [1, usize::MAX] {
        for first in 0.. {
            let dir = folder();
            let store = store_of(dir.path(), 1);
            change(&store, MaskChange::Erase, &[1]).unwrap();
            let files = Arc::new(Refusing::new(first, count));
            let result = change(&through(dir.path(), files.clone()), MaskChange::Erase, &[2, 3]);
            let found = erased(&store);
            match &result {
                Ok(added) => assert_eq!((*added, &found[..]), (2, &[1, 2, 3][..])),
                Err(error) => {
                    assert!(error.to_string().contains("make room there"), "{error}");
                    assert!(found == [1] || found == [1, 2, 3], "step {first}: {found:?}");
                }
            }
            change(&store, MaskChange::Erase, &[2, 3]).unwrap();
            assert_eq!(erased(&store), [1, 2, 3]);
            if files.refused() == 0 {
                assert!(first >= 3, "a change has {first} steps");
                break;
            }
        }
    }
}

#[test]
fn several_processes_may_add_at_once() {
    let dir = folder();
    let store = store_of(dir.path(), 1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for user in 0..10 {
                    change(&store, MaskChange::Erase, &[thread * 100 + user, 999]).unwrap();
                    store.masks().unwrap();
                }
            });
        }
    });
    assert_eq!(erased(&store).len(), 41);
}
