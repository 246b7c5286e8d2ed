//! One connection, from its first byte to its last: greeted, encrypted, served, and brought to an end when the server ends.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::peer::Peer;
use super::stream::Stream;
use super::tls::{Tls, certified};
use super::{Accepted, Phase, Protocol, Terms, reached};
use crate::sparing::Sparing;

/// How long those who are being greeted when the server ends may go on.
const LAST_GREETING: Duration = Duration::from_millis(500);
/// A connection without a sign of life is asked for one after this time, and closed if there is none.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(20);
/// Requests of one connection at a time.
const STREAMS_PER_CONNECTION: u32 = 1_024;
/// Bytes of the headers of a request.
const HEADER_BYTES: u32 = 32 << 10;
/// Headers of a request, in HTTP/1.
const HEADERS: usize = 100;
/// Bytes that are read at a time, in HTTP/1; headers must fit.
const BUFFER_BYTES: usize = 64 << 10;
/// The first byte of TLS, which neither HTTP/1 nor HTTP/2 begins with.
const HANDSHAKE_BYTE: u8 = 0x16;

/// What all connections of a listener share.
pub(super) struct Host {
    terms: Terms,
    local: bool,
    router: Router,
    phase: watch::Receiver<Phase>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    refused: Sparing,
}

impl Host {
    pub(super) fn new(terms: Terms, local: bool, router: Router, phase: watch::Receiver<Phase>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(terms.patience.headers)
            .max_headers(HEADERS)
            .max_buf_size(BUFFER_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_WAIT)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES);
        Self { terms, local, router, phase, http1, http2, refused: Sparing::default() }
    }

    /// Serves a connection to its end.
    pub(super) async fn attend(self: Arc<Self>, accepted: Accepted) {
        let mut phase = self.phase.clone();
        let late = async {
            reached(&mut phase, Phase::Ending).await;
            tokio::time::sleep(LAST_GREETING).await;
        };
        let greeted = tokio::select! {
            greeted = self.greet(accepted) => greeted,
            () = late => None,
        };
        if let Some((stream, peer)) = greeted {
            self.converse(stream, peer).await;
        }
    }

    /// Waits for the first byte and does the handshake. `None` if nothing comes of it.
    async fn greet(&self, accepted: Accepted) -> Option<(Stream, Peer)> {
        match accepted {
            Accepted::Unix(stream) => {
                timeout(self.terms.patience.silence, stream.readable()).await.ok()?.ok()?;
                Some((Stream::Unix(stream), Peer::new(None, self.local, None)))
            }
            Accepted::Tcp(stream, from) => {
                prepare(&stream);
                let mut first = [0];
                if timeout(self.terms.patience.silence, stream.peek(&mut first)).await.ok()?.ok()? == 0 {
                    return None;
                }
                match (&self.terms.tls, first[0] == HANDSHAKE_BYTE) {
                    (Some(tls), true) => self.encrypt(tls, stream, from).await,
                    (None, false) => Some((Stream::Tcp(stream), Peer::new(Some(from), self.local, None))),
                    (Some(_), false) => self.refuse(from, "it speaks plain text, and TLS is needed"),
                    (None, true) => {
                        self.refuse(from, "it speaks TLS, and there is no certificate (`serve.tls_cert`)")
                    }
                }
            }
        }
    }

    async fn encrypt(&self, tls: &Tls, stream: TcpStream, from: SocketAddr) -> Option<(Stream, Peer)> {
        match timeout(self.terms.patience.handshake, tls.acceptor(self.terms.protocol).accept(stream)).await {
            Ok(Ok(stream)) => {
                let name = certified(stream.get_ref().1.peer_certificates());
                Some((Stream::Tls(Box::new(stream)), Peer::new(Some(from), self.local, name)))
            }
            Ok(Err(error)) => self.refuse(from, &format!("the TLS handshake failed: {error}")),
            Err(_) => self.refuse(from, "the TLS handshake took too long"),
        }
    }

    fn refuse<T>(&self, from: SocketAddr, what: &str) -> Option<T> {
        if let Some(held_back) = self.refused.line() {
            tracing::warn!(%from, held_back, "a connection is closed: {what}");
        }
        None
    }

    /// Answers requests.
    async fn converse(&self, stream: Stream, peer: Peer) {
        let router = &self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            // A router is always ready.
            tower::Service::call(&mut router.clone(), request)
        });
        let stream = TokioIo::new(stream);
        match self.terms.protocol {
            Protocol::Grpc => self.finish(self.http2.serve_connection(stream, service)).await,
            Protocol::Http => self.finish(self.http1.serve_connection(stream, service)).await,
        }
    }

    /// Serves until the other end goes; when the server ends, what is under way is answered and nothing more is taken.
    async fn finish<C: GracefulConnection>(&self, connection: C)
    where
        C::Error: std::fmt::Display,
    {
        let mut phase = self.phase.clone();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            // First, so that what has arrived is seen before the end is.
            ended = &mut connection => ended,
            () = reached(&mut phase, Phase::Ending) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    }
}

/// Small answers go at once, and a host that vanished is noticed.
fn prepare(stream: &TcpStream) {
    // Neither is worth refusing anybody for.
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, KEEP_ALIVE_EVERY);
    let _ = sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_WAIT);
}
