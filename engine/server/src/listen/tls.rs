//! TLS: certificates from files that are followed. A new one is used by connections from then on, a broken one by none; those that
//! are open are never touched.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::Protocol;
use super::certificate::Certificate;
use crate::config::Config;
use crate::follow::Followed;

/// So long before a certificate ends, it is warned about ...
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// ... this often.
const WARN_EVERY: Duration = Duration::from_hours(24);

/// The certificate that listeners show.
#[derive(Debug)]
pub(crate) struct Tls {
    files: Files,
    current: ArcSwap<Loaded>,
    following: Mutex<Following>,
}

/// Where it is kept.
#[derive(Debug, Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

#[derive(Debug)]
struct Loaded {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    expires: Timestamp,
}

#[derive(Debug)]
struct Following {
    files: Followed,
    warned: Option<Instant>,
}

impl Tls {
    /// Loads what the configuration names; `None` if it names nothing.
    pub(crate) fn load(config: &Config) -> Result<Option<Arc<Self>>, String> {
        let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
        let files = Files { cert: cert.clone(), key: key.clone(), client_ca: config.tls_client_ca.clone() };
        let all = [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()];
        // Followed from before they are read, so that no change is missed.
        let followed = Followed::new(all.into_iter().flatten().cloned().collect());
        let loaded = files.load()?;
        let tls = Self {
            files,
            current: ArcSwap::from_pointee(loaded),
            following: Mutex::new(Following { files: followed, warned: None }),
        };
        tls.warn_of_end();
        Ok(Some(Arc::new(tls)))
    }

    /// What the next connection is greeted with.
    pub(super) fn acceptor(&self, protocol: Protocol) -> TlsAcceptor {
        let current = self.current.load();
        TlsAcceptor::from(Arc::clone(match protocol {
            Protocol::Grpc => &current.grpc,
            Protocol::Http => &current.http,
        }))
    }

    /// Looks whether the files changed, and whether the certificate ends soon; to be called now and then.
    pub(crate) fn look(&self) {
        if self.following.lock().unwrap_or_else(PoisonError::into_inner).files.changed() {
            self.load_again();
        }
        self.warn_of_end();
    }

    fn load_again(&self) {
        let cert = self.files.cert.display();
        match self.files.load() {
            Ok(loaded)
                if loaded.expires <= Timestamp::now() && self.current.load().expires > loaded.expires =>
            {
                tracing::error!(
                    "the new certificate {cert} expired at {}; the old one goes on",
                    loaded.expires
                );
            }
            Ok(loaded) => {
                tracing::info!(expires = %loaded.expires, "the certificate {cert} changed and is in use");
                self.current.store(Arc::new(loaded));
                self.following.lock().unwrap_or_else(PoisonError::into_inner).warned = None;
            }
            Err(what) => tracing::error!("{what}; the old certificate goes on"),
        }
    }

    fn warn_of_end(&self) {
        let expires = self.current.load().expires;
        let left = expires.duration_since(Timestamp::now());
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if left > WARN_BEFORE || following.warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return;
        }
        following.warned = Some(Instant::now());
        let cert = self.files.cert.display();
        if left.is_negative() {
            tracing::error!(
                "the certificate {cert} expired at {expires}, clients refuse it; put a new one in its place"
            );
        } else {
            tracing::warn!("the certificate {cert} expires at {expires}; put a new one in its place");
        }
    }
}

impl Files {
    fn load(&self) -> Result<Loaded, String> {
        let chain = certificates(&self.cert, "tls_cert")?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            format!("no key can be read from {} (`serve.tls_key`): {error}", self.key.display())
        })?;
        let expires = chain.first().and_then(|first| Certificate::read(first)).map(|first| first.expires);
        let expires = expires
            .ok_or_else(|| format!("{} holds no certificate that can be read", self.cert.display()))?;
        let grpc = self.config(chain, key)?;
        let mut http = grpc.clone();
        let mut grpc = grpc;
        grpc.alpn_protocols = vec![b"h2".to_vec()];
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Loaded { grpc: Arc::new(grpc), http: Arc::new(http), expires })
    }

    fn config(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ServerConfig, String> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let wrong = |error: String| {
                    format!("{} (`serve.tls_client_ca`) cannot be used: {error}", path.display())
                };
                let mut roots = RootCertStore::empty();
                for root in certificates(path, "tls_client_ca")? {
                    roots.add(root).map_err(|error| wrong(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong(error.to_string()))?)
            }
        };
        let (cert, key_file) = (self.cert.display(), self.key.display());
        // Among others, whether the key is that of the certificate.
        let built = builder.with_single_cert(chain, key);
        built
            .map_err(|error| format!("the certificate {cert} and the key {key_file} cannot be used: {error}"))
    }
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(read) if read.is_empty() => {
            Err(format!("{} (`serve.{key}`) holds no certificate in PEM", path.display()))
        }
        Ok(read) => Ok(read),
        Err(error) => {
            Err(format!("no certificate can be read from {} (`serve.{key}`): {error}", path.display()))
        }
    }
}

/// Whom a client's certificate names; it was verified when it was shown.
pub(super) fn certified(shown: Option<&[CertificateDer<'_>]>) -> Option<Arc<str>> {
    let name = Certificate::read(shown?.first()?)?.name?;
    Some(name.into())
}
