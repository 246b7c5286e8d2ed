//! Who may ask: tokens with roles, or, where tokens are off, what callers say of themselves.
//!
//! Looking a token up is one hash and one look into a map that is exchanged whole when the file changes, so asking never waits.
//! A token itself is never kept, logged or repeated in an answer.

mod changes;
mod token;
mod tokens;

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use muster_catalog::audit::Event;

use crate::caller::{Caller, Role};
use crate::config::Tokens;
use crate::fault::{Fault, Result};
use crate::follow::Followed;
use crate::listen::Peer;
use crate::sparing::Sparing;
use token::Hash;
pub use tokens::{TokenEntry, TokensError, TokensFile};

/// The header in which a caller names itself where tokens are off.
pub(crate) const USER_HEADER: &str = "x-muster-user";
/// Bytes of such a name.
const USER_BYTES_MAX: usize = 128;
/// Who does not say.
const ANONYMOUS: &str = "anonymous";

/// Decides who a caller is.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: Tokens,
    file: TokensFile,
    followed: Mutex<Followed>,
    known: ArcSwap<HashMap<Hash, Known>>,
    anonymous: Caller,
    refusals: Sparing,
}

/// Whoever holds a token.
#[derive(Debug)]
struct Known {
    caller: Caller,
    expires: Option<Timestamp>,
}

impl Access {
    /// Reads the file of tokens. One that is broken is an error, one that is missing knows nobody.
    pub(crate) fn new(tokens: Tokens, file: TokensFile) -> std::result::Result<Self, TokensError> {
        // Followed from before it is read, so that no change is missed.
        let followed = Mutex::new(Followed::new(vec![file.path().to_owned()]));
        let known = if tokens == Tokens::Off { None } else { file.read()? };
        Ok(Self {
            tokens,
            file,
            followed,
            known: ArcSwap::from_pointee(map(known.unwrap_or_default())),
            anonymous: Caller { name: ANONYMOUS.into(), role: Role::Admin },
            refusals: Sparing::default(),
        })
    }

    /// Whether somebody who comes in by a listener must have a token; `local` says that it hears this machine alone.
    pub(crate) fn needs_token(&self, local: bool) -> bool {
        match self.tokens {
            Tokens::Auto => !local,
            Tokens::Required => true,
            Tokens::Off => false,
        }
    }

    /// Says at the start what whoever runs the server should know.
    pub(crate) fn tell(&self, local: bool) {
        let path = self.file.path().display();
        if self.needs_token(local) {
            if self.known.load().is_empty() {
                tracing::warn!(
                    "tokens are needed and {path} has none, so everybody is refused; `muster token create` makes one"
                );
            }
            self.warn_of_readers();
        } else if !local {
            tracing::warn!(
                "`serve.tokens` is off on an address that others can reach: everybody may do everything"
            );
        }
    }

    /// Looks whether the file of tokens changed; to be called now and then. What changed is told, for the audit.
    pub(crate) fn look(&self) -> Vec<Event> {
        let changed = || self.followed.lock().unwrap_or_else(PoisonError::into_inner).changed();
        if self.tokens != Tokens::Off && changed() { self.read_again() } else { Vec::new() }
    }

    fn read_again(&self) -> Vec<Event> {
        match self.file.read() {
            Ok(Some(entries)) => {
                tracing::info!(tokens = entries.len(), "the file of tokens changed and is in use");
                let before = self.known.swap(Arc::new(map(entries)));
                self.warn_of_readers();
                return changes::events(&before, &self.known.load());
            }
            Ok(None) => {
                let path = self.file.path().display();
                tracing::error!("the file of tokens {path} is gone; the tokens that were known go on");
            }
            Err(error) => tracing::error!("{error}; the tokens that were known go on"),
        }
        Vec::new()
    }

    fn warn_of_readers(&self) {
        if self.file.readable_by_others() {
            let path = self.file.path().display();
            tracing::warn!("others than the owner may read the file of tokens {path}; `chmod 600` it");
        }
    }

    /// Who asks, by the headers of a request and where it comes from. Whoever comes from nowhere needs a token.
    pub(crate) fn caller(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller> {
        if self.needs_token(peer.is_some_and(Peer::is_local)) {
            return self.known_caller(headers);
        }
        // A certificate was checked, the header is what anybody says.
        if let Some(name) = peer.and_then(Peer::certified) {
            return Ok(Caller { name: Arc::clone(name), ..self.anonymous.clone() });
        }
        let Some(name) = headers.get(USER_HEADER) else { return Ok(self.anonymous.clone()) };
        match std::str::from_utf8(name.as_bytes()) {
            Ok("") => Ok(self.anonymous.clone()),
            Ok(name) if name.len() <= USER_BYTES_MAX => {
                Ok(Caller { name: name.into(), ..self.anonymous.clone() })
            }
            _ => {
                Err(Fault::invalid(USER_HEADER, format!("a name is text of at most {USER_BYTES_MAX} bytes")))
            }
        }
    }

    fn known_caller(&self, headers: &HeaderMap) -> Result<Caller> {
        let refused = |what: String| Err(Fault::Unauthenticated { what });
        let Some(shown) = headers.get(AUTHORIZATION) else {
            return refused("a token is needed: send it as `authorization: Bearer TOKEN`".to_owned());
        };
        let Some(token) = shown.to_str().ok().and_then(bearer) else {
            return refused("`authorization` must be `Bearer TOKEN`".to_owned());
        };
        let known = self.known.load();
        let Some(Known { caller, expires }) = Hash::of(token).and_then(|hash| known.get(&hash)) else {
            return refused("this token is not known, or was revoked".to_owned());
        };
        match expires {
            Some(end) if *end <= Timestamp::now() => {
                refused(format!("the token {} expired at {end}; have another one made", caller.name))
            }
            _ => Ok(caller.clone()),
        }
    }

    /// Logs that somebody was refused for who they are; other refusals, told by their code, are not of interest here.
    pub(crate) fn refused(&self, code: &str, what: &dyn Display, peer: Option<&Peer>, asked: &dyn Debug) {
        if !["UNAUTHENTICATED", "PERMISSION_DENIED"].contains(&code) {
            return;
        }
        if let Some(held_back) = self.refusals.line() {
            let from = peer.map_or_else(|| "nowhere".to_owned(), ToString::to_string);
            tracing::warn!(from, ?asked, code, held_back, "refused: {what}");
        }
    }
}

fn map(entries: Vec<TokenEntry>) -> HashMap<Hash, Known> {
    let known = entries.into_iter().map(|entry| {
        let caller = Caller { name: entry.name.into(), role: entry.role };
        (entry.hash, Known { caller, expires: entry.expires })
    });
    known.collect()
}

/// The token in `Bearer TOKEN`; the word may be written in any case.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests;
