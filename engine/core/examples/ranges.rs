//! Ways to answer "value below x" on one chunk, side by side on the same values: which helper structure a range is worth.
//!
//! `cargo run --release -p muster-engine --example ranges` prints, for each way and selectivity, nanoseconds a chunk for the range
//! joined with a dense flag and counted, the same as a multiple of two dense flags, and the bytes a row it keeps. Chunks are walked
//! in turn through more memory than the second-level cache holds, as in a real table.

use std::hint::black_box;
use std::time::Instant;

use muster_engine::bitmap::{Bits, WORDS, kernel};

const CHUNKS: usize = 64;
const ROWS: usize = 65_536;
const REPEATS: usize = 30;

/// A way: its name, bytes a row that it keeps, what it does.
type Way<'a> = (&'a str, f64, &'a dyn Fn(&Chunk, usize, &mut Bits) -> u32);

/// One chunk: values by row, rows by value, a flag.
struct Chunk {
    codes: Vec<u32>,
    order: Vec<u16>,
    flag: Box<Bits>,
    /// Prefixes of the order at every 1,024th position.
    prefixes: Vec<Box<Bits>>,
    /// Bit planes of a row's position in the order, highest first.
    planes: Vec<Box<Bits>>,
    /// Two digits to the base of eight: rows whose first digit is below `i`, and whose second is.
    digits: [Vec<Box<Bits>>; 2],
}

fn main() {
    let chunks: Vec<Chunk> = (0..CHUNKS).map(|seed| Chunk::new(seed as u64)).collect();
    let flags = time(&chunks, |chunk, _, _| kernel::count_and(&[&chunk.flag, &chunk.prefixes[31]], &[]));
    println!("two dense flags: {flags:.0} ns a chunk, kernel {:?}", kernel::kernel());
    let ways: [Way<'_>; 8] = [
        ("scan of 4-byte codes", 4.0, &|chunk, at, out| chunk.scan(at, out)),
        ("order alone, rows laid out", 2.0, &|chunk, at, out| chunk.by_step(usize::MAX, at, out)),
        ("order, a step each 8,192 rows", 2.0 + 1.0, &|chunk, at, out| chunk.by_step(8192, at, out)),
        ("order, a step each 4,096 rows", 2.0 + 2.0, &|chunk, at, out| chunk.by_step(4096, at, out)),
        ("order, a step each 2,048 rows", 2.0 + 4.0, &|chunk, at, out| chunk.by_step(2048, at, out)),
        ("order, a step each 1,024 rows", 2.0 + 8.0, &|chunk, at, out| chunk.by_step(1024, at, out)),
        ("order, two digits of 8", 2.0 + 14.0 / 8.0, &|chunk, at, out| chunk.by_digits(at, out)),
        ("16 bit slices", 2.0, &|chunk, at, out| chunk.by_planes(at, out)),
    ];
    let shares = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.99];
    print!("{:<32}{:>12}", "", "bytes a row");
    for share in shares {
        print!("{:>16}", format!("{} %", share * 100.0));
    }
    println!();
    for (name, bytes, way) in ways {
        print!("{name:<32}{bytes:>12.1}");
        for share in shares {
            // At another distance from the next step in every chunk.
            let position = (share * ROWS as f64) as usize;
            let nanos = time(&chunks, |chunk, seed, out| {
                way(chunk, (position + seed * 2731 % 4096).min(ROWS - 1), out)
            });
            print!("{:>16}", format!("{nanos:.0} ({:.1}x)", nanos / flags));
        }
        println!();
    }
}

/// Nanoseconds a chunk, the median of several walks through all chunks.
fn time(chunks: &[Chunk], way: impl Fn(&Chunk, usize, &mut Bits) -> u32) -> f64 {
    let mut out: Box<Bits> = Box::new([0; WORDS]);
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let begun = Instant::now();
            for (seed, chunk) in chunks.iter().enumerate() {
                black_box(way(chunk, seed, &mut out));
            }
            begun.elapsed().as_nanos() as f64 / chunks.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPEATS / 2]
}

