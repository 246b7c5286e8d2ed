//! Blocks of every shape, and blocks that make no sense.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt64Type};

use super::super::columns::{Column, arrow_type};
use super::*;

fn wanted(ty: &str) -> Arc<Vec<Wanted>> {
    Arc::new(vec![Wanted::new(&Column::new("c".into(), ty.into()), 0, false).unwrap()])
}

/// A block of one column.
fn of(ty: &str, rows: u8, values: &[u8]) -> Vec<u8> {
    let length = u8::try_from(ty.len()).unwrap();
    [&[1, rows, 1, b'c', length], ty.as_bytes(), values].concat()
}

/// Decodes it whole, and in every two parts.
fn decode(ty: &str, bytes: &[u8]) -> Result<Vec<RecordBatch>, String> {
    let read = |parts: &[&[u8]]| {
        let (mut stream, mut out) = (NativeStream::new(wanted(ty)), Vec::new());
        parts.iter().try_for_each(|part| stream.push(part, &mut out))?;
        stream.finish(&mut out).map(|()| out)
    };
    let whole = read(&[bytes]);
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]]), whole, "{ty} in two at {at}");
    }
    whole
}

#[test]
fn a_dictionary_has_null_first() {
    let mut values = 1_u64.to_le_bytes().to_vec();
    values.extend(0x600_u64.to_le_bytes());
    values.extend(3_u64.to_le_bytes());
    values.extend(b"\x00\x01a\x01b");
    values.extend(4_u64.to_le_bytes());
    values.extend([0, 2, 1, 2]);
    let ty = "LowCardinality(Nullable(String))";
    let batches = decode(ty, &of(ty, 4, &values)).unwrap();
    let column = batches[0].column(0).as_binary::<i32>();
    assert_eq!(column.iter().collect::<Vec<_>>(), [None, Some(&b"b"[..]), Some(b"a"), Some(b"b")]);

    let place = values.len() - 1;
    values[place] = 3;
    assert!(decode(ty, &of(ty, 4, &values)).unwrap_err().contains("no such entry"));
}

#[test]
fn lists_of_dictionaries_begin_with_versions() {
    let ty = "Array(LowCardinality(String))";
    let mut values = 1_u64.to_le_bytes().to_vec();
    for end in [2_u64, 2] {
        values.extend(end.to_le_bytes());
    }
    values.extend(0x600_u64.to_le_bytes());
    values.extend(2_u64.to_le_bytes());
    values.extend(b"\x00\x01a");
    values.extend(2_u64.to_le_bytes());
    values.extend([1, 0]);
    let batches = decode(ty, &of(ty, 2, &values)).unwrap();
    let lists = batches[0].column(0).as_list::<i32>();
    assert_eq!(lists.value(0).as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&b"a"[..]), Some(b"")]);
    assert_eq!(lists.value(1).len(), 0);
}

#[test]
fn arrays_are_of_the_types_that_are_announced() {
    let types = [
        ("Nullable(Int128)", 17),
        ("UUID", 16),
        ("IPv6", 16),
        ("Decimal(9, 2)", 4),
        ("Decimal(60, 2)", 32),
        ("Bool", 1),
        ("Date", 2),
        ("DateTime64(3)", 8),
        ("FixedString(3)", 3),
        ("Enum8('a' = 0)", 1),
    ];
    for (ty, width) in types {
        let batches = decode(ty, &of(ty, 1, &vec![0; width])).unwrap();
        assert_eq!(*batches[0].column(0).data_type(), arrow_type(&Type::parse(ty).unwrap()), "{ty}");
    }
}

#[test]
fn a_type_may_leave_out_its_zone_and_nothing_else() {
    let ty = "DateTime('Asia/Tokyo')";
    assert_eq!(decode(ty, &of("DateTime", 1, &[0; 4])).unwrap().len(), 1);
    assert!(decode(ty, &of("UInt32", 1, &[0; 4])).unwrap_err().contains("arrived as UInt32"));
}

#[test]
fn blocks_without_rows_are_nothing() {
    assert_eq!(decode("UInt8", &[]).unwrap().len(), 0);
    assert_eq!(decode("UInt8", &[0, 0]).unwrap().len(), 0);
    let bytes = [of("UInt8", 0, &[]), of("UInt8", 2, &[7, 8])].concat();
    let batches = decode("UInt8", &bytes).unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<UInt8Type>().values(), &[7, 8]);
}

#[test]
fn nonsense_is_refused() {
    let offsets = |ends: [u64; 2]| ends.into_iter().flat_map(u64::to_le_bytes).collect::<Vec<_>>();
    let cases = [
        ("Array(UInt8)", of("Array(UInt8)", 2, &offsets([2, 1])), "ends before it begins"),
        ("Array(UInt8)", of("Array(UInt8)", 2, &offsets([2, u64::MAX])), "claims"),
        ("Array(UInt8)", of("Array(UInt8)", 2, &offsets([2, 1 << 29])), "in the middle"),
        ("Enum8('a' = 1)", of("Enum8('a' = 1)", 1, &[9]), "no name"),
        ("LowCardinality(String)", of("LowCardinality(String)", 1, &2_u64.to_le_bytes()), "version 2"),
        ("String", of("String", 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "length does not end"),
        ("String", of("String", 1, b"\xff\xff\xff\xff\x7f"), "claims"),
        ("UInt8", vec![67, 111, 100, 101], "67 columns where 1"),
        ("UInt8", of("UInt8", 2, &[1]), "in the middle of a block"),
    ];
    for (ty, bytes, expected) in cases {
        let error = decode(ty, &bytes).unwrap_err();
        assert!(error.contains(expected), "{ty}: {error}");
    }
}

#[test]
fn any_byte_changed_is_an_error_or_another_value() {
    let ty = "Array(Nullable(String))";
    let mut values: Vec<u8> = [2_u64, 3].into_iter().flat_map(u64::to_le_bytes).collect();
    values.extend([0, 1, 0]);
    values.extend(b"\x02ab\x00\x01c");
    let bytes = of(ty, 2, &values);
    for place in 0..bytes.len() {
        for flip in 0..8 {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << flip;
            // Whatever it is: no panic, and no row more than the block says.
            let rows: usize =
                decode(ty, &bytes).map_or(0, |batches| batches.iter().map(RecordBatch::num_rows).sum());
            assert!(rows <= 255);
        }
    }
    let plain = decode("UInt64", &of("UInt64", 1, &7_u64.to_le_bytes())).unwrap();
    assert_eq!(plain[0].column(0).as_primitive::<UInt64Type>().value(0), 7);
}
