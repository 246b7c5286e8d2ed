//! Bitmaps over rows: leaves read in place from a snapshot, and the set algebra on one chunk of them.
//!
//! Nothing here decodes a container to the heap: operands are borrowed, results live in reused [`Scratch`] buffers.

mod build;
mod leaf;
mod set;

pub use build::{LeafBuilder, encode_leaf};
pub use leaf::{Container, Leaf, Run};
pub use set::{Scratch, Set, and, count_bits, or};

/// Words of a chunk's bitset.
pub const WORDS: usize = 1024;
/// A chunk's bitset.
pub type Bits = [u64; WORDS];
/// Sets up to this size are kept as sorted rows rather than bits.
pub const ARRAY_MAX: usize = 4096;
