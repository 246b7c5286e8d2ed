//! In how many parts each row is: enough of them, just enough, or one too few.

use crate::bitmap::{Bits, WORDS};

/// Rows by the number of parts that they are in.
pub(super) struct Tally {
    /// In at least as many as needed.
    pub(super) reached: Box<Bits>,
    /// In just as many.
    exactly: Box<Bits>,
    /// In one fewer.
    short: Box<Bits>,
}

impl Tally {
    pub(super) fn new(parts: &[&Bits], needed: u32, everyone: &Bits) -> Self {
        let mut tally = Self { reached: blank(), exactly: blank(), short: blank() };
        let count = parts.len() as u32;
        for word in 0..WORDS {
            let all = everyone[word];
            let (reached, exactly, short) = match needed {
                needed if needed == count => {
                    let (mut missed, mut missed_twice) = (0, 0);
                    for part in parts {
                        missed_twice |= missed & !part[word];
                        missed |= !part[word];
                    }
                    (!missed, !missed, missed & !missed_twice)
                }
                1 => {
                    let (mut hit, mut hit_twice) = (0, 0);
                    for part in parts {
                        hit_twice |= hit & part[word];
                        hit |= part[word];
                    }
                    (hit, hit & !hit_twice, !hit)
                }
                _ => counted(parts, word, needed),
            };
            tally.reached[word] = reached & all;
            tally.exactly[word] = exactly & all;
            tally.short[word] = short & all;
        }
        tally
    }

    /// Keeps the rows in which one of the parts decides: the others are one too few.
    pub(super) fn keep_decided(&self, rows: &mut Bits, part: &Bits) {
        for (word, row) in rows.iter_mut().enumerate() {
            *row &= (self.exactly[word] & part[word]) | (self.short[word] & !part[word]);
        }
    }
}

fn blank() -> Box<Bits> {
    Box::new([0; WORDS])
}

/// Any number of parts: plane *i* holds bit *i* of each row's number.
fn counted(parts: &[&Bits], word: usize, needed: u32) -> (u64, u64, u64) {
    const PLANES: usize = 32;
    let mut planes = [0_u64; PLANES];
    for part in parts {
        let mut carry = part[word];
        for plane in &mut planes {
            if carry == 0 {
                break;
            }
            (*plane, carry) = (*plane ^ carry, *plane & carry);
        }
    }
    // From the highest bit down: rows that are equal so far, and those that are above already.
    let compare = |number: u32| {
        let (mut equal, mut above) = (u64::MAX, 0);
        for (at, plane) in planes.iter().enumerate().rev() {
            if number >> at & 1 == 1 {
                equal &= plane;
            } else {
                above |= equal & plane;
                equal &= !plane;
            }
        }
        (equal, above)
    };
    let (exactly, above) = compare(needed);
    let short = needed.checked_sub(1).map_or(0, |fewer| compare(fewer).0);
    (exactly | above, exactly, short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_is_what_counting_row_by_row_gives() {
        // Row r is in part i where bit i of r is set: all combinations of five parts.
        let parts: Vec<Box<Bits>> = (0..5)
            .map(|part| {
                let mut bits = blank();
                (0..32_u32).filter(|row| row >> part & 1 == 1).for_each(|row| bits[0] |= 1 << row);
                bits
            })
            .collect();
        let mut everyone = blank();
        everyone[0] = u64::from(u32::MAX);
        for count in 1..=5 {
            let parts: Vec<&Bits> = parts[..count].iter().map(|bits| &**bits).collect();
            for needed in 0..8_u32 {
                let tally = Tally::new(&parts, needed, &everyone);
                for row in 0..32_u32 {
                    let held = (row & ((1 << count) - 1)).count_ones();
                    let at = |bits: &Bits| bits[0] >> row & 1 == 1;
                    let place = format!("row {row}, {needed} of {count}");
                    assert_eq!(at(&tally.reached), held >= needed, "{place}");
                    for part in &parts {
                        let others = held - u32::from(at(part));
                        let mut rows = everyone.clone();
                        tally.keep_decided(&mut rows, part);
                        assert_eq!(at(&rows), others + 1 == needed, "{place}");
                    }
                }
            }
        }
    }
}
