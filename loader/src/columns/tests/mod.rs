//! Every supported type, through a Parquet file and through plain arrays, and every refusal.

mod nested;
mod planning;

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};
use muster_engine::batch::Keys;
use muster_engine::key;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// Plans and converts, as a build would.
fn load_field(
    field: &Field,
    array: &ArrayRef,
    options: &ColumnOptions,
) -> Result<(String, ColumnData), String> {
    let column = plan(field, options).map_err(|e| e.to_string())?.ok_or("skipped")?;
    let ids: Vec<u64> = (0..array.len() as u64).collect();
    let (data, _) = convert(&column, array, &ids).map_err(|e| e.to_string())?;
    Ok((column.ty.to_string(), data))
}

fn load_as(array: &ArrayRef, ty: Option<&str>) -> Result<(String, ColumnData), String> {
    let field = Field::new("c", array.data_type().clone(), true);
    load_field(&field, array, &ColumnOptions { ty: ty.map(str::to_owned), ..ColumnOptions::default() })
}

#[allow(clippy::needless_pass_by_value)]
fn load(array: ArrayRef) -> (String, ColumnData) {
    load_as(&array, None).unwrap()
}

/// The array as it comes back from a Parquet file, and the field with what the file says of it.
fn through_parquet(array: ArrayRef) -> (Field, ArrayRef) {
    let mut file = tempfile::tempfile().unwrap();
    let schema = Arc::new(arrow_schema::Schema::new(vec![Field::new("c", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![array]).unwrap();
    let mut writer = ArrowWriter::try_new(&mut file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    (batch.schema().field(0).clone(), batch.column(0).clone())
}

fn fixed8(data: ColumnData) -> (Vec<u64>, Option<Vec<bool>>) {
    let ColumnData::Scalar(Values { keys: Keys::Fixed8(keys), present }) = data else { panic!("{data:?}") };
    (keys, present)
}

fn fixed16(data: ColumnData) -> Vec<u128> {
    let ColumnData::Scalar(Values { keys: Keys::Fixed16(keys), .. }) = data else { panic!("{data:?}") };
    keys
}

fn texts_of(keys: &Keys) -> Vec<Vec<u8>> {
    let Keys::Bytes { ends, bytes } = keys else { panic!("{keys:?}") };
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(&start, &end)| bytes[start as usize..end as usize].to_vec()).collect()
}

fn texts(data: &ColumnData) -> Vec<Option<Vec<u8>>> {
    let ColumnData::Scalar(values) = data else { panic!("{data:?}") };
    let present = values.present.clone().unwrap_or_else(|| vec![true; texts_of(&values.keys).len()]);
    texts_of(&values.keys).into_iter().zip(present).map(|(text, present)| present.then_some(text)).collect()
}

#[test]
fn integers_of_every_width() {
    let signed = |low: i64, high: i64| vec![key::int(low), key::int(-1), 0, key::int(high)];
    let cases: Vec<(ArrayRef, &str, Vec<u64>)> = vec![
        (
            Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(-1), None, Some(i8::MAX)])),
            "Int8",
            signed(-128, 127),
        ),
        (
            Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(-1), None, Some(i16::MAX)])),
            "Int16",
            signed(-32768, 32767),
        ),
        (
            Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(-1), None, Some(i32::MAX)])),
            "Int32",
            signed(i64::from(i32::MIN), i64::from(i32::MAX)),
        ),
        (
            Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(-1), None, Some(i64::MAX)])),
            "Int64",
            signed(i64::MIN, i64::MAX),
        ),
        (
            Arc::new(UInt8Array::from(vec![Some(0), Some(1), None, Some(u8::MAX)])),
            "UInt8",
            vec![0, 1, 0, 255],
        ),
        (
            Arc::new(UInt16Array::from(vec![Some(0), Some(1), None, Some(u16::MAX)])),
            "UInt16",
            vec![0, 1, 0, 65535],
        ),
        (
            Arc::new(UInt32Array::from(vec![Some(0), Some(1), None, Some(u32::MAX)])),
            "UInt32",
            vec![0, 1, 0, u64::from(u32::MAX)],
        ),
        (
            Arc::new(UInt64Array::from(vec![Some(0), Some(1), None, Some(u64::MAX)])),
            "UInt64",
            vec![0, 1, 0, u64::MAX],
        ),
    ];
    for (array, ty, want) in cases {
        let (field, array) = through_parquet(array);
        let (found, data) = load_field(&field, &array, &ColumnOptions::default()).unwrap();
        let (keys, present) = fixed8(data);
        assert_eq!((found.as_str(), present), (ty, Some(vec![true, true, false, true])));
        assert_eq!((keys[0], keys[1], keys[3]), (want[0], want[1], want[3]), "{ty}");
    }
}

