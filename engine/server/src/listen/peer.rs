//! The other end of a connection. Each request carries it among its extensions.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a connection; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// `None` for one of a socket file.
    address: Option<SocketAddr>,
    /// Whether the listener that it came by hears this machine alone.
    local: bool,
    /// Whom its certificate names, if it had to show one.
    certified: Option<Arc<str>>,
}

impl Peer {
    /// What is known of it.
    pub(crate) fn new(address: Option<SocketAddr>, local: bool, certified: Option<Arc<str>>) -> Self {
        Self(Arc::new(Known { address, local, certified }))
    }

    /// Whether the listener that it came by hears this machine alone.
    pub(crate) fn is_local(&self) -> bool {
        self.0.local
    }

    /// Whom its certificate names.
    pub(crate) fn certified(&self) -> Option<&Arc<str>> {
        self.0.certified.as_ref()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.address {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("a unix socket")?,
        }
        self.0.certified.as_ref().map_or(Ok(()), |name| write!(f, " with the certificate of {name}"))
    }
}
