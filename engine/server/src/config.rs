//! What `[serve]` in the configuration says: every limit and switch of the server, with its default.

mod read;

use std::path::PathBuf;

use muster_catalog::Settings;
use muster_engine::rule::limits::Limits;
use serde::{Deserialize, Serialize};

/// `[serve]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where gRPC listens: `HOST:PORT`, or `unix:/path/to/socket`.
    pub grpc: String,
    /// Where HTTP listens.
    pub http: String,
    /// Whether callers must have a token.
    pub tokens: Tokens,
    /// The file of tokens; beside the store as `tokens.toml` unless given.
    pub tokens_file: Option<PathBuf>,
    /// The certificate chain that TLS shows, PEM; with it, plain text is refused.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Certificates of those who may sign callers' certificates; with it, a caller without one is refused.
    pub tls_client_ca: Option<PathBuf>,
    /// How often `CURRENT`, masks, tokens and certificates are looked at for changes, in milliseconds.
    pub follow_ms: u64,
    /// Whether a generation is verified whole before it is put into service.
    pub verify: Verify,
    /// Generations kept open besides the one in service, for those who ask for them.
    pub generations_held: usize,
    /// Threads for counts, previews, profiles and exports; 0 is one a core.
    pub heavy_threads: usize,
    /// By how much these threads step back behind membership: 0 not at all, 1 to 19 as nice values, 20 until nothing else wants the
    /// processor.
    pub heavy_nice: u8,
    /// Heavy questions that may wait, of all callers.
    pub heavy_queue: usize,
    /// Heavy questions that may wait, of one caller.
    pub heavy_queue_per_caller: usize,
    /// Rules that may wait to be compiled. Membership waits here for the first use of a rule in a generation, and nowhere else.
    pub compiling_queue: usize,
    /// How long a heavy question may take if the caller says nothing, in milliseconds.
    pub heavy_deadline_ms: u64,
    /// How long any question may take, whatever the caller says, in milliseconds.
    pub deadline_max_ms: u64,
    /// Member streams at a time.
    pub streams: usize,
    /// How long a stream of members waits for its reader, in milliseconds.
    pub stream_stall_ms: u64,
    /// Segments in one request.
    pub segments_per_request: usize,
    /// Users in one request.
    pub users_per_request: usize,
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Connections at a time, of gRPC and HTTP each.
    pub connections: usize,
    /// Compiled rules kept a generation.
    pub compiled_rules: usize,
    /// Counts remembered a generation; 0 remembers none.
    pub cached_counts: usize,
    /// A question that takes longer is logged with its plan, in milliseconds; 0 logs none.
    pub slow_rule_ms: u64,
    /// How long a server that is told to end waits for what it is doing, in milliseconds.
    pub drain_ms: u64,
    /// Where traces go, OTLP; nowhere unless given. It may hold a password, so it is written nowhere.
    #[serde(skip_serializing)]
    pub otlp: Option<String>,
    /// Bounds on rules.
    pub rules: Limits,
    /// The catalog of labels and deliveries, which is a section of its own; none serves without them.
    #[serde(skip)]
    pub catalog: Option<Settings>,
}

/// Whether callers must have a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokens {
    /// They must, unless the server listens on this machine alone.
    #[default]
    Auto,
    /// They must.
    Required,
    /// They need none, wherever the server listens.
    Off,
}

/// How much is verified before a generation is put into service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Everything, once a generation on this disk.
    #[default]
    Full,
    /// What opening looks at; every other byte is checked before its first use.
    Open,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: "127.0.0.1:7070".to_owned(),
            http: "127.0.0.1:7071".to_owned(),
            tokens: Tokens::Auto,
            tokens_file: None,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            follow_ms: 500,
            verify: Verify::Full,
            generations_held: 2,
            heavy_threads: 0,
            heavy_nice: 19,
            heavy_queue: 256,
            heavy_queue_per_caller: 64,
            compiling_queue: 10_000,
            heavy_deadline_ms: 10_000,
            deadline_max_ms: 300_000,
            streams: 64,
            stream_stall_ms: 60_000,
            segments_per_request: 1_000,
            users_per_request: 100_000,
            request_bytes: 4 << 20,
            connections: 20_000,
            compiled_rules: 20_000,
            cached_counts: 20_000,
            slow_rule_ms: 100,
            drain_ms: 30_000,
            otlp: None,
            rules: Limits::default(),
            catalog: None,
        }
    }
}
