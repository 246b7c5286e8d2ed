//! The catalog itself: one handle that is cheap to clone, to which the other modules add what it can do.

use std::sync::Arc;

use crate::db::{Counter, Db};
use crate::error::Result;
use crate::settings::Settings;

/// An open catalog. Clones share its connections.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) db: Arc<Db>,
}

/// How often the catalog has changed; each number only goes up. A server that has seen both needs to read nothing again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changes of labels and lists; recorded counts are none.
    pub labels: u64,
    /// Changes of deliveries.
    pub deliveries: u64,
}

impl Catalog {
    /// Opens a catalog; makes it if there is nothing, migrates it if it is older, and checks what is cheap to check.
    ///
    /// It does not read lists, counts and the audit in full; [`Catalog::verify`] does.
    pub async fn open(settings: Settings) -> Result<Self> {
        Ok(Self { db: Arc::new(Db::open(settings).await?) })
    }

    /// The same for one that was made before: where there is none yet, none is made.
    pub async fn open_made(settings: Settings) -> Result<Option<Self>> {
        Ok(Db::open_made(settings).await?.map(|db| Self { db: Arc::new(db) }))
    }

    /// Where it is, for people; without a password.
    pub fn place(&self) -> &str {
        &self.db.place
    }

    /// Whether it may only be read.
    pub fn is_read_only(&self) -> bool {
        self.db.read_only
    }

    /// How often it has changed. Costs one row; also tells whether the database answers.
    pub async fn changes(&self) -> Result<Changes> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            Ok(Changes {
                labels: tx.counter(Counter::LabelChanges).await?,
                deliveries: tx.counter(Counter::DeliveryChanges).await?,
            })
        }
        .await;
        tx.finish(outcome).await
    }

    /// Ends all connections; a clone can do nothing any more either.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("place", &self.db.place).finish_non_exhaustive()
    }
}