impl Chunk {
    fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let values: Vec<u64> = (0..ROWS).map(|_| random()).collect();
        let mut order: Vec<u16> = (0..ROWS).map(|row| row as u16).collect();
        order.sort_unstable_by_key(|&row| values[row as usize]);
        let mut codes = vec![0; ROWS];
        for (position, &row) in order.iter().enumerate() {
            codes[row as usize] = position as u32;
        }
        let of = |test: &dyn Fn(u32) -> bool| {
            let mut bits: Box<Bits> = Box::new([0; WORDS]);
            for (row, &code) in codes.iter().enumerate() {
                bits[row / 64] |= u64::from(test(code)) << (row % 64);
            }
            bits
        };
        let prefixes = (0..64).map(|step| of(&|code| code < step * 1024)).collect();
        let planes = (0..16).rev().map(|bit| of(&|code| code >> bit & 1 == 1)).collect();
        let digits = [
            (0..8).map(|digit| of(&|code| code >> 13 < digit)).collect(),
            (0..8).map(|digit| of(&|code| code >> 10 & 7 < digit)).collect(),
        ];
        let mut flag: Box<Bits> = Box::new([0; WORDS]);
        flag.iter_mut().for_each(|word| *word = random());
        Self { codes, order, flag, prefixes, planes, digits }
    }

    fn with_flag(&self, out: &Bits) -> u32 {
        kernel::count_and(&[out, &self.flag], &[])
    }

    fn scan(&self, position: usize, out: &mut Bits) -> u32 {
        let (groups, _) = self.codes.as_chunks::<64>();
        let mut hits = [0_u8; 64];
        for (word, group) in out.iter_mut().zip(groups) {
            for (hit, &code) in hits.iter_mut().zip(group) {
                *hit = u8::from(code < position as u32);
            }
            *word = kernel::pack(&hits);
        }
        self.with_flag(out)
    }

    /// The nearest step and the rows between.
    fn by_step(&self, stride: usize, position: usize, out: &mut Bits) -> u32 {
        if stride > ROWS {
            out.fill(0);
            kernel::add_rows(out, &self.order[..position]);
            return self.with_flag(out);
        }
        let near = (position + stride / 2) / stride * stride;
        if near >= ROWS {
            // All rows, without the few behind.
            out.fill(u64::MAX);
            kernel::flip_rows(out, &self.order[position..]);
        } else {
            kernel::xor_into(out, &[&self.prefixes[near / 1024]]);
            kernel::flip_rows(out, &self.order[near.min(position)..near.max(position)]);
        }
        self.with_flag(out)
    }

    /// Below the first digit, or equal to it and below the second; then the rows between.
    fn by_digits(&self, position: usize, out: &mut Bits) -> u32 {
        let near = ((position + 512) / 1024 * 1024).min(ROWS - 1024);
        let (first, second) = (near >> 13, near >> 10 & 7);
        let (below, low) = (&self.digits[0][first], &self.digits[1][second]);
        match self.digits[0].get(first + 1) {
            Some(next) => {
                for i in 0..WORDS {
                    out[i] = below[i] | next[i] & low[i];
                }
            }
            None => {
                for i in 0..WORDS {
                    out[i] = below[i] | low[i];
                }
            }
        }
        kernel::flip_rows(out, &self.order[near.min(position)..near.max(position)]);
        self.with_flag(out)
    }

    /// A comparison bit by bit; no order needed.
    fn by_planes(&self, position: usize, out: &mut Bits) -> u32 {
        let mut equal: Bits = [u64::MAX; WORDS];
        out.fill(0);
        for (plane, bit) in self.planes.iter().zip((0..16).rev()) {
            if position >> bit & 1 == 1 {
                for i in 0..WORDS {
                    out[i] |= equal[i] & !plane[i];
                    equal[i] &= plane[i];
                }
            } else {
                for i in 0..WORDS {
                    equal[i] &= !plane[i];
                }
            }
        }
        self.with_flag(out)
    }
}
