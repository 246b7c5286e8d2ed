//! Any bytes are a manifest or an error; a manifest that is believed opens data that is not its own without harm.
#![no_main]

mod questions;

use libfuzzer_sys::fuzz_target;
use muster_engine::format::manifest::Manifest;
use muster_engine::snapshot::{OpenOptions, Snapshot, Trust};
use muster_engine::storage::Bytes;
use xxhash_rust::xxh3::xxh3_64;

const DATA: &[u8] = include_bytes!("../seeds/sample/data.bin");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::from_bytes(bytes) {
        let again = manifest.to_bytes().expect("a manifest is written");
        assert_eq!(Manifest::from_bytes(&again).expect("and read again"), manifest);
    }
    if let Ok(mut manifest) = Manifest::from_json(bytes) {
        // Past the first check that would end it.
        manifest.data.bytes = DATA.len() as u64;
        let data = Bytes::from_slice(DATA);
        if let Ok(snapshot) = Snapshot::from_parts(manifest, data, OpenOptions { trust: Trust::Verified }) {
            questions::ask(snapshot, xxh3_64(bytes) as usize);
        }
    }
});
