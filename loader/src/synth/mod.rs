//! `muster synth`: a realistic, deterministic population of `user_features`, as Parquet files.
//!
//! Everything about user number `i` is a function of (seed, `i`, number of users, reference time): threads,
//! batches and machines do not change a byte. Memory is one row group a thread.
//!
//! A latent activity, a standard normal per user, drives balance, transactions, chains, scores, holdings, quests
//! and how recently the user was seen; `docs/population.md` lists every column's distribution.

mod chunk;
mod holdings;
mod json;
mod names;
mod random;
#[cfg(test)]
mod tests;
mod user;
mod zipf;

use std::fs::{self, File};
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::{LoadError, Result};
use crate::progress::Progress;
use holdings::Vocabulary;
use user::Frame;

/// "Now" of a population unless said otherwise: 2026-11-20T00:00:00Z.
pub const DEFAULT_REFERENCE: i64 = 1_795_132_800;

/// Rows of a row group: what a reader decodes as one unit of parallel work.
const ROW_GROUP_ROWS: u64 = 131_072;
/// Rows generated together. A multiple of the Parquet writer's inner batch, so that pages don't depend on it.
const BATCH_ROWS: u64 = 16_384;
/// Most users in one file.
const FILE_USERS_MAX: u64 = 8 * ROW_GROUP_ROWS;
/// Small populations are still cut into about this many files, so that they too are written in parallel.
const FILES_MIN: u64 = 8;
/// More users than a snapshot can number.
const USERS_MAX: u64 = u32::MAX as u64;

/// What to generate.
#[derive(Debug, Clone)]
pub struct SynthOptions {
    /// How many users.
    pub users: u64,
    /// Same seed, same bytes.
    pub seed: u64,
    /// Directory to write `part-00000.parquet` and so on into; created if missing.
    pub out: PathBuf,
    /// "Now" of the population, Unix seconds.
    pub reference: i64,
    /// Whether Parquet files already there are removed; otherwise they are an error.
    pub replace: bool,
}

impl SynthOptions {
    /// This many users into this directory, seed 42, the default reference time.
    pub fn new(users: u64, out: impl Into<PathBuf>) -> Self {
        Self { users, seed: 42, out: out.into(), reference: DEFAULT_REFERENCE, replace: false }
    }
}

/// What was generated.
#[derive(Debug, Clone, Serialize)]
pub struct SynthReport {
    /// Users written.
    pub users: u64,
    /// Files written.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Generates the population on rayon's current pool.
pub fn synth(options: &SynthOptions, progress: &dyn Progress) -> Result<SynthReport> {
    write_population(options, BATCH_ROWS, progress)
}

fn write_population(options: &SynthOptions, batch_rows: u64, progress: &dyn Progress) -> Result<SynthReport> {
    let started = Instant::now();
    if options.users == 0 || options.users > USERS_MAX {
        let asked = options.users;
        return Err(LoadError::Config(format!("{asked} users: choose between 1 and {USERS_MAX}.")));
    }
    if options.reference < user::LAUNCH {
        return Err(LoadError::Config("the reference time must not be before 2021-01-01T00:00:00Z.".into()));
    }
    prepare_directory(&options.out, options.replace)?;
    let frame = Frame { users: options.users, seed: options.seed, reference: options.reference };
    let vocabulary = Vocabulary::new();
    let schema = chunk::schema(&vocabulary).map_err(LoadError::write(&options.out))?;

    let files = file_ranges(options.users);
    progress.begin("synth", Some(options.users));
    let sizes: Vec<u64> = files
        .par_iter()
        .enumerate()
        // One file at a time a thread keeps memory bounded by row groups, not by files.
        .with_max_len(1)
        .map(|(number, users)| {
            let path = options.out.join(format!("part-{number:05}.parquet"));
            write_file(&path, &frame, &vocabulary, &schema, users.clone(), batch_rows, progress)
        })
        .collect::<Result<_>>()?;
    progress.end();
    Ok(SynthReport {
        users: options.users,
        files: sizes.len() as u64,
        bytes: sizes.iter().sum(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The directory must hold no other Parquet files: a build would read them as part of the population.
fn prepare_directory(dir: &Path, replace: bool) -> Result<()> {
    fs::create_dir_all(dir).map_err(LoadError::io(dir))?;
    for entry in fs::read_dir(dir).map_err(LoadError::io(dir))? {
        let path = entry.map_err(LoadError::io(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            if !replace {
                return Err(LoadError::Config(format!(
                    "{} already holds Parquet files: choose another directory, or allow them to be replaced.",
                    dir.display()
                )));
            }
            fs::remove_file(&path).map_err(LoadError::io(&path))?;
        }
    }
    Ok(())
}

/// Whole row groups a file, whatever the number of threads.
fn file_ranges(users: u64) -> Vec<Range<u64>> {
    let even = users.div_ceil(FILES_MIN).next_multiple_of(ROW_GROUP_ROWS);
    let size = even.min(FILE_USERS_MAX);
    (0..users.div_ceil(size)).map(|file| file * size..users.min((file + 1) * size)).collect()
}

fn write_file(
    path: &Path,
    frame: &Frame,
    vocabulary: &Vocabulary,
    schema: &SchemaRef,
    users: Range<u64>,
    batch_rows: u64,
    progress: &dyn Progress,
) -> Result<u64> {
    let file = File::create(path).map_err(LoadError::io(path))?;
    let mut writer = ArrowWriter::try_new(
        BufWriter::with_capacity(1 << 20, file),
        schema.clone(),
        Some(properties(schema)),
    )
    .map_err(LoadError::write(path))?;
    for start in users.clone().step_by(batch_rows as usize) {
        let end = users.end.min(start + batch_rows);
        let batch = chunk::batch(frame, vocabulary, start..end).map_err(LoadError::write(path))?;
        writer.write(&batch).map_err(LoadError::write(path))?;
        progress.advance(end - start);
    }
    let file = writer.into_inner().map_err(LoadError::write(path))?;
    let file = file
        .into_inner()
        .map_err(|error| LoadError::Io { path: path.to_owned(), source: error.into_error() })?;
    Ok(file.metadata().map_err(LoadError::io(path))?.len())
}

/// LZ4 and a dictionary only where values repeat: what is fastest to write, and to read back.
fn properties(schema: &Schema) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS as usize))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false);
    for field in schema.fields().iter().filter(|field| chunk::has_few_values(field)) {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true);
    }
    // Random hexadecimal digits: LZ4 finds nothing in them.
    builder.set_column_compression(ColumnPath::from("associated_wallets"), Compression::UNCOMPRESSED).build()
}
