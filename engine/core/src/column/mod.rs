//! Columns of a snapshot, read in place: values by code, lists by element, maps by key, external ids.
//!
//! A column knows codes and rows; what its values mean is the schema's business.

mod dictionary;
mod ids;
mod list;
mod map;
mod value;

pub use dictionary::Dictionary;
pub use ids::Ids;
pub use list::{ListColumn, Postings};
pub use map::MapColumn;
pub use value::{Codes, Layout, ValueColumn};
