//! Listeners: TCP and socket files, with TLS or without, for gRPC and HTTP alike. What is answered is not known here: a listener is
//! given a router, and hands it requests that carry the [`Peer`] they come from.
//!
//! Accepting never waits for anybody: each connection is greeted and served in a task of its own, there is a limit on how many there
//! are, and who says nothing costs a task that sleeps.

mod address;
mod certificate;
mod connection;
mod descriptors;
mod peer;
mod socket_file;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub(crate) use address::Address;
pub(crate) use descriptors::{connections, raise as raise_descriptors};
pub(crate) use peer::Peer;
pub(crate) use tls::Tls;

use crate::sparing::Sparing;
use connection::Host;
use socket_file::SocketFile;

/// Connections that the system keeps until they are accepted; it may bound this further.
const BACKLOG: u32 = 4_096;
/// How long accepting pauses when the system refuses it, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/2, as gRPC wants it.
    Grpc,
    /// HTTP/1.1.
    Http,
}

/// What a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It takes connections.
    Open,
    /// It takes no more and finishes what is under way.
    Ending,
    /// It drops the rest.
    Over,
}

/// Waits until a phase is reached. A server that is gone has reached them all.
async fn reached(phase: &mut watch::Receiver<Phase>, awaited: Phase) {
    let _ = phase.wait_for(|phase| *phase >= awaited).await;
}

/// How connections of a listener are treated.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What is spoken.
    protocol: Protocol,
    /// How many there may be at a time.
    connections: usize,
    /// How TCP connections are encrypted, if they are. Socket files never are.
    tls: Option<Arc<Tls>>,
    patience: Patience,
}

impl Terms {
    /// The usual terms.
    pub(crate) fn new(protocol: Protocol, connections: usize, tls: Option<Arc<Tls>>) -> Self {
        Self { protocol, connections, tls, patience: Patience::default() }
    }
}

/// How long others are waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// A connection that has said nothing after this time is closed.
    silence: Duration,
    /// How long a TLS handshake may take.
    handshake: Duration,
    /// How long the headers of a request may take, in HTTP/1, and so how long a connection may be idle.
    headers: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_mins(1),
            handshake: Duration::from_secs(10),
            // Longer than the minute after which proxies usually let go, so that it is they who close.
            headers: Duration::from_secs(75),
        }
    }
}

/// Connections since the start, and those that are open.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Taken.
    pub(crate) accepted: AtomicU64,
    /// Closed at once, because there were too many.
    pub(crate) over_limit: AtomicU64,
    /// Open.
    pub(crate) open: AtomicU64,
}

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    /// Where it listens, as people read it.
    shown: String,
    local: bool,
    tally: Arc<Tally>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// The file goes when the listener does.
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// A connection as it was accepted.
enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Begins to listen.
    pub(crate) async fn bind(address: &Address) -> std::io::Result<Self> {
        let (socket, shown, local) = match address {
            Address::Unix(path) => {
                let (listener, file) = SocketFile::listen(path).await?;
                (Socket::Unix { listener, _file: file }, address.to_string(), true)
            }
            Address::Tcp(text) => {
                let listener = tcp(text).await?;
                let bound = listener.local_addr()?;
                (Socket::Tcp(listener), bound.to_string(), bound.ip().to_canonical().is_loopback())
            }
        };
        Ok(Self { socket, shown, local, tally: Arc::default() })
    }

    /// Where it listens, if that is no file.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix { .. } => None,
        }
    }

    /// Whether it hears this machine alone.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// What is counted of its connections.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Serves until the phase is over, or, once it is ending, until every connection has ended. Tells how many were dropped.
    pub(crate) async fn serve(
        self,
        terms: Terms,
        router: Router,
        mut phase: watch::Receiver<Phase>,
    ) -> usize {
        let Self { socket, local, tally, .. } = self;
        let places = Arc::new(Semaphore::new(terms.connections.min(Semaphore::MAX_PERMITS)));
        let mut door =
            Door { places, limit: terms.connections, tally, tasks: JoinSet::new(), full: Sparing::default() };
        let host = Arc::new(Host::new(terms, local, router, phase.clone()));
        let refused = Sparing::default();
        loop {
            tokio::select! {
                biased;
                () = reached(&mut phase, Phase::Ending) => break,
                Some(_) = door.tasks.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok(accepted) => door.admit(accepted, &host),
                    Err(error) => pause(&error, &refused).await,
                },
            }
        }
        // Who was taken by the system before we stopped is answered, too.
        let mut last = BACKLOG;
        while let (1.., Some(Ok(accepted))) = (last, socket.accept().now_or_never()) {
            door.admit(accepted, &host);
            last -= 1;
        }
        drop(socket);
        door.close(phase).await
    }
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Socket {
    async fn accept(&self) -> std::io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from)),
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

/// Counts connections in and out.
struct Door {
    places: Arc<Semaphore>,
    limit: usize,
    tally: Arc<Tally>,
    tasks: JoinSet<()>,
    full: Sparing,
}

impl Door {
    /// Takes a connection, or closes it if there are too many.
    fn admit(&mut self, accepted: Accepted, host: &Arc<Host>) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.tally.over_limit.fetch_add(1, Ordering::Relaxed);
            if let Some(held_back) = self.full.line() {
                let limit = self.limit;
                tracing::warn!(
                    held_back,
                    "a connection is closed: there are {limit} already, which is the limit (`serve.connections`)"
                );
            }
            return;
        };
        self.tally.accepted.fetch_add(1, Ordering::Relaxed);
        self.tally.open.fetch_add(1, Ordering::Relaxed);
        let (host, open) = (Arc::clone(host), Open(Arc::clone(&self.tally)));
        self.tasks.spawn(async move {
            let _held = (place, open);
            host.attend(accepted).await;
        });
    }

    /// Waits until everybody has gone, or drops them when the phase is over.
    async fn close(mut self, mut phase: watch::Receiver<Phase>) -> usize {
        tokio::select! {
            () = async { while self.tasks.join_next().await.is_some() {} } => return 0,
            () = reached(&mut phase, Phase::Over) => {}
        }
        let dropped = self.tasks.len();
        self.tasks.shutdown().await;
        dropped
    }
}

/// Counts a connection as open until it is dropped, however its task ends.
struct Open(Arc<Tally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// After an error of accepting: one connection that failed is nothing, a system that has no more room wants time.
async fn pause(error: &std::io::Error, refused: &Sparing) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    if let Some(held_back) = refused.line() {
        tracing::error!(held_back, "cannot accept connections, trying on: {error}");
    }
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Listens at the first of a host's addresses that can be had.
async fn tcp(text: &str) -> std::io::Result<TcpListener> {
    let mut last = None;
    for address in tokio::net::lookup_host(text).await? {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match listen() {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("the host has no address")))
}

#[cfg(test)]
mod tests;
