//! Muster's server: what the engine answers, over gRPC and REST.
//!
//! From the outside in: listeners and TLS, then gRPC and REST, which only translate, then one service layer that both call, then
//! generations, the pool for heavy work and the caches. Wire types stop at `grpc` and `rest`; nothing below knows them.
//! `docs/serving.md` says what holds.

mod access;
mod audit;
mod caller;
mod catalog;
mod config;
mod fault;
mod follow;
mod generations;
mod grpc;
mod listen;
mod meters;
mod pool;
mod priority;
mod rebuild;
mod rest;
mod serve;
mod service;
mod sparing;
mod traces;
mod watching;
mod write_back;

pub use access::{TokenEntry, TokensError, TokensFile};
pub use audit::AuditRecord;
pub use caller::{Caller, Role};
pub use config::{Config, Tokens, Verify};
pub use muster_catalog::Settings as CatalogSettings;
pub use priority::{ONLY_WHEN_IDLE, step_back};
pub use rebuild::{Rebuild, RebuildFault, RebuildPhase, RebuildState, RebuildStatus};
pub use serve::{ServeError, Server};
pub use traces::{Traces, TracesError};
pub use write_back::{
    WriteBack, WriteBackFault, WriteBackLabel, WriteBackReport, WriteBackWanted, write_back_once,
};