#[test]
fn booleans_and_floats() {
    let (field, array) = through_parquet(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
    let (ty, data) = load_field(&field, &array, &ColumnOptions::default()).unwrap();
    let ColumnData::Scalar(Values { keys: Keys::Bool(keys), present }) = data else { panic!() };
    assert_eq!(
        (ty.as_str(), keys[0], keys[2], present),
        ("Bool", true, false, Some(vec![true, false, true]))
    );

    let values = [0.0_f64, -0.0, 0.1, -2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let (ty, data) = load(through_parquet(Arc::new(Float64Array::from(values.to_vec()))).1);
    assert_eq!((ty.as_str(), fixed8(data)), ("Float64", (values.map(key::float).to_vec(), None)));
    let narrow = values.map(|value| value as f32);
    let (ty, data) = load(through_parquet(Arc::new(Float32Array::from(narrow.to_vec()))).1);
    assert_eq!(
        (ty.as_str(), fixed8(data).0),
        ("Float32", narrow.map(|value| key::float(f64::from(value))).to_vec())
    );
    let half: Vec<_> = arrow_cast::cast(&Float32Array::from(vec![1.5, -0.25]), &DataType::Float16)
        .map(|array| fixed8(load(array).1).0)
        .unwrap();
    assert_eq!(half, [key::float(1.5), key::float(-0.25)]);
}

#[test]
fn decimals_keep_every_digit() {
    let small =
        Decimal128Array::from(vec![Some(12345), None, Some(-1)]).with_precision_and_scale(18, 2).unwrap();
    let (ty, data) = load(through_parquet(Arc::new(small)).1);
    assert_eq!((ty.as_str(), fixed8(data).0[0]), ("Decimal(18, 2)", key::int(12345)));
    let most = 10_i128.pow(38) - 1;
    let large = Decimal128Array::from(vec![most, -most]).with_precision_and_scale(38, 10).unwrap();
    let (ty, data) = load(through_parquet(Arc::new(large)).1);
    assert_eq!(
        (ty.as_str(), fixed16(data)),
        ("Decimal(38, 10)", vec![key::wide_int(most), key::wide_int(-most)])
    );
    let narrow = Decimal32Array::from(vec![-7]).with_precision_and_scale(9, 3).unwrap();
    assert_eq!(fixed8(load(Arc::new(narrow)).1).0, [key::int(-7)]);
    let middle = Decimal64Array::from(vec![77]).with_precision_and_scale(12, 0).unwrap();
    assert_eq!(fixed8(load(Arc::new(middle)).1).0, [key::int(77)]);

    let wide = |value: i256| -> ArrayRef {
        Arc::new(Decimal256Array::from(vec![value]).with_precision_and_scale(76, 2).unwrap())
    };
    assert_eq!(fixed16(load(wide(i256::from_i128(most))).1), [key::wide_int(most)]);
    for value in [i256::from_i128(most + 1), i256::MAX] {
        assert!(load_as(&wide(value), None).unwrap_err().contains("does not fit Decimal(38, 2)"));
    }
    let negative_scale: ArrayRef =
        Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(5, -2).unwrap());
    assert!(load_as(&negative_scale, None).unwrap_err().contains("scale -2"));
    let fine: ArrayRef =
        Arc::new(Decimal256Array::from(vec![i256::ONE]).with_precision_and_scale(76, 40).unwrap());
    assert!(load_as(&fine, None).unwrap_err().contains("scale 40"));
}

#[test]
fn dates_and_times() {
    let (ty, data) = load(through_parquet(Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)]))).1);
    assert_eq!((ty.as_str(), fixed8(data).0[2]), ("Date", key::int(20_000)));
    let days: ArrayRef = Arc::new(Date64Array::from(vec![86_400_000 * 3, -86_400_000]));
    assert_eq!(fixed8(load(days).1).0, [key::int(3), key::int(-1)]);
    assert!(
        load_as(&(Arc::new(Date64Array::from(vec![5])) as ArrayRef), None).unwrap_err().contains("whole day")
    );

    let (field, array) = through_parquet(Arc::new(
        TimestampMillisecondArray::from(vec![-5, 1_700_000_000_123]).with_timezone("UTC"),
    ));
    let (ty, data) = load_field(&field, &array, &ColumnOptions::default()).unwrap();
    assert_eq!(
        (ty.as_str(), fixed8(data).0),
        ("DateTime64(3, 'UTC')", vec![key::int(-5), key::int(1_700_000_000_123)])
    );
    let cases: [(ArrayRef, &str); 3] = [
        (Arc::new(TimestampSecondArray::from(vec![7])), "DateTime64(0, 'UTC')"),
        (Arc::new(TimestampMicrosecondArray::from(vec![7])), "DateTime64(6, 'UTC')"),
        (Arc::new(TimestampNanosecondArray::from(vec![7])), "DateTime64(9, 'UTC')"),
    ];
    for (array, want) in cases {
        let (ty, data) = load(array);
        assert_eq!((ty.as_str(), fixed8(data).0), (want, vec![key::int(7)]));
    }
}

