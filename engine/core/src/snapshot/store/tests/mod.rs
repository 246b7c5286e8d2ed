//! Stores of tiny snapshots: what each command does, then the same commands on disks that fail, forget and on processes that die.

mod crashes;
mod dying;
mod failing;
mod flows;
mod masks;
mod model;
mod readers;

use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::names::{CURRENT_ASIDE, State, entries};
use super::*;
use crate::batch::Batch;
use crate::schema::Schema;
use crate::snapshot::write::{SnapshotWriter, WriteOptions};

/// Somebody, at an instant that never changes.
fn somebody() -> Author {
    Author { user: "alice".into(), host: "here".into(), clock: || 1_795_132_800 }
}

/// A folder in memory where there is one: these tests sync a lot.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A store that changes the disk through `files`.
fn through(dir: &Path, files: Arc<dyn Files>) -> Store {
    Store { dir: dir.to_owned(), files }
}

/// Writes a snapshot whose users are as many as its number.
fn fill(staging: &Staging) {
    let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: Vec::new() };
    let options = WriteOptions { generation: staging.generation(), ..WriteOptions::default() };
    let mut writer = SnapshotWriter::create(staging.dir(), schema, options).unwrap();
    writer.push(Batch { user_ids: (0..staging.generation()).collect(), columns: Vec::new() }).unwrap();
    writer.finish(&|_| {}).unwrap();
}

/// A complete generation that is neither published nor held back yet.
fn staged(store: &Store) -> Result<Staging> {
    let staging = store.write(&somebody(), "build")?.stage()?;
    fill(&staging);
    Ok(staging)
}

fn publish(store: &Store) -> Result<u64> {
    let staging = staged(store)?;
    let generation = staging.generation();
    staging.publish(None)?;
    Ok(generation)
}

fn hold(store: &Store) -> Result<u64> {
    let staging = staged(store)?;
    let generation = staging.generation();
    staging.hold("too few users")?;
    Ok(generation)
}

/// A store with so many published generations.
fn store_of(dir: &Path, generations: u64) -> Store {
    let store = Store::create(dir).unwrap();
    for _ in 0..generations {
        publish(&store).unwrap();
    }
    store
}

/// Reads all of a generation.
fn whole(snapshot: &Snapshot) -> u64 {
    assert_eq!(u64::from(snapshot.rows()), snapshot.generation());
    snapshot.verify(&|_| {}).unwrap();
    snapshot.generation()
}

/// Every generation that a reader can open is complete; returns the one in service.
fn all_whole(store: &Store) -> Option<u64> {
    for generation in store.generations().unwrap().into_iter().chain(store.held().unwrap()) {
        assert_eq!(whole(&store.generation(generation).unwrap()), generation);
    }
    store.current_generation().unwrap().map(|_| whole(&store.current().unwrap()))
}

/// Nothing is there that is neither published nor held back.
fn is_clean(store: &Store) -> bool {
    let passing = |entry: &Entry| matches!(entry.state, State::Staging | State::Removing);
    !entries(&store.dir).unwrap().iter().any(passing) && !store.dir.join(CURRENT_ASIDE).exists()
}

fn events(store: &Store) -> Vec<(EventKind, u64)> {
    store.history().unwrap().events.iter().map(|event| (event.event, event.generation)).collect()
}
