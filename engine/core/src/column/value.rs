//! A value column: at most one value a row, as codes into a sorted dictionary.
//!
//! It answers by code: which rows have a code in a range, how many, and what code one row has.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::bitmap::Leaf;
use crate::column::{Dictionary, Steps, open_presence};
use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{
    ColumnRecord, FLAG_EXTRAS, FLAG_ORDER, LAYOUT_BITS, LAYOUT_DENSE, LAYOUT_SPARSE,
};
use crate::format::{CHUNK_ROWS, FENCE_STRIDE, LEAF_VALUES_MAX, rows_in_chunk};

/// How codes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Bitmaps only (booleans).
    Bits,
    /// A code for every row.
    Dense,
    /// A code for every row that has a value.
    Sparse,
}

/// Codes by width.
#[derive(Debug, Clone)]
pub enum Codes {
    /// None: layout bits.
    None,
    /// One byte.
    U8(Values<u8>),
    /// Two bytes.
    U16(Values<u16>),
    /// Four bytes.
    U32(Values<u32>),
}

/// How many rows have a code below a code.
#[derive(Debug, Clone)]
enum Totals {
    /// The numbers.
    Below(Values<u32>),
    /// So many codes, each once, and the codes of all further rows, ascending.
    Extras(u32, Values<u32>),
}

