//! Parquet files: one, a directory of them, or a glob.
//!
//! Files are taken in the order of their names. All must have the same columns; row groups are decoded by several
//! threads and delivered in order.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Metadata, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::LogicalType;

use super::read_ahead::{Sink, read_ahead};
use super::{Batches, Source};
use crate::columns::TYPE_KEY;
use crate::error::{LoadError, Result};

/// Rows delivered together.
const BATCH_ROWS: usize = 32_768;
/// Most threads that decode.
const THREADS_MAX: usize = 8;

/// One file, opened: its footer has been read.
#[derive(Debug, Clone)]
struct PartFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// Parquet files that together are one table.
#[derive(Debug)]
pub struct ParquetSource {
    pattern: String,
    files: Arc<Vec<PartFile>>,
    schema: SchemaRef,
    rows: u64,
    modified: Option<std::time::SystemTime>,
}

impl ParquetSource {
    /// Opens a file, every `*.parquet` in a directory, or every file a glob matches. Reads all footers.
    pub fn open(pattern: &str) -> Result<Self> {
        let paths = resolve(pattern)?;
        let files: Vec<PartFile> = paths.into_iter().map(open_file).collect::<Result<_>>()?;
        let schema = common_schema(&files)?;
        let rows =
            files.iter().map(|file| file.metadata.metadata().file_metadata().num_rows().max(0) as u64).sum();
        let modified = files.iter().filter_map(|file| file.path.metadata().ok()?.modified().ok()).max();
        Ok(Self { pattern: pattern.to_owned(), files: Arc::new(files), schema, rows, modified })
    }

    /// The files, in the order they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }
}

impl Source for ParquetSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn batches(&self, columns: &[usize]) -> Result<Batches> {
        let schema =
            Arc::new(self.schema.project(columns).map_err(|error| LoadError::Source(error.to_string()))?);
        let pieces: Vec<(usize, usize)> = self
            .files
            .iter()
            .enumerate()
            .flat_map(|(file, part)| {
                (0..part.metadata.metadata().num_row_groups()).map(move |group| (file, group))
            })
            .collect();
        let files = self.files.clone();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let work = move |piece: usize, sink: Sink<'_, Result<RecordBatch>>| {
            let (file, group) = pieces[piece];
            let part = &files[file];
            // The decoder may panic on bytes that no writer produced; that, too, is the file's fault.
            let outcome = catch_unwind(AssertUnwindSafe(|| decode(part, group, &schema, sink)));
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(message)) => message,
                Err(_) => "its bytes make no sense".to_owned(),
            };
            let path = part.path.display();
            sink(Err(LoadError::Source(format!(
                "{path}: row group {group} is damaged: {error}; write the file again."
            ))));
        };
        let piece_count = self.files.iter().map(|part| part.metadata.metadata().num_row_groups()).sum();
        Ok(Box::new(read_ahead(piece_count, threads, work)))
    }

    fn description(&self) -> String {
        format!("parquet:{} ({} files, {} rows)", self.pattern, self.files.len(), self.rows)
    }

    fn watermark(&self) -> Option<String> {
        let modified = jiff::Timestamp::try_from(self.modified?).ok()?;
        Some(modified.round(jiff::Unit::Second).ok()?.to_string())
    }
}

fn resolve(pattern: &str) -> Result<Vec<PathBuf>> {
    let pattern = pattern.strip_prefix("parquet:").unwrap_or(pattern);
    let path = Path::new(pattern);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let pattern = if path.is_dir() {
        format!("{}/*.parquet", glob::Pattern::escape(pattern.trim_end_matches('/')))
    } else {
        pattern.to_owned()
    };
    let matches = glob::glob(&pattern)
        .map_err(|error| LoadError::Config(format!("the glob {pattern} is wrong: {error}.")))?;
    let mut paths = Vec::new();
    for path in matches {
        let path =
            path.map_err(|error| LoadError::Io { path: error.path().to_owned(), source: error.into() })?;
        if path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(LoadError::Source(format!("no Parquet file matches {pattern}; check the path.")));
    }
    paths.sort();
    Ok(paths)
}

