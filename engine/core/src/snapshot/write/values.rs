//! Values on their way in, each owned by a row: while they are of few kinds as provisional codes, from then on as they are, to be
//! sorted at the end.

use std::path::Path;
use std::sync::OnceLock;

use super::dictionary::{Distinct, Scratch, TextsOut};
use super::intern::{Interner, text_of};
use super::place::{Owners, Places};
use super::region::RegionOut;
use super::sort::{Pair, sorted};
use super::spool::Spool;
use super::texts::Texts;
use crate::batch::{Keys, Values};
use crate::error::Result;
use crate::format::records::DictionaryRecord;
use crate::schema::ScalarType;

/// With more distinct values than this, sorting them all beats looking each of them up.
const INTERNED_MAX: usize = 1 << 16;

/// The same; `MUSTER_INTERNED_VALUES` makes it less, so that tests meet both ways in small tables.
fn interned_max() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let wanted = std::env::var("MUSTER_INTERNED_VALUES").ok().and_then(|values| values.parse().ok());
        wanted.unwrap_or(INTERNED_MAX).min(INTERNED_MAX)
    })
}

/// How many bytes a type's keys have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bool,
    Eight,
    Sixteen,
    Bytes,
}

impl Width {
    pub(super) fn of(ty: &ScalarType) -> Self {
        match ty {
            ScalarType::Bool => Self::Bool,
            ScalarType::Int { bits: 128 }
            | ScalarType::UInt { bits: 128 }
            | ScalarType::Uuid
            | ScalarType::Ipv6 => Self::Sixteen,
            ScalarType::Decimal { precision, .. } if *precision > 18 => Self::Sixteen,
            ScalarType::String | ScalarType::Enum => Self::Bytes,
            _ => Self::Eight,
        }
    }
}

/// Hears which rows of the table have which code.
pub(super) trait Sink {
    /// There are so many codes; heard first, if it is known.
    fn codes(&mut self, count: usize);
    /// These rows have this code: all of it, ascending, and perhaps more than once each.
    fn all(&mut self, code: u32, rows: &[u32]);
    /// Each row has the final code of a provisional one.
    fn some(&mut self, provisional: &[u64], finals: &[u32], rows: &[u32]);
}

/// Values of one column, in the order they came.
#[derive(Debug)]
pub(super) struct ValuesBuilder {
    width: Width,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Provisional codes.
    Few { interner: Interner, codes: Spool },
    /// 64-bit keys.
    Numbers(Spool),
    /// Texts, and 128-bit keys as bytes that sort as they do.
    Texts(Texts),
}

impl ValuesBuilder {
    pub(super) fn new(width: Width) -> Self {
        let interner = match width {
            Width::Bool | Width::Eight => Interner::fixed8(),
            Width::Sixteen => Interner::fixed16(),
            Width::Bytes => Interner::bytes(),
        };
        Self { width, kind: Kind::Few { interner, codes: Spool::default() } }
    }

    /// Adds values: of each its row and its index in `keys`.
    pub(super) fn push(
        &mut self,
        keys: &Keys,
        picked: impl Iterator<Item = (u32, usize)>,
    ) -> Result<(), String> {
        let fits = matches!(
            (self.width, keys),
            (Width::Bool, Keys::Bool(_) | Keys::Fixed8(_))
                | (Width::Eight, Keys::Fixed8(_))
                | (Width::Sixteen, Keys::Fixed16(_))
                | (Width::Bytes, Keys::Bytes { .. })
        );
        if !fits {
            return Err("its keys are not of its type's width".to_owned());
        }
        match (&mut self.kind, keys) {
            (Kind::Few { interner, codes }, keys) => codes
                .extend(picked.map(|(_, index)| interner.code_of(keys, index).unwrap_or_default().into())),
            (Kind::Numbers(spool), Keys::Fixed8(keys)) => spool.extend(picked.map(|(_, index)| keys[index])),
            (Kind::Numbers(spool), Keys::Bool(keys)) => {
                spool.extend(picked.map(|(_, index)| keys[index].into()));
            }
            (Kind::Texts(texts), Keys::Fixed16(keys)) => {
                picked.for_each(|(row, index)| texts.push(row, &keys[index].to_be_bytes()));
            }
            (Kind::Texts(texts), keys) => {
                picked.for_each(|(row, index)| texts.push(row, text_of(keys, index).unwrap_or_default()));
            }
            (Kind::Numbers(_), _) => return Err("its keys are not of its type's width".to_owned()),
        }
        Ok(())
    }

    /// To be called after each batch: whether values are still looked up is decided here. Returns what goes wrong when
    /// reading back what was spilled.
    pub(super) fn settle(&mut self, owners: &Owners<'_>) -> Result<(), String> {
        let Kind::Few { interner, codes } = &self.kind else { return Ok(()) };
        if interner.len() <= interned_max() {
            return Ok(());
        }
        let failed = |error: crate::error::Error| error.to_string();
        self.kind = match self.width {
            Width::Bool | Width::Eight => {
                let (known, mut numbers) = (interner.keys8(), Spool::default());
                codes.each(|code| numbers.push(known[code as usize])).map_err(failed)?;
                Kind::Numbers(numbers)
            }
            Width::Sixteen | Width::Bytes => {
                let mut room = [0; 16];
                let known: Vec<Vec<u8>> = interner
                    .order()
                    .iter()
                    .map(|&code| interner.bytes_of(code, &mut room).to_vec())
                    .collect();
                let mut texts = Texts::new(known.iter().map(Vec::as_slice));
                let all = Places::same(0);
                let push = &mut |codes: &[u64], rows: &[u32]| {
                    for (&code, &row) in codes.iter().zip(rows) {
                        texts.push(row, interner.bytes_of(code as u32, &mut room));
                    }
                };
                all.each_owned(owners, codes, push).map_err(failed)?;
                Kind::Texts(texts)
            }
        };
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Few { codes: spool, .. } | Kind::Numbers(spool) => spool.len(),
            Kind::Texts(texts) => texts.len(),
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.kind {
            Kind::Few { codes: spool, .. } | Kind::Numbers(spool) => spool.buffered_bytes(),
            Kind::Texts(texts) => texts.buffered_bytes(),
        }
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        match &mut self.kind {
            Kind::Few { codes: spool, .. } | Kind::Numbers(spool) => spool.spill(dir, name),
            Kind::Texts(texts) => texts.spill(dir, name),
        }
    }

