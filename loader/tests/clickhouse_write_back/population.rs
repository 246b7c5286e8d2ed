//! Users whose number is a column, in a store of their own.

use std::sync::Arc;

use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Author, MaskChange, Snapshot, SnapshotWriter, Store, WriteOptions};
use muster_loader::write_back::{LabelMembers, Wanted};

/// When their source was read.
pub(crate) const AS_OF: i64 = 1_795_168_800;

/// A store of one generation.
pub(crate) struct Population {
    _dir: tempfile::TempDir,
    store: Store,
    snapshot: Arc<Snapshot>,
}

/// The id of the user of a number: some of them need more than 32 bits.
pub(crate) fn id(number: u64) -> u64 {
    if number.is_multiple_of(3) { number } else { (number << 40) + 17 }
}

fn somebody() -> Author {
    Author { user: "alice".into(), host: "here".into(), clock: || AS_OF }
}

impl Population {
    /// So many users.
    pub(crate) fn new(users: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path()).unwrap();
        let staging = store.write(&somebody(), "build").unwrap().stage().unwrap();
        let column = |name: &str, ty| ColumnSchema {
            name: name.into(),
            ty: ColumnType::Scalar(ty),
            nullable: false,
            held_as: HeldAs::Native,
        };
        let columns = vec![column("n", ScalarType::UInt { bits: 64 }), column("odd", ScalarType::Bool)];
        let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns };
        let options =
            WriteOptions { generation: staging.generation(), as_of: AS_OF, ..WriteOptions::default() };
        let mut writer = SnapshotWriter::create(staging.dir(), schema, options).unwrap();
        let all = |keys| ColumnData::Scalar(Values { keys, present: None });
        let odd = (0..users).map(|number| number % 2 == 1).collect();
        let columns = vec![all(Keys::Fixed8((0..users).collect())), all(Keys::Bool(odd))];
        writer.push(Batch { user_ids: (0..users).map(id).collect(), columns }).unwrap();
        writer.finish(&|_| {}).unwrap();
        staging.publish(None).unwrap();
        let snapshot = store.current().unwrap();
        Self { _dir: dir, store, snapshot }
    }

    /// Erases users, and lets others opt out.
    pub(crate) fn mask(&self, erased: &[u64], out: &[u64]) {
        self.store.change_masks(&somebody(), MaskChange::Erase, erased).unwrap();
        self.store.change_masks(&somebody(), MaskChange::OptOut, out).unwrap();
        self.snapshot.apply_masks(&self.store.masks().unwrap()).unwrap();
    }

    /// These rules as labels, and no others.
    pub(crate) fn wanted(&self, generation: u64, rules: &[(u64, &str)]) -> Wanted {
        let limits = Limits::default();
        let scope = Scope { now: AS_OF, labels: &NoLabels, limits: &limits };
        let label = |&(id, text): &(u64, &str)| LabelMembers {
            id,
            name: format!("label {id}"),
            audience: Arc::new(
                Audience::new(&self.snapshot, &Rule::parse(text, &limits).unwrap(), &scope).unwrap(),
            ),
        };
        Wanted {
            generation,
            as_of: AS_OF,
            masks: self.snapshot.masks_version(),
            labels: rules.iter().map(label).collect(),
            only: Some(rules.iter().map(|&(id, _)| id).collect()),
        }
    }
}
