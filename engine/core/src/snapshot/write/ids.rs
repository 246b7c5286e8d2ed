//! The id region: ids in row order, and rows in id order unless these are the same.

use rayon::prelude::*;

use super::encode::{put, put_record};
use crate::error::{Error, Result};
use crate::format::records::{IDS_ASCEND, IdsRecord};

/// Ids as they arrive.
#[derive(Debug, Default)]
pub(super) struct IdsBuilder {
    ids: Vec<u64>,
}

impl IdsBuilder {
    pub(super) fn push(&mut self, ids: &[u64]) {
        self.ids.extend_from_slice(ids);
    }

    /// The region's bytes. Ids that are not unique are refused here, whatever the loader promised.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let ids = self.ids;
        let mut record = IdsRecord { rows: ids.len() as u64, ..IdsRecord::default() };
        let mut out = vec![0; size_of::<IdsRecord>()];
        out.reserve(ids.len() * 8 + 64);
        record.ids_at = put(&mut out, &ids);
        if ids.is_sorted_by(|a, b| a < b) {
            record.flags = IDS_ASCEND;
        } else {
            let mut rows: Vec<u32> = (0..ids.len() as u32).collect();
            rows.par_sort_unstable_by_key(|&row| ids[row as usize]);
            let twice = rows.windows(2).find(|pair| ids[pair[0] as usize] == ids[pair[1] as usize]);
            if let Some(&[row, _]) = twice {
                return Err(Error::input(format!(
                    "user {} is there twice; every user must be one row",
                    ids[row as usize]
                )));
            }
            record.by_id_at = put(&mut out, &rows);
        }
        put_record(&mut out, 0, &record);
        Ok(out)
    }
}
