//! The way to a server: its client, its threads, and asking it one thing.
//!
//! Every request has a connection of its own, so none meets one that died of idleness. Waiting is bounded everywhere.
//! Nothing here knows what an answer means.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clickhouse::insert_formatted::BufInsertFormatted;
use clickhouse::query::BytesCursor;
use clickhouse::{Client, Compression as HttpCompression};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Handle, Runtime};

use super::fault::{Fault, exception_in};
use super::options::{ClickHouseOptions, Compression, PULLS};
use super::retry::Attempts;
use crate::error::{LoadError, Result};

/// Most bytes of an answer that is read as a whole: descriptions, counts, ids of a sample.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// A server that can be asked.
#[derive(Debug)]
pub(crate) struct Link {
    options: ClickHouseOptions,
    client: Client,
    threads: Threads,
    /// Whether this user or this server takes no settings.
    bare: AtomicBool,
}

/// The threads that talk to the server; they end without waiting, wherever they are let go.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Prepares; the first question connects.
    pub(crate) fn new(options: ClickHouseOptions) -> Result<Self> {
        let threads = Builder::new_multi_thread()
            .worker_threads(options.pulls.unwrap_or(PULLS) as usize)
            .thread_name("clickhouse")
            .enable_all()
            .build()
            .map_err(|error| LoadError::Source(format!("cannot start the threads that read: {error}.")))?;
        let mut client = client(&options)?
            .with_url(&options.address.url)
            .with_compression(HttpCompression::None)
            .with_product_info("muster", env!("CARGO_PKG_VERSION"));
        if let Some(database) = &options.database {
            client = client.with_database(database);
        }
        if let Some(user) = &options.user {
            client = client.with_user(user);
        }
        if let Some(password) = &options.password {
            client = client.with_password(&password.0);
        }
        Ok(Self { options, client, threads: Threads(Some(threads)), bare: AtomicBool::new(false) })
    }

    pub(crate) fn options(&self) -> &ClickHouseOptions {
        &self.options
    }

    /// The runtime that everything asynchronous runs on.
    pub(crate) fn handle(&self) -> Result<Handle> {
        let runtime = self.threads.0.as_ref();
        runtime
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(|| LoadError::Source("the reader has ended.".into()))
    }

    /// Runs something there and waits for it here. Not for use on a thread of another runtime.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.handle()?.spawn(async move {
            // Nobody waits any more: nobody to tell.
            let _ = sender.send(task.await);
        });
        receiver
            .recv()
            .map_err(|_| LoadError::Source("the reader ended unexpectedly; run it again.".to_owned()))
    }

    /// The text that answers a query, asked again while that can help.
    pub(crate) fn text(self: &Arc<Self>, query: &str) -> Result<String> {
        let (link, query) = (self.clone(), query.to_owned());
        let answer = self.wait(async move { link.text_when(&query, link.deadline()).await })?;
        answer.map_err(|fault| self.failed(&fault))
    }

    pub(crate) async fn text_when(&self, query: &str, deadline: Instant) -> Result<String, Fault> {
        let mut attempts = Attempts::new(self, deadline);
        loop {
            match self.text_once(query, deadline).await {
                Ok(text) => return Ok(text),
                Err(fault) => attempts.after(fault).await?,
            }
        }
    }

    async fn text_once(&self, query: &str, deadline: Instant) -> Result<String, Fault> {
        let query = self.client.query_raw(query).with_setting("wait_end_of_query", "1");
        let cursor = query.fetch_bytes("TabSeparated").map_err(|error| Fault::of(&error))?;
        let mut answer = Answer::new(cursor, self, deadline);
        let mut bytes = Vec::new();
        while let Some(piece) = answer.next().await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > TEXT_BYTES_MAX {
                return Err(Fault::lasting(format!(
                    "the answer is longer than {} MiB",
                    TEXT_BYTES_MAX >> 20
                )));
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| Fault::lasting("the answer is not text"))?;
        // Old servers end an answer in which something failed as any other.
        match exception_in(&text).filter(|_| text.trim_start().starts_with("Code:")) {
            Some((code, message)) => Err(Fault::of_code(code, &message)),
            None => Ok(text),
        }
    }

    /// Whether the server answers in ArrowStream.
    pub(super) fn knows_arrow(self: &Arc<Self>) -> Result<Result<(), Fault>> {
        let link = self.clone();
        self.wait(async move {
            let deadline = link.deadline();
            let mut attempts = Attempts::new(&link, deadline);
            loop {
                let fault = match link.rows("SELECT 1", ARROW, false, deadline) {
                    Ok(mut answer) => match answer.next().await {
                        Ok(_) => return Ok(()),
                        Err(fault) => fault,
                    },
                    Err(fault) => fault,
                };
                attempts.after(fault).await?;
            }
        })
    }

    /// Begins to ask for rows. `whole` makes the server hold everything back until it is done.
    pub(super) fn rows(
        &self,
        query: &str,
        format: &str,
        whole: bool,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let mut query = self.client.query_raw(query);
        if whole {
            query = query.with_setting("wait_end_of_query", "1");
        }
        if self.takes_settings() {
            for (name, value) in self.settings(format == ARROW) {
                query = query.with_setting(name, value);
            }
        }
        let cursor = query.fetch_bytes(format).map_err(|error| Fault::of(&error))?;
        Ok(Answer::new(cursor, self, deadline))
    }

    /// Begins an insert of rows that are sent later. A batch counts as there only when it is.
    pub(crate) fn insert(&self, query: &str) -> BufInsertFormatted {
        let patience = &self.options.patience;
        let mut insert = self.client.insert_formatted_with(query);
        if self.takes_settings() {
            insert = insert.with_setting("async_insert", "0");
        }
        insert.with_timeouts(Some(patience.stall), Some(patience.first_byte)).buffered()
    }

    fn settings(&self, arrow: bool) -> Vec<(&'static str, &'static str)> {
        // Whoever stops asking wants nothing more done; and rows left out must be an error.
        let mut settings = vec![
            ("cancel_http_readonly_queries_on_client_close", "1"),
            ("read_overflow_mode", "throw"),
            ("result_overflow_mode", "throw"),
            ("timeout_overflow_mode", "throw"),
        ];
        if arrow {
            let here = self.options.address.is_here();
            let codec = match self.options.compression {
                Compression::None => "none",
                Compression::Auto if here => "none",
                Compression::Auto | Compression::Lz4 => "lz4_frame",
                Compression::Zstd => "zstd",
            };
            settings.push(("output_format_arrow_compression_method", codec));
        }
        settings
    }

    /// Whether questions for rows come with settings.
    pub(crate) fn takes_settings(&self) -> bool {
        !self.bare.load(Ordering::Relaxed)
    }

    /// From now on asks without settings.
    pub(super) fn drop_settings(&self) {
        self.bare.store(true, Ordering::Relaxed);
    }

    /// When everything must be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.options.patience.total
    }

    /// The error to show for a fault.
    pub(super) fn failed(&self, fault: &Fault) -> LoadError {
        LoadError::Source(format!(
            "cannot read from ClickHouse at {}: {}",
            self.options.address.url, fault.message
        ))
    }
}

