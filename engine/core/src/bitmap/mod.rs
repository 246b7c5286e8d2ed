//! Bitmaps over rows: leaves read in place from a snapshot, and the set algebra on one chunk of them.
//!
//! Nothing here decodes a container to the heap: operands are borrowed, results live in reused [`Scratch`] buffers.

mod build;
mod common;
pub mod kernel;
mod leaf;
mod set;
mod terms;
#[cfg(test)]
mod tests;

pub use build::{ContainerWriter, LeafBuilder, encode_leaf};
pub use common::common;
pub use leaf::{Container, Leaf, Run};
pub(crate) use leaf::{container_at, container_fits};
pub use set::{Part, Scratch, Set, and, count_and, toggle};
pub use terms::Terms;

/// Words of a chunk's bitset.
pub const WORDS: usize = 1024;
/// A chunk's bitset.
pub type Bits = [u64; WORDS];
