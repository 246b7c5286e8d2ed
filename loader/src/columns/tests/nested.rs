//! Lists and maps.

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder, UInt8Builder};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};

use super::*;

#[test]
fn lists_of_every_kind() {
    let mut builder = ListBuilder::new(StringBuilder::new());
    builder.append_value([Some("a"), None]);
    builder.append_null();
    builder.append_value([Some("b")]);
    builder.append_value(Vec::<Option<&str>>::new());
    let list: ArrayRef = Arc::new(builder.finish());
    let large =
        arrow_cast::cast(&list, &DataType::LargeList(Arc::new(Field::new_list_field(DataType::Utf8, true))))
            .unwrap();
    for array in [list.clone(), large, through_parquet(list.clone()).1] {
        let (ty, ColumnData::List { ends, elements, present }) = load(array) else { panic!() };
        assert_eq!((ty.as_str(), ends), ("Array(String)", vec![2, 2, 3, 3]));
        assert_eq!(texts_of(&elements.keys), [b"a".to_vec(), vec![], b"b".to_vec()]);
        assert_eq!(
            (elements.present, present),
            (Some(vec![true, false, true]), Some(vec![true, false, true, true]))
        );
    }
    let (_, ColumnData::List { ends, elements, .. }) = load(list.slice(2, 1)) else { panic!() };
    assert_eq!((ends, texts_of(&elements.keys)), (vec![1], vec![b"b".to_vec()]));

    // A NULL row of a fixed-size list has elements in the buffers, which do not count.
    let field = Arc::new(Field::new_list_field(DataType::UInt8, false));
    let nulls = Some(NullBuffer::from(vec![true, false, true]));
    let fixed = FixedSizeListArray::new(field, 2, Arc::new(UInt8Array::from(vec![1, 2, 3, 4, 5, 6])), nulls);
    let (ty, ColumnData::List { ends, elements, .. }) = load(Arc::new(fixed)) else { panic!() };
    let Keys::Fixed8(keys) = elements.keys else { panic!() };
    assert_eq!((ty.as_str(), ends, keys), ("Array(UInt8)", vec![2, 2, 4], vec![1, 2, 5, 6]));
}

#[test]
fn maps_native_and_as_lists_of_pairs() {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), UInt8Builder::new());
    for row in [Some(vec![("a", Some(1)), ("b", None)]), None, Some(vec![("a", Some(3))])] {
        for (name, value) in row.iter().flatten() {
            builder.keys().append_value(name);
            builder.values().append_option(*value);
        }
        builder.append(row.is_some()).unwrap();
    }
    let map = builder.finish();
    let pairs = Field::new("item", map.entries().data_type().clone(), false);
    let renamed = StructArray::new(
        vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::UInt8, true)].into(),
        map.entries().columns().to_vec(),
        None,
    );
    let list = ListArray::new(
        Arc::new(pairs.with_data_type(renamed.data_type().clone())),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 3])),
        Arc::new(renamed),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let map: ArrayRef = Arc::new(map);
    for array in [map.clone(), through_parquet(map).1, Arc::new(list)] {
        let (ty, ColumnData::Map { ends, keys, values, present }) = load(array) else { panic!() };
        assert_eq!((ty.as_str(), ends), ("Map(String, UInt8)", vec![2, 2, 3]));
        assert_eq!(texts_of(&keys.keys), [b"a".to_vec(), b"b".to_vec(), b"a".to_vec()]);
        assert_eq!((values.present, present), (Some(vec![true, false, true]), Some(vec![true, false, true])));
    }
}

#[test]
fn a_null_first_entry_hides_later_ones_of_its_key() {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), UInt8Builder::new());
    for row in [vec![("a", None), ("b", Some(1)), ("a", Some(2))], vec![("a", Some(3)), ("a", None)]] {
        for (name, value) in row {
            builder.keys().append_value(name);
            builder.values().append_option(value);
        }
        builder.append(true).unwrap();
    }
    let (_, ColumnData::Map { values, .. }) = load(Arc::new(builder.finish())) else { panic!() };
    assert_eq!(values.present, Some(vec![false, true, false, true, false]));
}
