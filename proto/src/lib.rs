//! The contract between services: messages, clients and servers of package `muster.v1`, generated from the `.proto` files.
//!
//! Nothing is written here by hand; what the messages mean is said in their comments and in `docs/grpc.md`, which a test writes from them.

/// Package `muster.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("muster.v1");
}

/// Descriptors of all files, comments included, as reflection serves them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