impl Totals {
    fn below(&self, code: u32) -> Result<u32> {
        match self {
            Self::Below(totals) => totals.get(code as usize),
            Self::Extras(codes, extras) => {
                let (mut low, mut high) = (0, extras.len());
                while low < high {
                    let middle = low + (high - low) / 2;
                    if extras.get(middle)? < code {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                Ok(code.min(*codes).saturating_add(low as u32))
            }
        }
    }
}

/// A value column of a snapshot.
#[derive(Debug, Clone)]
pub struct ValueColumn {
    region: Section,
    table_rows: u32,
    present: u32,
    layout: Layout,
    presence: Option<Leaf>,
    dictionary: Dictionary,
    codes: Codes,
    totals: Totals,
    order: Option<(Values<u16>, Values<u32>)>,
    leaves: Values<u64>,
    /// Leaves that were opened, by code.
    opened: Arc<[OnceLock<Leaf>]>,
    steps: Option<Steps>,
    /// Layout bits: the rows that are true.
    truths: Option<Leaf>,
}

impl ValueColumn {
    /// Opens the column whose record is at an offset of a region.
    pub fn open(region: &Section, at: u64, table_rows: u32) -> Result<Self> {
        let record: ColumnRecord = region.record(at)?;
        let layout = match record.layout {
            LAYOUT_BITS => Layout::Bits,
            LAYOUT_DENSE => Layout::Dense,
            LAYOUT_SPARSE => Layout::Sparse,
            other => return Err(region.corrupt(format!("there is no layout {other}"))),
        };
        let dictionary = Dictionary::open(region, &record.dictionary)?;
        let presence = open_presence(region, record.presence_at, record.present, table_rows)?;
        let present = record.present;
        let stored = u64::from(if layout == Layout::Sparse { present } else { table_rows });
        let codes = match (layout, record.code_width) {
            (Layout::Bits, 0) => Codes::None,
            (Layout::Dense | Layout::Sparse, 1) => Codes::U8(region.values(record.codes_at, stored)?),
            (Layout::Dense | Layout::Sparse, 2) => Codes::U16(region.values(record.codes_at, stored)?),
            (Layout::Dense | Layout::Sparse, 4) => Codes::U32(region.values(record.codes_at, stored)?),
            (_, width) => return Err(region.corrupt(format!("there are no codes of {width} bytes"))),
        };
        let count = record.dictionary.count;
        let totals = if record.flags & FLAG_EXTRAS == 0 {
            Totals::Below(region.values(record.totals_at, u64::from(count) + 1)?)
        } else {
            let extras = present.checked_sub(count);
            let extras = extras.ok_or_else(|| region.corrupt("it has more values than rows with one"))?;
            Totals::Extras(count, region.values(record.totals_at, extras.into())?)
        };
        let order = if record.flags & FLAG_ORDER == 0 {
            None
        } else {
            let rows = region.values(record.order_at, present.into())?;
            let fences = u64::from(present).div_ceil(FENCE_STRIDE as u64);
            let fences_at = record.order_at.saturating_add(u64::from(present) * 2).saturating_add(63) & !63;
            Some((rows, region.values(fences_at, fences)?))
        };
        let leaves: Values<u64> = region.values(record.leaves_at, record.leaves.into())?;
        let opened = (0..leaves.len().min(LEAF_VALUES_MAX)).map(|_| OnceLock::new()).collect();
        let steps = match record.steps_at {
            0 => None,
            at => Some(Steps::open(region, at, table_rows)?),
        };
        let truths = match layout {
            Layout::Bits => Some(Leaf::open(region, leaves.get(1)?, table_rows)?),
            Layout::Dense | Layout::Sparse => None,
        };
        let region = region.clone();
        Ok(Self {
            region,
            table_rows,
            present,
            layout,
            presence,
            dictionary,
            codes,
            totals,
            order,
            leaves,
            opened,
            steps,
            truths,
        })
    }

    /// Rows with a value.
    pub fn present(&self) -> u32 {
        self.present
    }

    /// Rows of the table.
    pub fn table_rows(&self) -> u32 {
        self.table_rows
    }

    /// How codes are kept.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Bytes per code.
    pub fn code_width(&self) -> usize {
        match self.codes {
            Codes::None => 0,
            Codes::U8(_) => 1,
            Codes::U16(_) => 2,
            Codes::U32(_) => 4,
        }
    }

    /// The rows with a value; `None` if all have one.
    pub fn presence(&self) -> Option<&Leaf> {
        self.presence.as_ref()
    }

    /// Of booleans, the rows that are true.
    pub fn truths(&self) -> Option<&Leaf> {
        self.truths.as_ref()
    }

    /// The distinct values.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The codes.
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Whether it has an order, so that a range of codes is a slice of each chunk.
    pub fn has_order(&self) -> bool {
        self.order.is_some()
    }

    /// How many rows have a code in `from..to`.
    pub fn rows_between(&self, from: u32, to: u32) -> Result<u64> {
        let (from, to) = (self.totals.below(from)?, self.totals.below(to)?);
        to.checked_sub(from).map(u64::from).ok_or_else(|| self.region.corrupt("its totals descend"))
    }

    /// Checks the totals, so that [`ValueColumn::for_each_total`] may be used.
    pub fn check_totals(&self) -> Result<()> {
        match &self.totals {
            Totals::Below(totals) => totals.section().check(),
            Totals::Extras(_, extras) => extras.section().check(),
        }
    }

    /// Calls `f` with each of these codes and how many rows have it, ascending. [`ValueColumn::check_totals`] must have succeeded.
    pub fn for_each_total(&self, codes: Range<u32>, mut f: impl FnMut(u32, u32)) {
        match &self.totals {
            Totals::Below(totals) => {
                let below = totals.unchecked().get(codes.start as usize..).unwrap_or_default();
                for (code, pair) in codes.zip(below.windows(2)) {
                    f(code, pair[1].saturating_sub(pair[0]));
                }
            }
            Totals::Extras(_, extras) => {
                let extras = extras.unchecked();
                let mut at = extras.partition_point(|&extra| extra < codes.start);
                for code in codes {
                    let first = at;
                    while extras.get(at) == Some(&code) {
                        at += 1;
                    }
                    f(code, (at - first) as u32 + 1);
                }
            }
        }
    }

    /// The bitmap of one code, if it has one. For booleans only `true` (code 1) has.
    pub fn leaf(&self, code: u32) -> Result<Option<Leaf>> {
        self.leaf_ref(code).map(Option::<&Leaf>::cloned)
    }

    /// The same, borrowed; opened once.
    pub fn leaf_ref(&self, code: u32) -> Result<Option<&Leaf>> {
        let Some(slot) = self.opened.get(code as usize) else { return Ok(None) };
        if let Some(leaf) = slot.get() {
            return Ok(Some(leaf));
        }
        match self.leaves.get(code as usize)? {
            0 => Ok(None),
            at => {
                let leaf = Leaf::open(&self.region, at, self.table_rows)?;
                Ok(Some(slot.get_or_init(|| leaf)))
            }
        }
    }

    /// Opens and checks the leaves of all codes, so that [`ValueColumn::opened_leaf`] has them.
    pub fn check_leaves(&self) -> Result<()> {
        (0..self.opened.len() as u32).try_for_each(|code| match self.leaf_ref(code)? {
            Some(leaf) => leaf.check(),
            None => Ok(()),
        })
    }

    /// The leaf of a code, of a column whose leaves were checked.
    pub fn opened_leaf(&self, code: u32) -> Option<&Leaf> {
        self.opened.get(code as usize)?.get()
    }

    /// Prefixes of each chunk's order, if there are some.
    pub fn steps(&self) -> Option<&Steps> {
        self.steps.as_ref()
    }

    /// Checks everything a scan or a search by chunk reads, so that these cannot fail afterwards.
    pub fn check(&self) -> Result<()> {
        self.check_codes()?;
        if let Some((rows, fences)) = &self.order {
            rows.section().check()?;
            fences.section().check()?;
        }
        if let Some(steps) = &self.steps {
            steps.check()?;
        }
        Ok(())
    }

    /// Checks everything that finding the codes of rows reads: less than a scan does.
    pub fn check_codes(&self) -> Result<()> {
        if let Some(presence) = &self.presence {
            presence.check()?;
        }
        match &self.codes {
            Codes::None => {}
            Codes::U8(codes) => codes.section().check()?,
            Codes::U16(codes) => codes.section().check()?,
            Codes::U32(codes) => codes.section().check()?,
        }
        if let Some(truths) = &self.truths {
            truths.check()?;
        }
        Ok(())
    }

    /// The code of a row; `None` if it has no value.
    pub fn code(&self, row: u32) -> Result<Option<u32>> {
        let at = match (&self.presence, self.layout) {
            (Some(presence), Layout::Sparse) => match presence.rank(row) {
                Some(rank) => rank,
                None => return Ok(None),
            },
            (Some(presence), _) if !presence.contains(row) => return Ok(None),
            _ => row,
        } as usize;
        match &self.codes {
            Codes::None => Ok(Some(u32::from(
                self.leaf(1)?.is_some_and(|leaf| leaf.check().is_ok() && leaf.contains(row)),
            ))),
            Codes::U8(codes) => codes.get(at).map(|code| Some(code.into())),
            Codes::U16(codes) => codes.get(at).map(|code| Some(code.into())),
            Codes::U32(codes) => codes.get(at).map(Some),
        }
    }

    /// The code of a row; `None` if it has no value. [`ValueColumn::check`] must have succeeded.
    pub fn checked_code(&self, row: u32) -> Option<u32> {
        match (&self.presence, self.layout) {
            // There the rank tells both whether and where.
            (Some(presence), Layout::Dense | Layout::Bits) if !presence.contains(row) => None,
            _ => self.code_of_present(row),
        }
    }

    /// The code of a row that has a value. [`ValueColumn::check_codes`] must have succeeded.
    pub fn code_of_present(&self, row: u32) -> Option<u32> {
        let at = match (&self.presence, self.layout) {
            (Some(presence), Layout::Sparse) => presence.rank(row)?,
            _ => row,
        } as usize;
        match &self.codes {
            Codes::None => self.truths.as_ref().map(|truths| truths.contains(row).into()),
            Codes::U8(codes) => codes.unchecked().get(at).map(|&code| code.into()),
            Codes::U16(codes) => codes.unchecked().get(at).map(|&code| code.into()),
            Codes::U32(codes) => codes.unchecked().get(at).copied(),
        }
    }

    /// The code at a place among those that are kept. [`ValueColumn::check_codes`] must have succeeded.
    pub(crate) fn code_at(&self, at: u32) -> Option<u32> {
        match &self.codes {
            Codes::None => None,
            Codes::U8(codes) => codes.unchecked().get(at as usize).map(|&code| code.into()),
            Codes::U16(codes) => codes.unchecked().get(at as usize).map(|&code| code.into()),
            Codes::U32(codes) => codes.unchecked().get(at as usize).copied(),
        }
    }

    /// Where a chunk's rows start in the order, and where they end.
    fn order_span(&self, chunk: u32) -> (usize, usize) {
        let (start, len) = match &self.presence {
            None => (chunk * CHUNK_ROWS, rows_in_chunk(self.table_rows, chunk)),
            Some(presence) => match presence.entry(chunk) {
                Some(entry) => (entry.rank, entry.rows),
                None => (0, 0),
            },
        };
        (start as usize, start as usize + len as usize)
    }

    /// The rows of a chunk whose code is in `from..to`, in the order of their codes, not of the rows; and all rows of the
    /// chunk with a value. [`ValueColumn::check`] must have succeeded. `None` without an order.
    pub fn ordered_rows(&self, chunk: u32, from: u32, to: u32) -> Option<(&[u16], usize)> {
        let (rows, fences) = self.order.as_ref()?;
        let (start, end) = self.order_span(chunk);
        let (rows, fences) = (rows.unchecked(), fences.unchecked());
        let first = self.order_lower(rows, fences, start, end, chunk, from);
        let last = self.order_lower(rows, fences, first, end, chunk, to);
        Some((rows.get(first..last)?, end - start))
    }

    /// The rows of a chunk with a value in the order of their codes, rows of one code ascending. [`ValueColumn::check`] must
    /// have succeeded. Empty without an order.
    pub fn order_of_chunk(&self, chunk: u32) -> &[u16] {
        let (start, end) = self.order_span(chunk);
        self.order.as_ref().and_then(|(rows, _)| rows.unchecked().get(start..end)).unwrap_or_default()
    }

    /// How many rows of a chunk have a code below `code`, known to be in `between`. [`ValueColumn::check`] must have succeeded.
    pub fn position(&self, chunk: u32, code: u32, between: (usize, usize)) -> usize {
        let Some((rows, fences)) = &self.order else { return between.0 };
        let (start, end) = self.order_span(chunk);
        let (low, high) = ((start + between.0).min(end), (start + between.1).min(end));
        self.order_lower(rows.unchecked(), fences.unchecked(), low, high, chunk, code) - start
    }

    /// The first position in `start..end` whose code is not below `code`.
    fn order_lower(
        &self,
        rows: &[u16],
        fences: &[u32],
        start: usize,
        end: usize,
        chunk: u32,
        code: u32,
    ) -> usize {
        // Fences first: they lie side by side, while a code is somewhere in the chunk.
        let (first, last) = (start.div_ceil(FENCE_STRIDE), end.div_ceil(FENCE_STRIDE));
        let inside = fences.get(first..last.max(first)).unwrap_or_default();
        let below = inside.partition_point(|&fence| fence < code);
        let mut low = if below == 0 { start } else { (first + below - 1) * FENCE_STRIDE + 1 };
        let mut high = if below < inside.len() { (first + below) * FENCE_STRIDE } else { end };
        while low < high {
            let middle = low + (high - low) / 2;
            let row = rows.get(middle).map_or(0, |&row| chunk << 16 | u32::from(row));
            if self.code_of_present(row).is_some_and(|other| other < code) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The column's region, for errors.
    pub fn region(&self) -> &Section {
        &self.region
    }
}
