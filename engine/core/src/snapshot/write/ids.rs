//! The id region: ids in row order, rows in id order unless these are the same, and the hash index.

use rayon::prelude::*;

use super::region::RegionOut;
use super::sort::sorted_of;
use crate::column::Place;
use crate::error::{Error, Result};
use crate::format::records::{BUCKET_SLOTS, IDS_ASCEND, IdBucket, IdsRecord, NO_ROW};

/// Rows a bucket has in the mean: fuller ones would be smaller, but more ids would be in the next bucket.
const BUCKET_ROWS_MEAN: usize = 10;
/// Seeds to try before there is no index and ids are found by binary search. One is enough unless somebody chose the
/// ids to collide, and as the seed depends on all of them, choosing is hard.
const SEEDS: u64 = 4;

/// The region of ids that are unique, in the order they came, and go where `places` says.
pub(super) fn encode_ids(ids: Vec<u64>, places: Option<&[u32]>) -> Result<RegionOut> {
    let ascended = ids.is_sorted_by(|a, b| a < b);
    let ids = match places {
        None => ids,
        Some(places) => {
            let mut moved = vec![0; ids.len()];
            for (&place, id) in places.iter().zip(ids) {
                moved[place as usize] = id;
            }
            moved
        }
    };
    let mut record = IdsRecord { rows: ids.len() as u64, ..IdsRecord::default() };
    let mut out = RegionOut::default();
    let at = out.reserve(size_of::<IdsRecord>());
    if ids.is_sorted_by(|a, b| a < b) {
        record.flags = IDS_ASCEND;
    } else {
        let by_id = match places {
            // Then rows in id order are the places of the rows as they came.
            Some(places) if ascended => places.to_vec(),
            _ => rows_by_id(&ids)?,
        };
        record.by_id_at = out.put(by_id);
    }
    put_index(&mut out, &ids, &mut record);
    record.ids_at = out.put(ids);
    out.fill(at, &record);
    Ok(out)
}

fn rows_by_id(ids: &[u64]) -> Result<Vec<u32>> {
    let rows: Vec<u32> = (0..ids.len() as u32).collect();
    let pairs = sorted_of(ids, &rows);
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let id = twice[0].0;
        return Err(Error::input(format!("user {id} is there twice; every user must be one row")));
    }
    Ok(pairs.into_iter().map(|(_, row)| row).collect())
}

fn put_index(out: &mut RegionOut, ids: &[u64], record: &mut IdsRecord) {
    // The same ids always give the same bytes.
    let seed = xxhash_rust::xxh3::xxh3_64(bytemuck::cast_slice(ids));
    let homes = ids.len().div_ceil(BUCKET_ROWS_MEAN) as u32;
    let seeds = (0..SEEDS).map(|attempt| seed.wrapping_add(attempt));
    let mut built = seeds.map(|seed| (seed, buckets_of(ids, seed, homes)));
    if let Some((seed, buckets)) = built.find_map(|(seed, buckets)| Some((seed, buckets?))) {
        (record.seed, record.homes, record.buckets) = (seed, homes, buckets.len() as u32);
        record.buckets_at = out.put(buckets);
    }
}

/// All buckets; `None` if some id is too far from where it belongs.
fn buckets_of(ids: &[u64], seed: u64, homes: u32) -> Option<Vec<IdBucket>> {
    let free = IdBucket { rows: [NO_ROW; BUCKET_SLOTS], tags: [0; BUCKET_SLOTS], reach: 0, zero: [0; 3] };
    let mut buckets = vec![free; homes as usize];
    let mut used = vec![0_u8; homes as usize];
    let mut beyond: Vec<(usize, u32, u8)> = Vec::new();
    for (row, &id) in (0..).zip(ids) {
        let Place { home, tag } = Place::of(id, seed, homes);
        let slot = usize::from(used[home]);
        if slot < BUCKET_SLOTS {
            (buckets[home].rows[slot], buckets[home].tags[slot]) = (row, tag);
            used[home] += 1;
        } else {
            beyond.push((home, row, tag));
        }
    }
    // In the order of their homes, so that whatever lies between an id's home and the first free slot is full.
    beyond.par_sort_unstable();
    let mut at = 0;
    for (home, row, tag) in beyond {
        at = at.max(home + 1);
        while used.get(at).is_some_and(|&used| usize::from(used) == BUCKET_SLOTS) {
            at += 1;
        }
        buckets[home].reach = u8::try_from(at - home).ok()?;
        if at == buckets.len() {
            buckets.push(free);
            used.push(0);
        }
        let slot = usize::from(used[at]);
        (buckets[at].rows[slot], buckets[at].tags[slot]) = (row, tag);
        used[at] += 1;
    }
    Some(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_ids_of_one_bucket_end_the_attempt() {
        let crowd: Vec<u64> = (0..).filter(|&id| Place::of(id, 5, 1000).home == 999).take(13).collect();
        let buckets = buckets_of(&crowd, 5, 1000).unwrap();
        assert_eq!((buckets.len(), buckets[999].reach), (1001, 1));
        // All of one bucket, as somebody who knows the seed could choose them.
        let crowd: Vec<u64> = (0..4000_u64).collect();
        assert!(buckets_of(&crowd, 5, 1).is_none());
    }

    #[test]
    fn few_ids_are_away_from_home() {
        let ids: Vec<u64> = (0..100_000).map(|i| 1_000_001 + i).collect();
        let buckets = buckets_of(&ids, 3, 10_000).unwrap();
        assert!(buckets.len() < 10_010);
        assert!(buckets.iter().map(|bucket| bucket.reach).max().unwrap() < 40);
    }
}
