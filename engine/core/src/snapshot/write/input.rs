//! Inputs: tables of users that together are the snapshot's. The first one says which users there are; of each other one the
//! rows of these users count. Of several rows of one user the newest counts.

use std::path::Path;

use super::bits::RowBits;
use super::place::{NOWHERE, Places};
use super::sort::{Pair, sorted_of};
use super::spool::Spool;
use crate::batch::{Keys, Values};
use crate::error::{Error, Result};

/// Ids named in an error.
const NAMED_MAX: usize = 5;

/// The ids of one input, by row, and what tells the newest row of a user.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) ids: Vec<u64>,
    versions: Option<Versions>,
}

#[derive(Debug, Default)]
struct Versions {
    present: RowBits,
    keys: Spool,
}

impl Input {
    pub(super) fn push(&mut self, ids: &[u64], versions: Option<&Values>) -> Result<()> {
        if let Some(values) = versions {
            if self.versions.is_none() && !self.ids.is_empty() {
                return Err(Error::input("versions must come with all rows or with none"));
            }
            let known = self.versions.get_or_insert_default();
            known.present.extend(ids.len(), values.present.as_deref());
            match &values.keys {
                Keys::Bool(keys) => known.keys.extend(keys.iter().map(|&key| key.into())),
                Keys::Fixed8(keys) => known.keys.extend(keys.iter().copied()),
                Keys::Fixed16(_) | Keys::Bytes { .. } => {
                    return Err(Error::input("only numbers and times can tell the newest row of a user"));
                }
            }
        }
        self.ids.extend_from_slice(ids);
        Ok(())
    }

    /// Bytes that can be moved to a file.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.versions.as_ref().map_or(0, |versions| versions.keys.buffered_bytes())
    }

    /// Moves versions to a file of this name.
    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        self.versions.as_mut().map_or(Ok(()), |versions| versions.keys.spill(dir, name))
    }

    /// Ids with their rows, by id; of several rows of one user only the newest: the highest version, and of equal ones the
    /// last row. No version is older than any.
    fn newest(&self) -> Result<Vec<Pair>> {
        let rows: Vec<u32> = (0..self.ids.len() as u32).collect();
        let mut pairs = sorted_of(&self.ids, &rows);
        drop(rows);
        if pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Ok(pairs);
        }
        let Some(versions) = &self.versions else { return Err(repeated(&pairs)) };
        let mut repeated: Vec<u32> = pairs
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|same| same.len() > 1)
            .flat_map(|same| same.iter().map(|pair| pair.1))
            .collect();
        repeated.sort_unstable();
        let mut reader = versions.keys.reader();
        let known: Vec<Option<u64>> = repeated
            .iter()
            .map(|&row| if versions.present.get(row) { reader.get(row as usize).map(Some) } else { Ok(None) })
            .collect::<Result<_>>()?;
        let version = |row: u32| repeated.binary_search(&row).ok().and_then(|at| known[at]);
        let mut kept = 0;
        let mut at = 0;
        while at < pairs.len() {
            let id = pairs[at].0;
            let same = pairs[at..].partition_point(|pair| pair.0 == id);
            let newest = pairs[at..at + same].iter().copied().max_by_key(|pair| (version(pair.1), pair.1));
            pairs[kept] = if same == 1 { pairs[at] } else { newest.unwrap_or(pairs[at]) };
            kept += 1;
            at += same;
        }
        pairs.truncate(kept);
        Ok(pairs)
    }
}

/// The error for users with several rows.
fn repeated(pairs: &[Pair]) -> Error {
    let repeated: Vec<u64> =
        pairs.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1).map(|same| same[0].0).collect();
    let named: Vec<String> = repeated.iter().take(NAMED_MAX).map(u64::to_string).collect();
    Error::Repeated { users: repeated.len() as u64, named: named.join(", ") }
}

/// Which row of the table each row of each input is.
#[derive(Debug)]
pub(super) struct Joined {
    /// By row of the table.
    pub(super) ids: Vec<u64>,
    /// By input.
    pub(super) places: Vec<Places>,
    pub(super) counts: Vec<InputCounts>,
}

/// What became of an input's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct InputCounts {
    /// Rows that came.
    pub rows: u64,
    /// Rows left out because a newer one of the same user was there.
    pub older: u64,
    /// Rows left out because the first input does not have the user.
    pub strangers: u64,
    /// Users of the first input that this one does not have.
    pub missing: u64,
    /// Users left out because they were erased.
    pub erased: u64,
}

/// Finds which rows belong together. Users who were erased, ascending, are left out of all inputs.
pub(super) fn join(mut inputs: Vec<Input>, erased: &[u64]) -> Result<Joined> {
    let is_erased = |id: u64| !erased.is_empty() && erased.binary_search(&id).is_ok();
    let mut first = std::mem::take(&mut inputs[0]);
    let came = first.ids.len();
    let table_rows;
    let mut places = Vec::with_capacity(inputs.len());
    let mut counts = InputCounts { rows: came as u64, ..InputCounts::default() };
    if first.ids.is_sorted_by(|a, b| a < b) && !first.ids.iter().any(|&id| is_erased(id)) {
        table_rows = came as u32;
        places.push(Places::same(table_rows));
    } else {
        let mut kept = first.newest()?;
        let users = kept.len();
        kept.retain(|&(id, _)| !is_erased(id));
        counts.older = (came - users) as u64;
        counts.erased = (users - kept.len()) as u64;
        table_rows = kept.len() as u32;
        if kept.len() == came {
            places.push(Places::same(table_rows));
        } else {
            let mut marks = RowBits::none(came);
            for pair in &kept {
                marks.set(pair.1);
            }
            let mut of_row = vec![NOWHERE; came];
            for (place, row) in (0..).zip(marks.iter()) {
                of_row[row as usize] = place;
            }
            first.ids = marks.iter().map(|row| first.ids[row as usize]).collect();
            places.push(Places::new(table_rows, of_row));
        }
    }
    let mut counts = vec![counts];
    if inputs.len() > 1 {
        let rows: Vec<u32> = (0..table_rows).collect();
        let users = sorted_of(&first.ids, &rows);
        for input in &inputs[1..] {
            let (of_input, counted) = matched(input, &users, table_rows, &is_erased)?;
            places.push(of_input);
            counts.push(counted);
        }
    }
    Ok(Joined { ids: first.ids, places, counts })
}