    /// Values of few kinds, with their provisional codes.
    pub(super) fn few(&self) -> Option<(&Interner, &Spool)> {
        match &self.kind {
            Kind::Few { interner, codes } => Some((interner, codes)),
            Kind::Numbers(_) | Kind::Texts(_) => None,
        }
    }

    /// Numbers of many kinds.
    pub(super) fn numbers(&self) -> Option<&Spool> {
        match &self.kind {
            Kind::Numbers(spool) => Some(spool),
            Kind::Few { .. } | Kind::Texts(_) => None,
        }
    }

    /// Puts the dictionary into a region and tells the rows that own each value, where they belong: values of many kinds code
    /// by code, values of few kinds as they came.
    pub(super) fn finish(
        self,
        owners: &Owners<'_>,
        places: &Places,
        scratch: &Scratch,
        out: &mut RegionOut,
        sink: &mut impl Sink,
    ) -> Result<DictionaryRecord> {
        match self.kind {
            Kind::Few { interner, codes } => {
                let used = used(&interner, &codes, owners, places)?;
                let (distinct, finals) = interner.sorted(|code| used[code as usize]);
                sink.codes(distinct.len());
                places.each_owned(owners, &codes, &mut |codes, rows| sink.some(codes, &finals, rows))?;
                Ok(distinct.put(out))
            }
            Kind::Numbers(numbers) => {
                let pairs = sorted(numbers.bounds(), &|f| places.each_owned(owners, &numbers, f))?;
                drop(numbers);
                Ok(each_of_pairs(&pairs, sink).put(out))
            }
            Kind::Texts(texts) if self.width == Width::Sixteen => {
                let mut keys: Vec<u128> = Vec::new();
                texts.each_group(places, |group| {
                    let wide = group.bytes.as_chunks::<16>().0;
                    each_of_group(keys.len() as u32, &group.row_ends, &group.rows, sink);
                    keys.extend(wide.iter().map(|bytes| u128::from_be_bytes(*bytes)));
                    Ok(())
                })?;
                Ok(Distinct::Fixed16(keys).put(out))
            }
            Kind::Texts(texts) => {
                let (mut distinct, mut first) = (TextsOut::new(scratch), 0);
                texts.each_group(places, |group| {
                    each_of_group(first, &group.row_ends, &group.rows, sink);
                    first += group.ends.len() as u32;
                    distinct.push(&group)
                })?;
                Ok(distinct.put(out))
            }
        }
    }
}

/// Which provisional codes rows of the table have.
fn used(interner: &Interner, codes: &Spool, owners: &Owners<'_>, places: &Places) -> Result<Vec<bool>> {
    let mut used = vec![!places.drops(); interner.len()];
    if places.drops() {
        places.each_owned(owners, codes, &mut |codes, _| {
            for &code in codes {
                used[code as usize] = true;
            }
        })?;
    }
    Ok(used)
}

/// The distinct numbers of sorted pairs; tells the rows of each.
pub(super) fn each_of_pairs(pairs: &[Pair], sink: &mut impl Sink) -> Distinct {
    let (mut keys, mut rows) = (Vec::new(), Vec::new());
    for same in pairs.chunk_by(|a, b| a.0 == b.0) {
        rows.clear();
        rows.extend(same.iter().map(|pair| pair.1));
        sink.all(keys.len() as u32, &rows);
        keys.push(same[0].0);
    }
    Distinct::Fixed8(keys)
}

fn each_of_group(first: u32, row_ends: &[u32], rows: &[u32], sink: &mut impl Sink) {
    let mut from = 0;
    for (code, &to) in (first..).zip(row_ends) {
        sink.all(code, &rows[from as usize..to as usize]);
        from = to;
    }
}

/// Whether there are `count` values.
pub(super) fn check_values(values: &Values, count: usize) -> Result<(), String> {
    let len = match &values.keys {
        Keys::Bool(keys) => keys.len(),
        Keys::Fixed8(keys) => keys.len(),
        Keys::Fixed16(keys) => keys.len(),
        Keys::Bytes { ends, bytes } => {
            if !ends.is_sorted() || ends.last().is_some_and(|&end| end as usize > bytes.len()) {
                return Err("its text offsets do not ascend within its bytes".to_owned());
            }
            ends.len()
        }
    };
    let present = values.present.as_ref().map_or(count, Vec::len);
    if len != count || present != count {
        return Err(format!("it has {len} values and {present} presence marks for {count} rows"));
    }
    Ok(())
}

/// Whether list or map ends fit `rows` rows and ascend; returns how many entries they cover.
pub(super) fn check_ends(ends: &[u32], present: Option<&[bool]>, rows: usize) -> Result<usize, String> {
    if ends.len() != rows || !ends.is_sorted() || present.is_some_and(|present| present.len() != rows) {
        return Err(format!("its row ends do not ascend or are not {rows}"));
    }
    Ok(ends.last().map_or(0, |&end| end as usize))
}
