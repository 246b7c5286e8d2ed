//! Compiles the contract, without protoc: messages, services, and the descriptors that reflection serves.

use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

const FILES: [&str; 5] = [
    "muster/v1/types.proto",
    "muster/v1/segments.proto",
    "muster/v1/labels.proto",
    "muster/v1/deliveries.proto",
    "muster/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed=muster");
    let mut compiler = protox::Compiler::new([&root])?;
    // Reflection shows the comments, too.
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.file_descriptor_set().encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
