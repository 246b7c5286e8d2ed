//! Parquet files good and bad.

use std::fs;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, Int32Array, StringArray, UInt64Array};

use super::*;

fn write(path: &std::path::Path, columns: Vec<(&str, ArrayRef)>, group_rows: usize) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ids(range: std::ops::Range<u64>) -> ArrayRef {
    std::sync::Arc::new(UInt64Array::from_iter_values(range))
}

fn numbers(range: std::ops::Range<i32>) -> ArrayRef {
    std::sync::Arc::new(Int32Array::from_iter_values(range))
}

fn words(range: std::ops::Range<i32>) -> ArrayRef {
    std::sync::Arc::new(StringArray::from_iter_values(range.map(|n| format!("w{n}"))))
}

fn read_error(pattern: &std::path::Path) -> String {
    let source = match ParquetSource::open(pattern.to_str().unwrap()) {
        Ok(source) => source,
        Err(error) => return error.to_string(),
    };
    let columns: Vec<usize> = (0..source.schema().fields().len()).collect();
    source.batches(&columns).unwrap().find_map(Result::err).expect("an error").to_string()
}

#[test]
fn rows_of_a_directory_come_in_order_and_projected() {
    let dir = tempfile::tempdir().unwrap();
    // The second file has its columns in another order.
    write(
        &dir.path().join("b.parquet"),
        vec![("n", numbers(500..900)), ("user_id", ids(500..900)), ("w", words(500..900))],
        64,
    );
    write(
        &dir.path().join("a.parquet"),
        vec![("user_id", ids(0..500)), ("w", words(0..500)), ("n", numbers(0..500))],
        100,
    );
    fs::write(dir.path().join("c.csv"), "not ours").unwrap();
    let source = ParquetSource::open(dir.path().to_str().unwrap()).unwrap();
    assert_eq!((source.rows(), source.paths().count()), (Some(900), 2));
    let (w, id) = (source.schema().index_of("w").unwrap(), source.schema().index_of("user_id").unwrap());
    let mut next = 0;
    for batch in source.batches(&[w, id]).unwrap() {
        let batch = batch.unwrap();
        for (word, id) in batch
            .column(0)
            .as_string::<i32>()
            .iter()
            .zip(batch.column(1).as_primitive::<UInt64Type>().values())
        {
            assert_eq!((word, *id), (Some(format!("w{next}").as_str()), next));
            next += 1;
        }
    }
    assert_eq!(next, 900);
    let glob = format!("parquet:{}/[a]*.parquet", dir.path().display());
    assert_eq!(ParquetSource::open(&glob).unwrap().rows(), Some(500));
}

#[test]
fn nothing_to_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read_error(dir.path()).contains("no Parquet file matches"));
    assert!(read_error(&dir.path().join("*.parquet")).contains("no Parquet file matches"));
}

#[test]
fn files_of_different_tables_are_named_with_the_column() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    write(&a, vec![("user_id", ids(0..3)), ("n", numbers(0..3))], 10);
    write(&b, vec![("user_id", ids(3..6)), ("n", words(3..6))], 10);
    let error = read_error(dir.path());
    assert!(error.contains("b.parquet") && error.contains("`n` is Utf8 in the former, Int32"), "{error}");
    write(&b, vec![("user_id", ids(3..6))], 10);
    let error = read_error(dir.path());
    assert!(error.contains("only the latter has the column `n`"), "{error}");
    write(&b, vec![("user_id", ids(3..6)), ("n", numbers(3..6)), ("m", numbers(3..6))], 10);
    let error = read_error(dir.path());
    assert!(error.contains("only the former has the column `m`"), "{error}");
}

#[test]
fn a_file_cut_in_half_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.parquet");
    write(&path, vec![("user_id", ids(0..10_000)), ("w", words(0..10_000))], 5_000);
    let bytes = fs::read(&path).unwrap();
    for keep in [0, 1, 4, 8, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..keep]).unwrap();
        let error = read_error(&path);
        assert!(error.contains("cut.parquet") && error.contains("not a complete Parquet file"), "{error}");
    }
}

#[test]
fn a_damaged_row_group_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.parquet");
    write(&path, vec![("user_id", ids(0..10_000)), ("w", words(0..10_000))], 5_000);
    let mut bytes = fs::read(&path).unwrap();
    // Everything between the magic and the footer of the second half: pages of the second row group.
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let end = bytes.len() - 8 - footer;
    bytes[end / 2 + 1000..end].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let error = read_error(&path);
    assert!(error.contains("bad.parquet: row group 1 is damaged"), "{error}");
}

#[test]
fn an_empty_table_has_no_rows_and_a_schema() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.parquet"), vec![("user_id", ids(0..0)), ("n", numbers(0..0))], 10);
    let source = ParquetSource::open(dir.path().to_str().unwrap()).unwrap();
    assert_eq!((source.rows(), source.schema().fields().len()), (Some(0), 2));
    assert_eq!(source.batches(&[0, 1]).unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 0);
}

#[test]
fn a_uuid_is_known_by_its_parquet_type() {
    use ::parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uuid.parquet");
    let schema =
        "message m { required fixed_len_byte_array(16) u (UUID); required fixed_len_byte_array(16) s; }";
    let schema = std::sync::Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = fs::File::create(&path).unwrap();
    let mut writer =
        ::parquet::file::writer::SerializedFileWriter::new(file, schema, std::sync::Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        let value = FixedLenByteArray::from(ByteArray::from(vec![7; 16]));
        column.typed::<FixedLenByteArrayType>().write_batch(&[value], None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    let schema = ParquetSource::open(path.to_str().unwrap()).unwrap().schema();
    let types: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            crate::columns::plan(field, &crate::columns::ColumnOptions::default())
                .unwrap()
                .unwrap()
                .ty
                .to_string()
        })
        .collect();
    assert_eq!(types, ["UUID", "String"]);
}
