//! Snapshots in object storage: one store pushes generations to a bucket, many pull them.
//!
//! Data travels as parts that are named by their content, so only what changed moves, and whatever is read is checked
//! against the name that led to it. Nothing here decides what a snapshot means, and nothing of a pull is seen by readers before
//! it is whole. The layout, and why pushes, pulls and collections cannot hurt each other, is in `docs/replicas.md`.
//!
//! Calls block, also where they wait for the network: from a task, call them on a thread for blocking work.

mod address;
mod collect;
mod cut;
mod error;
mod follow;
mod incoming;
mod layout;
mod local;
mod masks;
mod objects;
mod pull;
mod push;
#[cfg(test)]
mod tests;

pub use address::BucketOptions;
pub use collect::{CollectOptions, Collected};
pub use error::{BucketError, Result};
pub use follow::{FollowOptions, follow};
pub use objects::Bucket;
pub use pull::{PullOutcome, PullReport, pull};
pub use push::{PushOptions, PushReport, push};

/// Parts on their way at one time.
const TRANSFERS: usize = 8;
/// How often something that comes damaged is read before it is believed to be.
const READS: usize = 3;