/// The format that is asked for first.
pub(super) const ARROW: &str = "ArrowStream";
/// The format of servers that do not know it.
pub(super) const NATIVE: &str = "Native";

/// An answer on its way.
pub(super) struct Answer {
    cursor: BytesCursor,
    deadline: Instant,
    first_byte: Duration,
    stall: Duration,
    begun: bool,
}

impl Answer {
    fn new(cursor: BytesCursor, link: &Link, deadline: Instant) -> Self {
        let patience = &link.options.patience;
        Self { cursor, deadline, first_byte: patience.first_byte, stall: patience.stall, begun: false }
    }

    /// More of it; nothing at its end.
    pub(super) async fn next(&mut self) -> Result<Option<impl Deref<Target = [u8]> + use<>>, Fault> {
        let (limit, what) = if self.begun {
            (self.stall, "it stopped in the middle of an answer: no byte for")
        } else {
            (self.first_byte, "it accepted the query and sent no byte for")
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(limit.min(left), self.cursor.next()).await {
            Ok(piece) => {
                self.begun = true;
                piece.map_err(|error| Fault::of(&error))
            }
            Err(_) if left <= limit => Err(Fault::lasting(
                "the pull took longer than `total_timeout_seconds` allows; raise it, or find out why it is slow",
            )),
            Err(_) => Err(Fault::passing(format!("{what} {} s", limit.as_secs_f32()))),
        }
    }

    /// How many rows the server counted, where it says so. Only sure after everything was held back.
    pub(super) fn rows_counted(&self) -> Option<u64> {
        self.cursor.summary()?.result_rows()
    }
}

/// The crate's client over a transport with this server's certificates and time to connect.
fn client(options: &ClickHouseOptions) -> Result<Client> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(options.patience.connect));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let provider = rustls::crypto::ring::default_provider();
    let builder = match (&options.ca_file, options.address.tls) {
        (None, true) => {
            HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(|error| {
                LoadError::Config(format!(
                    "this system has no certificates to trust: {error}; name some as `ca_file`."
                ))
            })?
        }
        (file, _) => {
            let mut roots = RootCertStore::empty();
            if let Some(path) = file {
                let wrong = |what: String| LoadError::Config(format!("ca_file {}: {what}.", path.display()));
                let certificates =
                    CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("it holds no certificate in PEM form".to_owned()));
                }
            }
            let config = ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(|error| LoadError::Config(format!("TLS cannot be set up: {error}.")))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
    };
    let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
    let http = HttpClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    Ok(Client::with_http_client(http))
}