/// The places of another input's rows; `users` are the table's ids and rows, by id.
fn matched(
    input: &Input,
    users: &[Pair],
    table_rows: u32,
    is_erased: &dyn Fn(u64) -> bool,
) -> Result<(Places, InputCounts)> {
    let newest = input.newest()?;
    let mut of_row = vec![NOWHERE; input.ids.len()];
    let mut users = users.iter().peekable();
    let (mut found, mut erased) = (0, 0);
    for &(id, row) in &newest {
        while users.next_if(|user| user.0 < id).is_some() {}
        if let Some(user) = users.next_if(|user| user.0 == id) {
            of_row[row as usize] = user.1;
            found += 1;
        } else {
            erased += u64::from(is_erased(id));
        }
    }
    let counts = InputCounts {
        rows: input.ids.len() as u64,
        older: (input.ids.len() - newest.len()) as u64,
        strangers: newest.len() as u64 - found - erased,
        missing: u64::from(table_rows) - found,
        erased,
    };
    Ok((Places::new(table_rows, of_row), counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(ids: &[u64], versions: Option<&[Option<u64>]>) -> Input {
        let mut input = Input::default();
        let values = versions.map(|versions| Values {
            keys: Keys::Fixed8(versions.iter().map(|v| v.unwrap_or(9)).collect()),
            present: Some(versions.iter().map(Option::is_some).collect()),
        });
        input.push(ids, values.as_ref()).unwrap();
        input
    }

    fn places(joined: &Joined, input: usize) -> Vec<Option<u32>> {
        let rows = joined.counts[input].rows as u32;
        (0..rows).map(|row| Some(joined.places[input].of(row)).filter(|&place| place != NOWHERE)).collect()
    }

    #[test]
    fn the_newest_row_of_a_user_counts_and_of_equal_ones_the_last() {
        let versions = [Some(1), Some(2), None, Some(2), Some(1), Some(0)];
        let joined = join(vec![input(&[7, 5, 7, 5, 5, 9], Some(&versions))], &[]).unwrap();
        assert_eq!(joined.ids, [7, 5, 9]);
        assert_eq!(places(&joined, 0), [Some(0), None, None, Some(1), None, Some(2)]);
        assert_eq!(joined.counts[0], InputCounts { rows: 6, older: 3, ..InputCounts::default() });
    }

    #[test]
    fn other_inputs_are_joined_by_user() {
        let first = input(&[30, 10, 20], None);
        let other = input(&[20, 99, 10, 20], Some(&[Some(1), Some(1), Some(1), Some(0)]));
        let joined = join(vec![first, other, input(&[], None)], &[]).unwrap();
        assert_eq!(joined.ids, [30, 10, 20]);
        assert_eq!(places(&joined, 1), [Some(2), None, Some(1), None]);
        assert_eq!(joined.counts[1], InputCounts { rows: 4, older: 1, strangers: 1, missing: 1, erased: 0 });
        assert_eq!(joined.counts[2], InputCounts { missing: 3, ..InputCounts::default() });
    }

    #[test]
    fn users_who_were_erased_are_left_out_of_all_inputs() {
        let ids = [10, 20, 30];
        let joined = join(vec![input(&ids, None), input(&[20, 30, 99, 77], None)], &[20, 77, 500]).unwrap();
        assert_eq!(joined.ids, [10, 30]);
        assert_eq!(places(&joined, 0), [Some(0), None, Some(1)]);
        assert_eq!(places(&joined, 1), [None, Some(1), None, None]);
        assert_eq!(joined.counts[0], InputCounts { rows: 3, erased: 1, ..InputCounts::default() });
        let other = InputCounts { rows: 4, older: 0, strangers: 1, missing: 1, erased: 2 };
        assert_eq!(joined.counts[1], other);
        // One whose rows have several versions, and everybody.
        let versions = [Some(1), Some(2), None];
        let joined = join(vec![input(&[7, 7, 5], Some(&versions))], &[7]).unwrap();
        assert_eq!((joined.ids, joined.counts[0].older, joined.counts[0].erased), (vec![5], 1, 1));
        let joined = join(vec![input(&ids, None)], &ids).unwrap();
        assert_eq!((joined.ids.len(), joined.counts[0].erased), (0, 3));
    }

    #[test]
    fn several_rows_of_a_user_without_a_version_are_refused_by_name() {
        let error = join(vec![input(&[3, 1, 3, 2, 1, 3], None)], &[]).unwrap_err().to_string();
        assert!(error.contains("2 users have more than one row, among them 1, 3"), "{error}");
    }
}