fn open_file(path: PathBuf) -> Result<PartFile> {
    let file = File::open(&path).map_err(LoadError::io(&path))?;
    let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
    let error = match catch_unwind(AssertUnwindSafe(load)) {
        Ok(Ok(metadata)) => return Ok(PartFile { path, metadata }),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its footer makes no sense".to_owned(),
    };
    let path = path.display();
    Err(LoadError::Source(format!(
        "{path} is not a complete Parquet file ({error}); was it cut off? Write it again."
    )))
}

/// The first file's columns; a column is nullable if it is in any file.
fn common_schema(files: &[PartFile]) -> Result<SchemaRef> {
    let first = files[0].metadata.schema();
    let mut fields: Vec<Field> = first.fields().iter().map(|field| field.as_ref().clone()).collect();
    // Arrow has no type for these, Parquet has; what the writer said of the field itself comes first.
    for (field, parquet) in
        fields.iter_mut().zip(files[0].metadata.parquet_schema().root_schema().get_fields())
    {
        let uuid = parquet.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid);
        if uuid && field.metadata().get(TYPE_KEY).is_none() {
            field.set_metadata(
                field
                    .metadata()
                    .clone()
                    .into_iter()
                    .chain([(TYPE_KEY.into(), "UUID".into())])
                    .collect::<Metadata>(),
            );
        }
    }
    for part in &files[1..] {
        let schema = part.metadata.schema();
        let mismatch = |what: String| {
            let (here, there) = (part.path.display(), files[0].path.display());
            LoadError::Source(format!("{here} and {there} are not one table: {what}."))
        };
        if let Some(extra) = schema.fields().iter().find(|field| first.field_with_name(field.name()).is_err())
        {
            return Err(mismatch(format!("only the former has the column `{}`", extra.name())));
        }
        for field in &mut fields {
            let name = field.name();
            let other = schema
                .field_with_name(name)
                .map_err(|_| mismatch(format!("only the latter has the column `{name}`")))?;
            if other.data_type() != field.data_type() {
                let (here, there) = (other.data_type(), field.data_type());
                return Err(mismatch(format!(
                    "the column `{name}` is {here} in the former, {there} in the latter"
                )));
            }
            if other.is_nullable() {
                field.set_nullable(true);
            }
        }
    }
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = fields.iter().find(|field| !names.insert(field.name().as_str())) {
        let path = files[0].path.display();
        return Err(LoadError::Source(format!(
            "{path} has two columns named `{}`; rename one.",
            twice.name()
        )));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Decodes one row group of one file to `schema`'s columns.
fn decode(
    part: &PartFile,
    group: usize,
    schema: &SchemaRef,
    sink: Sink<'_, Result<RecordBatch>>,
) -> Result<(), String> {
    let file = File::open(&part.path).map_err(|error| error.to_string())?;
    let position = |field: &Arc<Field>| part.metadata.schema().index_of(field.name());
    let roots: Vec<usize> =
        schema.fields().iter().map(position).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mask = ProjectionMask::roots(part.metadata.parquet_schema(), roots.iter().copied());
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, part.metadata.clone())
        .with_row_groups(vec![group])
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| error.to_string())?;
    // The reader keeps the file's order of columns; the caller has one of its own.
    let mut in_file = roots.clone();
    in_file.sort_unstable();
    let order: Vec<usize> = roots.iter().map(|root| in_file.partition_point(|other| other < root)).collect();
    let expected = part.metadata.metadata().row_group(group).num_rows();
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        rows += batch.num_rows() as i64;
        let columns = order.iter().map(|&column| batch.column(column).clone()).collect();
        // Files may differ in what may be NULL: the common schema knows.
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)
            .map_err(|error| error.to_string())?;
        if !sink(Ok(batch)) {
            return Ok(());
        }
    }
    if rows == expected {
        Ok(())
    } else {
        Err(format!("it has {rows} rows where its footer says {expected}"))
    }
}
