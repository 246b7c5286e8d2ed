//! Columns of a snapshot, read in place: values by code, lists by element, maps by key, external ids.
//!
//! A column knows codes and rows; what its values mean is the schema's business.

mod align;
mod dictionary;
mod id_index;
mod ids;
mod list;
mod map;
mod scan;
mod steps;
mod value;

pub use align::Alignments;
pub use dictionary::{Dictionary, Keys8};
pub(crate) use id_index::Place;
pub use ids::{GROUP, Ids};
pub use list::{ListColumn, Postings};
pub use map::MapColumn;
pub use steps::Steps;
pub use value::{Codes, Layout, ValueColumn};

use crate::bitmap::Leaf;
use crate::error::Result;
use crate::format::data::Section;

/// Opens the leaf of the rows that have something; at 0 there is none, because all rows have. `present` is what the
/// column's record claims their number to be.
fn open_presence(region: &Section, at: u64, present: u32, table_rows: u32) -> Result<Option<Leaf>> {
    let presence = match at {
        0 => None,
        at => Some(Leaf::open(region, at, table_rows)?),
    };
    if presence.as_ref().map_or(table_rows, Leaf::rows) == present {
        Ok(presence)
    } else {
        Err(region.corrupt("its number of present rows is wrong"))
    }
}
