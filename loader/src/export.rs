//! Members of an audience as a Parquet file of one UInt64 column.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{LoadError, Result};

/// Rows of a row group: memory is bounded by one.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Writes ids as they come; `column` is the key column's name. Returns how many there were.
pub fn write_members<E>(
    out: impl Write + Send,
    column: &str,
    members: impl IntoIterator<Item = Result<Vec<u64>, E>>,
) -> Result<u64>
where
    LoadError: From<E>,
{
    let failed = |error: ParquetError| LoadError::Export(error.to_string());
    let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::UInt64, false)]));
    // Ids mostly ascend: differences are small.
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(failed)?;
    let mut count = 0;
    for ids in members {
        let ids = ids?;
        count += ids.len() as u64;
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(UInt64Array::from(ids))])
            .map_err(|error| LoadError::Export(error.to_string()))?;
        writer.write(&batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)?.flush().map_err(|error| LoadError::Export(error.to_string()))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::UInt64Type;

    use super::*;
    use crate::source::{ParquetSource, Source};

    #[test]
    fn members_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("members.parquet");
        let parts: [Result<Vec<u64>>; 4] =
            [Ok(vec![3, 5]), Ok(vec![]), Ok(vec![u64::MAX, 0]), Ok((10..100_000).collect())];
        let want: Vec<u64> = parts.iter().flat_map(|part| part.as_ref().unwrap().clone()).collect();
        let count = write_members(std::fs::File::create(&path).unwrap(), "user_id", parts).unwrap();
        assert_eq!(count, want.len() as u64);
        let source = ParquetSource::open(path.to_str().unwrap()).unwrap();
        assert_eq!(source.schema().field(0).name(), "user_id");
        let read: Vec<u64> = source
            .batches(&[0])
            .unwrap()
            .flat_map(|batch| batch.unwrap().column(0).as_primitive::<UInt64Type>().values().to_vec())
            .collect();
        assert_eq!(read, want);
    }

    #[test]
    fn a_failing_stream_fails_the_export() {
        let parts = [Ok(vec![1]), Err(LoadError::Source("gone".into()))];
        assert!(write_members(Vec::new(), "user_id", parts).unwrap_err().to_string().contains("gone"));
    }
}
