//! The bytes of one column while it is encoded: parts that are put one behind the other, large ones without being copied.

use std::io::Write;

use bytemuck::NoUninit;

use super::spool::Stream;
use crate::format::records::IdBucket;

/// Parts start at multiples of this, counted from the region's start.
const PART_ALIGN: u64 = 64;
/// Parts of more bytes are not copied behind each other.
const COPIED_MAX: usize = 1 << 16;

/// What is known of an encoded column besides its bytes.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) bytes: RegionOut,
    pub(super) distinct: u64,
    pub(super) present: u64,
}

/// A region in the making.
#[derive(Debug, Default)]
pub(super) struct RegionOut {
    /// Each with where it starts; zeros lie between.
    parts: Vec<(u64, Part)>,
    /// Small parts, and what is appended as bytes.
    tail: Vec<u8>,
    /// Where the tail starts.
    tail_at: u64,
}

#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    U128(Vec<u128>),
    Buckets(Vec<IdBucket>),
    Stream(Stream),
}

/// A number of which a part can be made.
pub(super) trait Number: NoUninit {
    #[doc(hidden)]
    fn part(values: Vec<Self>) -> PartOf;
}

/// Wraps the kinds of parts, which are this module's own affair.
#[derive(Debug)]
pub(super) struct PartOf(Part);

macro_rules! numbers {
    ($($ty:ty => $kind:ident),*) => {
        $(impl Number for $ty {
            fn part(values: Vec<Self>) -> PartOf {
                PartOf(Part::$kind(values))
            }
        })*
    };
}
numbers!(u8 => Bytes, u16 => U16, u32 => U32, u64 => U64, u128 => U128, IdBucket => Buckets);

impl Part {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(values) => values,
            Self::U16(values) => bytemuck::cast_slice(values),
            Self::U32(values) => bytemuck::cast_slice(values),
            Self::U64(values) => bytemuck::cast_slice(values),
            Self::U128(values) => bytemuck::cast_slice(values),
            Self::Buckets(values) => bytemuck::cast_slice(values),
            Self::Stream(stream) => &stream.buffer,
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Stream(stream) => stream.len(),
            other => other.bytes().len() as u64,
        }
    }
}

impl RegionOut {
    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.tail_at + self.tail.len() as u64
    }

    /// Puts values at an aligned place and returns where.
    pub(super) fn put<T: Number>(&mut self, values: Vec<T>) -> u64 {
        if size_of_val(&values[..]) <= COPIED_MAX {
            self.align();
            let at = self.len();
            self.tail.extend_from_slice(bytemuck::cast_slice(&values));
            return at;
        }
        self.put_part(T::part(values).0)
    }

    /// Puts what was streamed at an aligned place and returns where.
    pub(super) fn put_stream(&mut self, stream: Stream) -> u64 {
        self.put_part(Part::Stream(stream))
    }

    /// Lets `write` append bytes at an aligned place: it is given the bytes that it appends to, and says where in these
    /// something starts.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>) -> u64) -> u64 {
        self.align();
        self.tail_at + write(&mut self.tail)
    }

    /// Fills up to an aligned place.
    pub(super) fn align(&mut self) {
        self.tail.resize((self.tail.len() as u64).next_multiple_of(PART_ALIGN) as usize, 0);
    }

    /// Keeps room for a record and returns where.
    pub(super) fn reserve(&mut self, bytes: usize) -> u64 {
        let at = self.len();
        self.tail.resize(self.tail.len() + bytes, 0);
        at
    }

    /// Writes over bytes that were kept free.
    pub(super) fn fill<T: NoUninit>(&mut self, at: u64, record: &T) {
        let record = bytemuck::bytes_of(record);
        let part = self.parts.partition_point(|(start, _)| *start <= at).checked_sub(1);
        let (start, bytes) = match part.map(|part| &mut self.parts[part]) {
            _ if at >= self.tail_at => (self.tail_at, &mut self.tail),
            Some((start, Part::Bytes(bytes))) => (*start, bytes),
            _ => return debug_assert!(false, "records are in parts of bytes"),
        };
        let at = (at - start) as usize;
        bytes[at..at + record.len()].copy_from_slice(record);
    }

    /// Puts another region at an aligned place and returns where.
    pub(super) fn put_region(&mut self, mut other: Self) -> u64 {
        other.close_tail();
        self.align();
        self.close_tail();
        let at = self.tail_at;
        self.tail_at = (at + other.tail_at).next_multiple_of(PART_ALIGN);
        self.parts.extend(other.parts.into_iter().map(|(start, part)| (at + start, part)));
        at
    }

    fn put_part(&mut self, part: Part) -> u64 {
        self.align();
        self.close_tail();
        let at = self.tail_at;
        self.tail_at = (at + part.len()).next_multiple_of(PART_ALIGN);
        self.parts.push((at, part));
        at
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            let at = self.tail_at;
            self.tail_at += tail.len() as u64;
            self.parts.push((at, Part::Bytes(tail)));
        }
    }

    /// Writes all of it; parts are given back as they are written.
    pub(super) fn write_to(mut self, file: &mut impl Write) -> std::io::Result<u64> {
        let len = self.len();
        self.close_tail();
        let mut at = 0;
        for (start, part) in self.parts {
            file.write_all(&vec![0; (start - at) as usize])?;
            if let Part::Stream(Stream { file: Some(spilled), .. }) = &part {
                spilled.copy_to(file)?;
            }
            file.write_all(part.bytes())?;
            at = start + part.len();
        }
        file.write_all(&vec![0; (len - at) as usize])?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn parts_lie_where_they_were_put() {
        let dir = tempfile::tempdir().unwrap();
        let mut region = RegionOut::default();
        let record = region.reserve(8);
        let small = region.put(vec![7_u32; 3]);
        let large: Vec<u64> = (0..100_000).collect();
        let large_at = region.put(large.clone());
        let other = region.reserve(16);
        region.put(vec![9_u8; 5]);
        let leaf = region.write(|bytes| {
            bytes.extend_from_slice(b"leaf");
            bytes.len() as u64 - 4
        });
        let mut stream = Stream::new(dir.path(), "stream".into(), 1000);
        let text: Vec<u8> = (0..10_007_u32).map(|n| n as u8).collect();
        text.chunks(600).for_each(|bytes| stream.extend(bytes).unwrap());
        assert!(stream.file.is_some() && stream.len() == 10_007);
        let stream_at = region.put_stream(stream);
        region.put(vec![3_u8]);
        region.fill(record, &0x1122_3344_5566_7788_u64);
        region.fill(other, &[1_u64, 2]);
        assert_eq!((record, small % 64, large_at % 64, leaf % 64, stream_at % 64), (0, 0, 0, 0, 0));

        let path = dir.path().join("region");
        let mut file = File::create(&path).unwrap();
        let len = region.write_to(&mut file).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, len);
        let at = |at: u64, len: usize| &bytes[at as usize..at as usize + len];
        assert_eq!(at(record, 8), 0x1122_3344_5566_7788_u64.to_le_bytes());
        assert_eq!(at(small, 12), bytemuck::cast_slice::<u32, u8>(&[7; 3]));
        assert!(at(large_at, 800_000) == bytemuck::cast_slice::<u64, u8>(&large));
        assert_eq!(at(other, 16), bytemuck::cast_slice::<u64, u8>(&[1, 2]));
        assert_eq!((at(other + 64, 5), at(leaf, 4)), (&[9; 5][..], &b"leaf"[..]));
        assert!(at(stream_at, 10_007) == text && bytes.last() == Some(&3));
    }
}
