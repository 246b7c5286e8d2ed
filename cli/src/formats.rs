//! The formats that user ids are written in.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use roaring::RoaringTreemap;

use crate::failure::Failure;

/// How members are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One id a line
    Ids,
    /// CSV with the heading user_id
    Csv,
    /// One object a line: {"user_id": 7}
    Jsonl,
    /// Parquet with one UINT64 column, user_id
    Parquet,
    /// Portable 64-bit Roaring bytes
    Roaring,
}

impl Format {
    /// Whether a terminal would show rubbish.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Roaring)
    }
}

/// Takes ids in batches and writes them in one format.
pub(crate) enum Sink<W: Write + Send> {
    /// A line an id, between these two texts.
    Lines { out: W, before: &'static str, after: &'static str },
    /// Written by row groups.
    Parquet { out: Box<ArrowWriter<W>>, schema: Arc<Schema> },
    /// Collected, since a bitmap is written in one piece.
    Roaring { out: W, users: RoaringTreemap },
}

impl<W: Write + Send> Sink<W> {
    pub(crate) fn new(format: Format, mut out: W) -> Result<Self, Failure> {
        Ok(match format {
            Format::Ids => Self::Lines { out, before: "", after: "\n" },
            Format::Csv => {
                out.write_all(b"user_id\n")?;
                Self::Lines { out, before: "", after: "\n" }
            }
            Format::Jsonl => Self::Lines { out, before: "{\"user_id\":", after: "}\n" },
            Format::Parquet => {
                let schema = Arc::new(Schema::new(vec![Field::new("user_id", DataType::UInt64, false)]));
                let out = ArrowWriter::try_new(out, schema.clone(), None).map_err(parquet)?;
                Self::Parquet { out: Box::new(out), schema }
            }
            Format::Roaring => Self::Roaring { out, users: RoaringTreemap::new() },
        })
    }

    pub(crate) fn push(&mut self, users: &[u64]) -> Result<(), Failure> {
        match self {
            Self::Lines { out, before, after } => {
                for user in users {
                    write!(out, "{before}{user}{after}")?;
                }
            }
            Self::Parquet { out, schema } => {
                let column = Arc::new(UInt64Array::from_iter_values(users.iter().copied()));
                let batch =
                    RecordBatch::try_new(schema.clone(), vec![column]).map_err(|e| parquet(e.into()))?;
                out.write(&batch).map_err(parquet)?;
            }
            Self::Roaring { users: all, .. } => all.extend(users),
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Lines { mut out, .. } => out.flush()?,
            Self::Parquet { out, .. } => out.into_inner().map_err(parquet)?.flush()?,
            Self::Roaring { mut out, mut users } => {
                users.optimize();
                users.serialize_into(&mut out)?;
                out.flush()?;
            }
        }
        Ok(())
    }
}

/// Parquet's errors hide the I/O error below; a closed pipe must still be known as one.
fn parquet(error: ParquetError) -> Failure {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => Failure::from(*io),
            Err(other) => Failure::Store(format!("cannot write Parquet: {other}")),
        },
        other => Failure::Store(format!("cannot write Parquet: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, batches: &[&[u64]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sink = Sink::new(format, &mut out).unwrap();
        for batch in batches {
            sink.push(batch).unwrap();
        }
        sink.finish().unwrap();
        out
    }

    #[test]
    fn text_formats() {
        let text = |format| String::from_utf8(written(format, &[&[3, u64::MAX], &[1]])).unwrap();
        assert_eq!(text(Format::Ids), "3\n18446744073709551615\n1\n");
        assert_eq!(text(Format::Csv), "user_id\n3\n18446744073709551615\n1\n");
        assert_eq!(
            text(Format::Jsonl),
            "{\"user_id\":3}\n{\"user_id\":18446744073709551615}\n{\"user_id\":1}\n"
        );
    }

    #[test]
    fn roaring_is_portable() {
        let bytes = written(Format::Roaring, &[&[9, 1 << 40], &[2]]);
        let users = RoaringTreemap::deserialize_from(&bytes[..]).unwrap();
        assert_eq!(users.iter().collect::<Vec<_>>(), [2, 9, 1 << 40]);
        assert!(RoaringTreemap::deserialize_from(&written(Format::Roaring, &[])[..]).unwrap().is_empty());
    }

    #[test]
    fn parquet_starts_and_ends_as_parquet_even_when_empty() {
        for bytes in [written(Format::Parquet, &[]), written(Format::Parquet, &[&[1], &[2, 3]])] {
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        }
    }
}
