//! Members of labels for the server: what it says is in them, the loader writes.

use std::sync::Arc;

use muster_loader::write_back::{LabelMembers, Wanted, WriteBack, WriteBackConfig};
use muster_server::{WriteBackReport, WriteBackWanted};

use crate::failure::Failure;

/// The table that `[write_back]` names.
#[derive(Debug)]
pub(crate) struct WritesBack(WriteBack);

impl WritesBack {
    /// Prepares it; the first write connects.
    pub(crate) fn new(config: &WriteBackConfig) -> Result<Arc<Self>, Failure> {
        Ok(Arc::new(Self(WriteBack::new(config)?)))
    }
}

impl muster_server::WriteBack for WritesBack {
    fn labels(&self) -> &[String] {
        self.0.labels()
    }

    fn write(&self, wanted: WriteBackWanted) -> Result<WriteBackReport, String> {
        let WriteBackWanted { generation, as_of, masks, labels, only } = wanted;
        let labels = labels
            .into_iter()
            .map(|label| LabelMembers { id: label.id, name: label.name, audience: label.audience })
            .collect();
        let report = self
            .0
            .write(&Wanted { generation, as_of, masks, labels, only })
            .map_err(|error| error.to_string())?;
        let failed = report.failed.into_iter().map(|(label, error)| (label, error.to_string())).collect();
        Ok(WriteBackReport {
            written: report.written,
            unchanged: report.unchanged,
            removed: report.removed,
            users: report.users,
            failed,
            ended: report.ended.map(|error| error.to_string()),
        })
    }
}
