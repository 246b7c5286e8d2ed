//! Sources into snapshots.
