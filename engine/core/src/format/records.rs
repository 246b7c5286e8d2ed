//! Fixed-size records, exactly as they lie in `data.bin`.

use bytemuck::{Pod, Zeroable};

/// A dictionary of distinct ascending values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct DictionaryRecord {
    /// One of the `DICTIONARY_*` kinds.
    pub kind: u8,
    /// Bytes per offset of a bytes dictionary, 4 or 8; 0 if all values have the same length.
    pub offset_width: u8,
    /// Zero.
    pub zero: u16,
    /// How many values.
    pub count: u32,
    /// Where the keys, or the offsets, are.
    pub keys_at: u64,
    /// Where the bytes are; the base of [`DICTIONARY_4`].
    pub bytes_at: u64,
    /// How many bytes.
    pub bytes_len: u64,
    /// Zero.
    pub zero2: u64,
}

/// No values.
pub const DICTIONARY_NONE: u8 = 0;
/// `u64` keys.
pub const DICTIONARY_8: u8 = 1;
/// `u128` keys.
pub const DICTIONARY_16: u8 = 2;
/// Bytes.
pub const DICTIONARY_BYTES: u8 = 3;
/// `u64` keys as `u32` distances from a base.
pub const DICTIONARY_4: u8 = 4;

/// A value column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ColumnRecord {
    /// One of the `LAYOUT_*`.
    pub layout: u8,
    /// Bytes per code: 0, 1, 2 or 4.
    pub code_width: u8,
    /// `FLAG_*` bits.
    pub flags: u8,
    /// Zero.
    pub zero: u8,
    /// Rows with a value.
    pub present: u32,
    /// Entries at `leaves_at`.
    pub leaves: u32,
    /// Zero.
    pub zero2: u32,
    /// The distinct values.
    pub dictionary: DictionaryRecord,
    /// Leaf of the rows with a value, or 0 if all have one.
    pub presence_at: u64,
    /// Rows with a code below each code, or extras.
    pub totals_at: u64,
    /// Codes, by row or by rank.
    pub codes_at: u64,
    /// Rows of each chunk by code, then fences.
    pub order_at: u64,
    /// Where each code's leaf is.
    pub leaves_at: u64,
    /// Steps, or 0 if there are none.
    pub steps_at: u64,
    /// Zero.
    pub zero3: [u64; 3],
}

/// Booleans: bitmaps only.
pub const LAYOUT_BITS: u8 = 0;
/// A code for every row.
pub const LAYOUT_DENSE: u8 = 1;
/// A code for every row that has a value, by rank.
pub const LAYOUT_SPARSE: u8 = 2;

/// Most values occur once: instead of totals there are the codes of all further occurrences.
pub const FLAG_EXTRAS: u8 = 1;
/// There is an order.
pub const FLAG_ORDER: u8 = 2;

/// An array column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ListRecord {
    /// The distinct elements.
    pub dictionary: DictionaryRecord,
    /// Leaf of the rows with a list, or 0 if all have one.
    pub presence_at: u64,
    /// The value column of lengths.
    pub lengths_at: u64,
    /// Where each element's rows start.
    pub starts_at: u64,
    /// Rows of light elements.
    pub rows_at: u64,
    /// Codes of heavy elements.
    pub heavy_codes_at: u64,
    /// Leaves of heavy elements.
    pub heavy_leaves_at: u64,
    /// How many heavy elements.
    pub heavy: u32,
    /// Rows with a list.
    pub present: u32,
    /// Zero.
    pub zero: [u64; 4],
}

/// A map column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MapRecord {
    /// The distinct keys.
    pub dictionary: DictionaryRecord,
    /// Leaf of the rows with a map, or 0 if all have one.
    pub presence_at: u64,
    /// Rows with a map.
    pub present: u32,
    /// Zero.
    pub zero: u32,
    /// One [`ColumnRecord`] a key.
    pub columns_at: u64,
}

