//! The order of rows: chosen, named or as given, it changes bytes and never what is stored about a user.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::error::Error;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Bitmaps, RowOrder, Snapshot, SnapshotWriter, WriteOptions, Written};

const ROWS: u64 = 200_000;
const COLUMNS: u64 = 4;

/// A value of a column of a user: the columns go along with each other.
fn value(row: u64, column: u64) -> u64 {
    let random = |salt: u64| (row ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % 97;
    (random(1) * 2 + random(2 + column) / 9) % 200
}

fn write(dir: &Path, row_order: RowOrder) -> Result<(Written, Snapshot), Error> {
    let column = |index: u64| ColumnSchema {
        name: format!("score_{index}"),
        ty: ColumnType::Scalar(ScalarType::UInt { bits: 8 }),
        nullable: false,
        held_as: HeldAs::Native,
    };
    let columns = (0..COLUMNS).map(column).collect();
    let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns };
    let options = WriteOptions { row_order, ..WriteOptions::default() };
    let mut writer = SnapshotWriter::create(dir, schema, options)?;
    let values = |column| {
        let keys = Keys::Fixed8((0..ROWS).map(|row| value(row, column)).collect());
        ColumnData::Scalar(Values { keys, present: None })
    };
    let user_ids = (0..ROWS).map(|row| row * 7).collect();
    writer.push(Batch { user_ids, columns: (0..COLUMNS).map(values).collect() })?;
    let written = writer.finish(&|_| {})?;
    Ok((written, Snapshot::open(dir)?))
}

fn bitmaps(snapshot: &Snapshot) -> u64 {
    let mut all = Bitmaps::default();
    (0..COLUMNS as usize).for_each(|index| all.add(&snapshot.bitmaps(index).unwrap()));
    all.bytes
}

#[test]
fn the_chosen_order_makes_bitmaps_small_and_changes_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (given, as_given) = write(&dir.path().join("given"), RowOrder::Given).unwrap();
    let (chosen, ordered) = write(&dir.path().join("auto"), RowOrder::Auto).unwrap();
    assert!(given.row_order.is_empty() && !chosen.row_order.is_empty());
    assert!(as_given.ids().ascend() && !ordered.ids().ascend());
    assert!(
        bitmaps(&ordered) * 10 < bitmaps(&as_given) * 7,
        "{} of {}",
        bitmaps(&ordered),
        bitmaps(&as_given)
    );
    assert!(chosen.bytes < given.bytes);
    ordered.verify(&|_| {}).unwrap();
    for row in (0..ROWS).step_by(997) {
        let at = ordered.ids().row(row * 7).unwrap().unwrap();
        assert_eq!(ordered.ids().id(at).unwrap(), row * 7);
        assert_eq!(ordered.ids().row(row * 7 + 1).unwrap(), None);
        for index in 0..COLUMNS {
            let muster_engine::snapshot::Column::Value(column) = ordered.column(index as usize).unwrap()
            else {
                panic!("a score is a value");
            };
            let key = column.dictionary().key8(column.code(at).unwrap().unwrap()).unwrap();
            assert_eq!(key, Some(value(row, index)));
        }
    }
    let (again, _) = write(&dir.path().join("again"), RowOrder::Auto).unwrap();
    assert_eq!(again.row_order, chosen.row_order);
}

#[test]
fn named_columns_order_rows_and_ids_ascend_within_them() {
    let dir = tempfile::tempdir().unwrap();
    let (written, snapshot) = write(&dir.path().join("named"), RowOrder::parse("score_2, score_0")).unwrap();
    assert_eq!(written.row_order, ["score_2", "score_0"]);
    let ids = snapshot.ids().ids(0, ROWS as u32).unwrap();
    assert!(ids.is_sorted_by_key(|&id| (value(id / 7, 2), value(id / 7, 0), id)));
    let unknown = write(&dir.path().join("unknown"), RowOrder::parse("score_9")).unwrap_err();
    assert!(unknown.to_string().contains("no column score_9"), "{unknown}");
}
