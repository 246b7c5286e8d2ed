//! The Native format as it arrives: blocks of columns into record batches.
//!
//! For servers that know no ArrowStream. The stream has no mark at its end: whoever reads it must count rows. What
//! columns look like is in [`values`]; here are blocks, and waiting until one is complete. Nothing that a server sends may
//! panic here, or reserve more than has arrived.

mod values;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};

use super::columns::Wanted;
use super::types::Type;
use values::column;

/// Largest block.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// Why a block can't be read.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// It needs at least so many bytes.
    Short(usize),
    /// It makes no sense.
    Wrong(String),
}

/// Bytes, read from the front.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// So many values of this width.
    fn take(&mut self, count: usize, width: usize) -> Result<&'a [u8], Stop> {
        let claimed = || Stop::Wrong(format!("a block claims {count} values of {width} bytes"));
        let length =
            count.checked_mul(width).filter(|&length| length <= BLOCK_BYTES_MAX).ok_or_else(claimed)?;
        let end = self.at + length;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Short(end))?;
        self.at = end;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        Ok(self.take(1, 8)?.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }

    /// A number that counts something.
    fn count(&mut self) -> Result<usize, Stop> {
        sized(self.u64()?)
    }

    fn varint(&mut self) -> Result<usize, Stop> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1, 1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return sized(value);
            }
        }
        Err(Stop::Wrong("a length does not end".to_owned()))
    }

    fn text(&mut self) -> Result<&'a str, Stop> {
        let length = self.varint()?;
        let bytes = self.take(length, 1)?;
        std::str::from_utf8(bytes).map_err(|_| Stop::Wrong("a column's name or type is not text".to_owned()))
    }
}

/// A count that a block may claim.
fn sized(value: u64) -> Result<usize, Stop> {
    usize::try_from(value)
        .ok()
        .filter(|&value| value <= BLOCK_BYTES_MAX)
        .ok_or_else(|| Stop::Wrong(format!("a block claims {value} values")))
}

/// A stream being decoded.
#[derive(Debug)]
pub(super) struct NativeStream {
    wanted: Arc<Vec<Wanted>>,
    bytes: Vec<u8>,
    /// Reading is not worth while before so many bytes are there.
    needed: usize,
}

impl NativeStream {
    pub(super) fn new(wanted: Arc<Vec<Wanted>>) -> Self {
        Self { wanted, bytes: Vec::new(), needed: 1 }
    }

    /// Takes what arrived, and adds the batches that it completes.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<RecordBatch>) -> Result<(), String> {
        self.bytes.extend_from_slice(input);
        if self.bytes.len() < self.needed {
            return Ok(());
        }
        self.blocks(out)
    }

    /// That nothing is left over. Whether anything is missing, only a count of rows tells.
    pub(super) fn finish(&mut self, out: &mut Vec<RecordBatch>) -> Result<(), String> {
        self.blocks(out)?;
        if self.bytes.is_empty() { Ok(()) } else { Err("it ended in the middle of a block".to_owned()) }
    }

    fn blocks(&mut self, out: &mut Vec<RecordBatch>) -> Result<(), String> {
        let mut start = 0;
        self.needed = 1;
        while start < self.bytes.len() {
            let mut reader = Reader { bytes: &self.bytes[start..], at: 0 };
            match block(&mut reader, &self.wanted) {
                Ok(batch) => {
                    start += reader.at;
                    out.extend(batch);
                }
                Err(Stop::Wrong(what)) => return Err(what),
                Err(Stop::Short(needed)) => {
                    // A block is read from its start again: not each time that a little more of it arrives.
                    self.needed = needed.max((self.bytes.len() - start) * 3 / 2);
                    break;
                }
            }
        }
        self.bytes.drain(..start);
        Ok(())
    }
}

fn block(reader: &mut Reader<'_>, wanted: &[Wanted]) -> Result<Option<RecordBatch>, Stop> {
    let (columns, rows) = (reader.varint()?, reader.varint()?);
    if columns == 0 && rows == 0 {
        return Ok(None);
    }
    if columns != wanted.len() {
        return Err(Stop::Wrong(format!("it has {columns} columns where {} were asked for", wanted.len())));
    }
    let (mut fields, mut arrays) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    for wanted in wanted {
        let (name, described) = (reader.text()?, reader.text()?);
        if name != wanted.label {
            return Err(Stop::Wrong(format!(
                "it has the column `{name}` where `{}` was asked for",
                wanted.label
            )));
        }
        if Type::parse(described).map(|ty| ty.without_zones()) != Some(wanted.ty.without_zones()) {
            return Err(Stop::Wrong(format!(
                "the column `{}` arrived as {described}, which is not what the server said it is",
                wanted.name
            )));
        }
        let array = column(reader, &wanted.ty, rows)?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    if rows == 0 {
        return Ok(None);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    batch.map(Some).map_err(|error| Stop::Wrong(error.to_string()))
}

#[cfg(test)]
mod tests;