#[test]
fn declared_types_are_exact_or_refused() {
    let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1_700_000_000_000), None]));
    let ok = |array: &ArrayRef, ty: &str| load_as(array, Some(ty)).unwrap().1;
    assert_eq!(fixed8(ok(&millis, "DateTime")).0[0], key::int(1_700_000_000));
    assert_eq!(fixed8(ok(&millis, "DateTime64(6)")).0[0], key::int(1_700_000_000_000_000));
    let fraction: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_500]));
    assert!(load_as(&fraction, Some("DateTime")).unwrap_err().contains("does not fit DateTime"));
    let early: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-1000]));
    assert!(load_as(&early, Some("DateTime")).unwrap_err().contains("does not fit DateTime"));

    let numbers: ArrayRef = Arc::new(UInt32Array::from(vec![u32::MAX, 16_777_343]));
    assert_eq!(fixed8(ok(&numbers, "DateTime")).0[0], key::int(i64::from(u32::MAX)));
    assert_eq!(fixed8(ok(&numbers, "IPv4")).0[1], 16_777_343);
    assert_eq!(fixed8(ok(&numbers, "Int64")).0[0], key::int(i64::from(u32::MAX)));
    assert!(load_as(&numbers, Some("UInt16")).unwrap_err().contains("does not fit UInt16"));
    assert!(load_as(&numbers, Some("Float64")).unwrap_err().contains("can't be read as Float64"));
    let bits: ArrayRef = Arc::new(UInt8Array::from(vec![0, 1]));
    assert!(matches!(ok(&bits, "Bool"), ColumnData::Scalar(Values { keys: Keys::Bool(_), .. })));
    assert_eq!(
        fixed8(ok(&(Arc::new(UInt16Array::from(vec![20_000])) as ArrayRef), "Date")).0,
        [key::int(20_000)]
    );

    let text: ArrayRef = Arc::new(StringArray::from(vec!["00112233-4455-6677-8899-aabbccddeeff"]));
    assert_eq!(fixed16(ok(&text, "UUID")), [0x0011_2233_4455_6677_8899_aabb_ccdd_eeff]);
    assert!(load_as(&text, Some("IPv6")).unwrap_err().contains("does not fit IPv6"));
    assert_eq!(texts(&ok(&text, "Enum8('a' = 1)")).len(), 1);
    let address: ArrayRef = Arc::new(StringArray::from(vec!["127.0.0.1"]));
    assert_eq!(fixed8(ok(&address, "IPv4")).0, [0x7f00_0001]);
    let sixteen: ArrayRef =
        Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [0; 16]].iter()).unwrap());
    assert_eq!(fixed16(ok(&sixteen, "IPv6"))[0], u128::from_be_bytes([1; 16]));
    assert_eq!(fixed16(ok(&sixteen, "Int128"))[1], key::wide_int(0));
    assert!(
        load_as(&sixteen, Some("Tuple(Int8)"))
            .unwrap_err()
            .contains("column `c`: the type Tuple(Int8) is not known")
    );
}

#[test]
fn text_in_all_its_encodings() {
    let values = [Some("a"), None, Some(""), Some("日本")];
    let want: Vec<Option<Vec<u8>>> = values.iter().map(|v| v.map(|v| v.as_bytes().to_vec())).collect();
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    for value in values {
        dictionary.append_option(value);
    }
    let bytes = || values.iter().map(|value| value.map(str::as_bytes));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
        Arc::new(bytes().collect::<BinaryArray>()),
        Arc::new(bytes().collect::<LargeBinaryArray>()),
        Arc::new(bytes().collect::<BinaryViewArray>()),
        Arc::new(dictionary.finish()),
    ];
    for array in arrays {
        let (ty, data) = load(array.clone());
        assert_eq!((ty.as_str(), texts(&data)), ("String", want.clone()), "{}", array.data_type());
        // A slice starts inside the buffers.
        assert_eq!(texts(&load(array.slice(2, 2)).1), want[2..]);
        let (field, array) = through_parquet(array);
        assert_eq!(texts(&load_field(&field, &array, &ColumnOptions::default()).unwrap().1), want);
    }
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        [Some(b"US\0".as_slice()), None, Some(b"\0a\0"), Some(b"\0\0\0")].into_iter(),
        3,
    );
    let (field, array) = through_parquet(Arc::new(fixed.unwrap()));
    let data = load_field(&field, &array, &ColumnOptions::default()).unwrap().1;
    assert_eq!(texts(&data), [Some(b"US".to_vec()), None, Some(b"\0a".to_vec()), Some(vec![])]);
}
