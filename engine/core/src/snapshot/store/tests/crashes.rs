//! After a crash at any step, with any part of what was not synced lost, the store opens at a complete generation, one that was
//! published does not disappear, and the next writer clears up.

use super::model::{Chosen, Model, Op, Recorder};
use super::*;

/// Pending changes of which every combination is tried; more are not pending at any step.
const PENDING_MAX: usize = 10;

/// Runs every command that changes a store on one with two generations, and returns what it did to the disk.
fn recorded(dir: &Path) -> (Model, Vec<Op>) {
    store_of(dir, 2);
    let before = Model::of(dir);
    let recorder = Arc::new(Recorder::new(dir));
    let store = through(dir, recorder.clone());
    let writer = || store.write(&somebody(), "test").unwrap();
    let staged = || {
        let staging = staged(&store).unwrap();
        recorder.add_files_of(staging.dir());
        staging
    };
    let returned = || recorder.add(Op::Returned(store.current_generation().unwrap().unwrap()));

    returned();
    staged().publish(None).unwrap();
    returned();
    staged().hold("too few users").unwrap();
    returned();
    writer().publish_held(None, "fine").unwrap();
    returned();
    staged().publish(Some("known")).unwrap();
    returned();
    writer().rollback(None, None).unwrap();
    returned();
    staged().hold("too many users").unwrap();
    returned();
    writer().discard(None, None).unwrap();
    returned();
    let collected = writer().collect(Keep { generations: 1, held: 0 }).unwrap();
    assert_eq!(collected.removed, [1, 2]);
    returned();
    let ops = recorder.ops.lock().unwrap().clone();
    (before, ops)
}

#[test]
fn after_a_crash_the_store_opens_at_a_complete_generation() {
    let dir = folder();
    let (mut model, ops) = recorded(&dir.path().join("store"));
    let mut in_service = 2;
    let mut tried = 0;
    for (at, op) in ops.iter().enumerate() {
        if let Op::Returned(generation) = op {
            in_service = *generation;
        }
        // What the command in progress puts into service, if it gets that far.
        let next = ops[at..].iter().find_map(|op| if let Op::Returned(g) = op { Some(*g) } else { None });
        let allowed = [in_service, next.unwrap_or(in_service)];
        let mut states = model.halfway(op);
        model.run(op);
        states.push(model.clone());
        for state in &states {
            let pending = state.pending();
            assert!(pending <= PENDING_MAX, "{pending} changes are pending at step {at}");
            for chosen in 0..1 << pending {
                let crashed = dir.path().join(format!("{tried}"));
                state.write_out(Chosen(chosen), &crashed);
                let case = format!("step {at} {}, pending kept {chosen:b}", shown(op));
                survives(&crashed, allowed, &case);
                std::fs::remove_dir_all(&crashed).unwrap();
                tried += 1;
            }
        }
    }
    println!("{tried} crashes over {} steps", ops.len());
    assert!(tried > 500, "{tried}");
}

fn shown(op: &Op) -> String {
    match op {
        Op::Write(path, _) => format!("write {}", path.display()),
        Op::Append(path, _) => format!("append {}", path.display()),
        other => format!("{other:?}"),
    }
}

/// The store opens, is complete, and can be gone on with.
fn survives(dir: &Path, allowed: [u64; 2], case: &str) {
    let store = Store::open(dir).unwrap();
    let opened = store.current().unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(allowed.contains(&whole(&opened)), "{case}: {} is in service", opened.generation());
    let there: Vec<u64> = store.generations().unwrap().into_iter().chain(store.held().unwrap()).collect();
    for &generation in &there {
        let opened = store.generation(generation);
        whole(&opened.unwrap_or_else(|error| panic!("{case}: {generation}: {error}")));
        let record = store.record(generation);
        assert!(matches!(record, Ok(Some(_))), "{case}: {generation}: {record:?}");
    }
    let back = store.previous_of(opened.generation()).unwrap();
    assert!(back.is_some_and(|back| store.generation(back).is_ok()), "{case}: no way back");
    drop(opened);

    let mut writer = store.write(&somebody(), "collect").unwrap();
    assert_eq!(store.history().unwrap().in_service(), store.current_generation().unwrap(), "{case}");
    writer.collect(Keep { generations: 9, held: 9 }).unwrap();
    assert!(writer.warnings().is_empty() && is_clean(&store), "{case}: {:?}", writer.warnings());
    drop(writer);
    let next = publish(&store).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(there.iter().all(|&there| there < next) && all_whole(&store) == Some(next), "{case}");
}
