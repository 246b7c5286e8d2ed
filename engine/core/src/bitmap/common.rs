//! How many rows two containers have in common. With the sizes that directories know, this counts any two stored terms, whether
//! they are joined by AND or by OR and whichever of them is negated.

use super::terms::count_common;
use super::{Bits, Container, Run, Scratch, kernel};

/// Rows in both, of a chunk with `chunk_rows` rows.
pub fn common(a: Container<'_>, b: Container<'_>, chunk_rows: u32, scratch: &mut Scratch) -> u32 {
    match (a, b) {
        (Container::Empty, _) | (_, Container::Empty) => 0,
        (Container::Full, other) | (other, Container::Full) => other.count(chunk_rows),
        (Container::Bits(a), Container::Bits(b)) => kernel::count_and(&[a, b], &[]),
        (Container::Array(rows), Container::Bits(bits)) | (Container::Bits(bits), Container::Array(rows)) => {
            kernel::count_rows(rows, &[bits], &[])
        }
        (Container::Array(a), Container::Array(b)) => count_common(a, b, scratch),
        (Container::Runs(runs), Container::Bits(bits)) | (Container::Bits(bits), Container::Runs(runs)) => {
            runs.iter().map(|run| count_run(bits, *run)).sum()
        }
        (Container::Runs(runs), Container::Array(rows)) | (Container::Array(rows), Container::Runs(runs)) => {
            rows_in_runs(rows, runs)
        }
        (Container::Runs(a), Container::Runs(b)) => runs_in_runs(a, b),
    }
}

fn count_run(bits: &Bits, run: Run) -> u32 {
    let (from, to) = (run.first as usize / 64, run.last as usize / 64);
    let (low, high) = (u64::MAX << (run.first % 64), u64::MAX >> (63 - run.last % 64));
    if from >= to {
        return (bits[from] & low & high).count_ones();
    }
    let inner: u32 = bits[from + 1..to].iter().map(|word| word.count_ones()).sum();
    (bits[from] & low).count_ones() + inner + (bits[to] & high).count_ones()
}

fn rows_in_runs(rows: &[u16], runs: &[Run]) -> u32 {
    let (mut rest, mut count) = (rows, 0);
    for run in runs {
        let from = rest.partition_point(|&row| row < run.first);
        let to = from + rest[from..].partition_point(|&row| row <= run.last);
        count += (to - from) as u32;
        rest = &rest[to..];
    }
    count
}

fn runs_in_runs(a: &[Run], b: &[Run]) -> u32 {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let first = a[i].first.max(b[j].first);
        let last = a[i].last.min(b[j].last);
        if first <= last {
            count += u32::from(last - first) + 1;
        }
        if a[i].last < b[j].last { i += 1 } else { j += 1 }
    }
    count
}