/// External ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct IdsRecord {
    /// [`IDS_ASCEND`] or 0.
    pub flags: u32,
    /// Zero.
    pub zero: u32,
    /// Rows.
    pub rows: u64,
    /// Ids in row order.
    pub ids_at: u64,
    /// Rows in id order.
    pub by_id_at: u64,
    /// Buckets of the hash index.
    pub buckets_at: u64,
    /// What its hash starts from.
    pub seed: u64,
    /// Buckets that ids hash to; 0 if there is no index.
    pub homes: u32,
    /// Buckets in all: those that ids hash to, and a few more for what the last of them have too many.
    pub buckets: u32,
    /// Zero.
    pub zero2: u64,
}

/// Rows are in the order of their ids.
pub const IDS_ASCEND: u32 = 1;

/// A bucket of the hash index from ids to rows: one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct IdBucket {
    /// Rows; [`NO_ROW`] in slots that are free.
    pub rows: [u32; BUCKET_SLOTS],
    /// The low byte of the hash of each row's id.
    pub tags: [u8; BUCKET_SLOTS],
    /// How many buckets after this one hold ids that hash to this one.
    pub reach: u8,
    /// Zero.
    pub zero: [u8; 3],
}

/// Rows in a bucket.
pub const BUCKET_SLOTS: usize = 12;
/// Beyond every row number that a snapshot can have.
pub const NO_ROW: u32 = u32::MAX;

/// Start of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LeafHeader {
    /// Rows set.
    pub rows: u32,
    /// Chunk entries that follow.
    pub chunks: u32,
    /// Bytes of the whole leaf.
    pub bytes: u64,
}

/// One chunk of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ChunkEntry {
    /// Which chunk.
    pub chunk: u16,
    /// One of the `CONTAINER_*`.
    pub kind: u8,
    /// Zero.
    pub zero: u8,
    /// Rows set in this chunk.
    pub rows: u32,
    /// Rows set in all chunks before.
    pub rank: u32,
    /// Where the container is, in units of 8 bytes from the leaf's start.
    pub offset: u32,
}

/// Ascending `u16` rows.
pub const CONTAINER_ARRAY: u8 = 0;
/// 1,024 words.
pub const CONTAINER_BITS: u8 = 1;
/// Pairs of first and last row.
pub const CONTAINER_RUNS: u8 = 2;
/// All rows of the chunk.
pub const CONTAINER_FULL: u8 = 3;

/// Start of a column's steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct StepsHeader {
    /// Steps in all.
    pub steps: u32,
    /// Chunks of the table.
    pub chunks: u32,
    /// Bytes of header, directory and containers.
    pub bytes: u64,
}

/// One step: the rows of a chunk whose code is below a code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct StepEntry {
    /// The code.
    pub code: u32,
    /// Rows of the chunk below it: the step's position in the chunk's order.
    pub rows: u32,
    /// Where the container is, in units of 8 bytes from the steps' start.
    pub offset: u32,
    /// One of the `CONTAINER_*`.
    pub kind: u8,
    /// Zero.
    pub zero: [u8; 3],
}

/// Start of `data.bin`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct DataHeader {
    /// [`DATA_MAGIC`].
    pub magic: [u8; 8],
    /// Format version.
    pub format: u32,
    /// Zero.
    pub zero: u32,
    /// As in the manifest, so that files of two generations are never mixed.
    pub generation: u64,
    /// As in the manifest.
    pub rows: u64,
    /// Zero.
    pub zero2: [u64; 4],
}

/// First bytes of `data.bin`.
pub const DATA_MAGIC: [u8; 8] = *b"MUSTER\r\n";

const _: () = {
    assert!(size_of::<DictionaryRecord>() == 40);
    assert!(size_of::<ColumnRecord>() == 128);
    assert!(size_of::<ListRecord>() == 128);
    assert!(size_of::<MapRecord>() == 64);
    assert!(size_of::<IdsRecord>() == 64);
    assert!(size_of::<IdBucket>() == 64);
    assert!(size_of::<LeafHeader>() == 16);
    assert!(size_of::<ChunkEntry>() == 16);
    assert!(size_of::<StepsHeader>() == 16);
    assert!(size_of::<StepEntry>() == 16);
    assert!(size_of::<DataHeader>() == 64);
};
