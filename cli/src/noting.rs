//! What commands note in the audit of the catalog that belongs to a store, as a server does that does the same.

use std::path::Path;

use jiff::Timestamp;
use muster_catalog::Catalog;
use muster_catalog::audit::Event;

use crate::arguments::warn;
use crate::catalog::{caller, settings, wait};
use crate::failure::Failure;

/// Notes what was done in the audit, if there is a catalog; none is made for it. What was done stays done if it cannot be
/// noted: that is a warning.
pub(crate) fn note(config: Option<&Path>, store: Option<&Path>, event: Event) {
    let noted = settings(config, store).and_then(|settings| {
        wait(async {
            let Some(catalog) = Catalog::open_made(settings).await? else { return Ok(()) };
            let noted = catalog.record(&caller(), event, Timestamp::now().as_microsecond()).await;
            catalog.close().await;
            noted.map(drop).map_err(Failure::from)
        })
    });
    if let Err(failure) = noted {
        warn(&[format!("this was done, but it is not in the catalog's audit: {failure}")]);
    }
}
