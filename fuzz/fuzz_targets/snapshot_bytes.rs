//! The sample snapshot with any data file, checksums off: every decoder sees bytes that no writer produced.
#![no_main]

mod questions;

use libfuzzer_sys::fuzz_target;
use muster_engine::format::manifest::Manifest;
use muster_engine::snapshot::{OpenOptions, Snapshot, Trust};
use muster_engine::storage::Bytes;
use xxhash_rust::xxh3::xxh3_64;

const MANIFEST: &[u8] = include_bytes!("../seeds/sample/manifest.json");

fuzz_target!(|bytes: &[u8]| {
    let mut manifest = Manifest::from_bytes(MANIFEST).expect("the sample is sound");
    // The sample's size, and the checksum of what the checksums happen to be.
    let mut data = bytes.to_vec();
    data.resize(manifest.data.bytes as usize, 0);
    manifest.data.checksums_xxh3 = format!("{:016x}", xxh3_64(&data[manifest.data.checksums_at as usize..]));
    let data = Bytes::from_slice(&data);
    if let Ok(snapshot) = Snapshot::from_parts(manifest, data, OpenOptions { trust: Trust::Verified }) {
        questions::ask(snapshot, xxh3_64(bytes) as usize);
    }
});
