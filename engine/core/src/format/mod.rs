//! The snapshot format: where things are, how they are checked. See `docs/snapshot-format.md`.
//!
//! This layer knows bytes and offsets, not what columns mean.

pub mod data;
pub mod manifest;
pub mod records;

/// The format this program writes and the newest it reads.
pub const FORMAT: u32 = 1;
/// Rows in a chunk.
pub const CHUNK_ROWS: u32 = 1 << 16;
/// Bytes under one checksum.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Where regions and leaves start.
pub const ALIGN: usize = 64;
/// File names inside a snapshot's directory.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The one file with all bytes.
pub const DATA_FILE: &str = "data.bin";
/// Columns with at most this many distinct values have a bitmap per value.
pub const LEAF_VALUES_MAX: usize = 256;
/// ... if this many rows have each value in the mean: below, a bitmap's head is larger than its share of a sorted order.
pub const LEAF_ROWS_MEAN_MIN: usize = 32;
/// Array elements held by more rows than this have a bitmap of their own.
pub const POSTING_ROWS_MAX: usize = 32;
/// Positions of a column's order between two fences.
pub const FENCE_STRIDE: usize = 64;
/// Rows of a chunk between two steps, unless they have one value.
pub const STEP_ROWS: usize = 1 << 11;
/// Rows one snapshot can hold.
pub const ROWS_MAX: u64 = (1 << 32) - CHUNK_ROWS as u64;

// Bytes are read in place as little-endian integers.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "Muster reads snapshots in place and needs a little-endian machine"
);

/// How many chunks hold this many rows.
pub const fn chunks_of(rows: u32) -> u32 {
    rows.div_ceil(CHUNK_ROWS)
}

/// How many rows the chunk holds, of a table with `rows` rows.
pub const fn rows_in_chunk(rows: u32, chunk: u32) -> u32 {
    let start = chunk as u64 * CHUNK_ROWS as u64;
    let rows = rows as u64;
    if start >= rows {
        0
    } else if rows - start > CHUNK_ROWS as u64 {
        CHUNK_ROWS
    } else {
        (rows - start) as u32
    }
}
