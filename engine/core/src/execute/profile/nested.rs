//! Members by what their arrays hold, or by the keys of their maps.

use super::held::Held;
use super::top::Top;
use super::{Breakdown, Profiler, ValueCount};
use crate::bitmap::{Leaf, Scratch};
use crate::column::{Dictionary, ListColumn, MapColumn};
use crate::error::{Error, Result};
use crate::execute::drive::over;
use crate::plan::value_of;
use crate::rule::bind::QueryError;
use crate::schema::ScalarType;

/// Elements that are looked at at a time.
const BLOCK: u32 = 1 << 14;
/// What an element or a key with few rows takes, about.
const FEW_ROWS_NANOS: f64 = 5.0;
/// What a bitmap takes in a chunk, about.
const LEAF_NANOS: f64 = 200.0;

impl Profiler<'_> {
    /// An array's elements: each one's rows against the audience.
    pub(super) fn by_elements(
        &self,
        ty: &ScalarType,
        list: &ListColumn,
        top: usize,
    ) -> Result<Breakdown, QueryError> {
        list.check_postings()?;
        let elements = list.elements().len();
        let light = |(): &mut (), at: u32| {
            let mut found = Top::new(top);
            let codes = at * BLOCK..(at + 1).saturating_mul(BLOCK).min(elements);
            list.for_each_light(codes, |code, rows| {
                found.add(code, self.members_of(rows.len() as u64, |held| held.among(rows)));
            });
            found
        };
        let nanos = FEW_ROWS_NANOS * f64::from(BLOCK);
        let light = over(elements.div_ceil(BLOCK), nanos, || (), light, Top::join);
        let codes = list.heavy_elements()?;
        let heavy = |scratch: &mut Scratch, at: u32| {
            let code = codes.get(at as usize).copied().unwrap_or_default();
            let postings = list.postings(code)?;
            let rows = u64::from(postings.rows());
            let count = self.try_members_of(rows, |held| held.common_postings(&postings, scratch))?;
            Ok(one(top, code, count))
        };
        let heavy = over(codes.len() as u32, self.leaf_nanos(), Scratch::default, heavy, join_tops);
        let light = light.unwrap_or_else(|| Top::new(top));
        let found = light.join(heavy.unwrap_or_else(|| Ok(Top::new(top)))?);
        let population = |code, scratch: &mut Scratch| {
            let postings = list.postings(code)?;
            let erased = self.erased.common_postings(&postings, scratch)?;
            Ok(u64::from(postings.rows()).saturating_sub(erased))
        };
        self.told(found, (list.presence(), list.present()), (list.elements(), ty), population)
    }

    /// A map's keys: the rows that have each one against the audience.
    pub(super) fn by_keys(&self, map: &MapColumn, top: usize) -> Result<Breakdown, QueryError> {
        let keys = map.keys();
        let key = |scratch: &mut Scratch, code: u32| {
            let column = map.column(code)?;
            let rows = u64::from(column.present());
            let count = self.try_members_of(rows, |held| held.common(column.presence(), scratch))?;
            Ok(one(top, code, count))
        };
        let found = over(keys.len(), self.leaf_nanos(), Scratch::default, key, join_tops);
        let population = |code, scratch: &mut Scratch| {
            let column = map.column(code)?;
            let erased = self.erased.common(column.presence(), scratch)?;
            Ok(u64::from(column.present()).saturating_sub(erased))
        };
        let found = found.unwrap_or_else(|| Ok(Top::new(top)))?;
        let presence = (map.presence(), map.present());
        self.told(found, presence, (keys, &ScalarType::String), population)
    }

    /// The answer, once elements or keys were counted.
    fn told(
        &self,
        found: Top,
        (presence, present): (Option<&Leaf>, u32),
        (dictionary, ty): (&Dictionary, &ScalarType),
        population: impl Fn(u32, &mut Scratch) -> Result<u64>,
    ) -> Result<Breakdown, QueryError> {
        let mut scratch = Scratch::default();
        let present = self.try_members_of(present.into(), |held| held.common(presence, &mut scratch))?;
        let distinct = found.distinct;
        let (found, others) = found.into_sorted();
        let value = |(code, count)| {
            let population = population(code, &mut scratch)?;
            Ok(ValueCount { value: value_of(dictionary, ty, code)?, count, population })
        };
        let values = found.into_iter().map(value).collect::<Result<_, Error>>()?;
        // Halted, one count may be cut and the other not.
        let null = self.total.saturating_sub(present);
        Ok(Breakdown { total: self.total, values, distinct, others, null })
    }

    /// How many members are among so many rows, if one can tell how many of some held rows are.
    fn members_of(&self, rows: u64, among: impl FnOnce(&Held) -> u64) -> u64 {
        match &self.members {
            Some(members) => among(members),
            None if self.erased.len() == 0 => rows,
            None => rows.saturating_sub(among(&self.erased)),
        }
    }

    fn try_members_of(&self, rows: u64, among: impl FnOnce(&Held) -> Result<u64>) -> Result<u64> {
        let mut told = Ok(0);
        let count = self.members_of(rows, |held| {
            told = among(held);
            *told.as_ref().unwrap_or(&0)
        });
        told.map(|_| count)
    }

    fn leaf_nanos(&self) -> f64 {
        let chunks = self.members.as_ref().map_or(1, Held::chunk_count);
        LEAF_NANOS * f64::from(chunks)
    }
}

fn one(top: usize, code: u32, count: u64) -> Top {
    let mut found = Top::new(top);
    found.add(code, count);
    found
}

fn join_tops(a: Result<Top>, b: Result<Top>) -> Result<Top> {
    Ok(a?.join(b?))
}
