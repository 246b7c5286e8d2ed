//! Labels in a catalog, and what a server says of them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use muster_catalog::label::{CountOfLabel, CountOutcome, LabelKind};
use muster_catalog::transfer::{DOCUMENT_VERSION, Document, ImportMode, LabelDocument, LastNumbers};
use muster_catalog::{Caller, Catalog, Settings};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_proto::v1;
use muster_proto::v1::labels_client::LabelsClient;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// How often storing counts is timed.
const STORED: usize = 5;
/// Labels asked for at a time.
const PAGE: u32 = 1_000;

/// Makes a catalog with these rules as labels 1, 2, 3 ... and tells how long it took.
pub(super) fn import(runtime: &Runtime, file: &Path, rules: &[String]) -> Result<Duration> {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
    let limits = Limits::default();
    let mut labels = Vec::with_capacity(rules.len());
    for (number, text) in (1..).zip(rules) {
        labels.push(LabelDocument {
            id: number,
            name: format!("label {number:05}"),
            description: String::new(),
            kind: LabelKind::Rule,
            rule: Rule::parse(text, &limits)?.to_string(),
            users: None,
            enabled: true,
            private: false,
            predefined: false,
            creator: "alice".to_owned(),
            version: 1,
            created_us: 1,
            updated_us: 1,
            updated_by: "alice".to_owned(),
            list_version: 0,
        });
    }
    let last = LastNumbers { label: labels.len() as u64, ..LastNumbers::default() };
    let document = Document { muster_catalog: DOCUMENT_VERSION, last, labels, deliveries: Vec::new() };
    let begun = Instant::now();
    runtime.block_on(async {
        let catalog = open(file).await?;
        let report = catalog.import(&Caller::admin("muster"), &document, ImportMode::Empty, false, 1).await?;
        ensure!(
            report.labels_created.len() == rules.len(),
            "{} labels of {}",
            report.labels_created.len(),
            rules.len()
        );
        Ok(())
    })?;
    Ok(begun.elapsed())
}

/// How long it takes to store the counts of all labels, each time in another generation.
pub(super) fn store_counts(runtime: &Runtime, file: &Path, labels: u64) -> Result<Vec<Duration>> {
    let counts: Vec<CountOfLabel> = (1..=labels)
        .map(|id| CountOfLabel {
            label_id: id,
            outcome: CountOutcome::Counted { users: id, universe: 2 * id },
        })
        .collect();
    runtime.block_on(async {
        let catalog = open(file).await?;
        let mut times = Vec::with_capacity(STORED);
        for generation in 0..STORED as u64 {
            let begun = Instant::now();
            catalog.record_counts(1_000 + generation, 1, &counts, 1).await?;
            times.push(begun.elapsed());
        }
        Ok(times)
    })
}

async fn open(file: &Path) -> Result<Catalog> {
    Ok(Catalog::open(Settings::at(format!("sqlite:{}", file.display()))).await?)
}

/// All labels of a server.
pub(super) async fn all(client: &mut LabelsClient<Channel>) -> Result<Vec<v1::Label>> {
    let mut labels = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            v1::ListLabelsRequest { page_size: PAGE, page_token, ..v1::ListLabelsRequest::default() };
        let page = client.list_labels(request).await?.into_inner();
        labels.extend(page.labels);
        if page.next_page_token.is_empty() {
            return Ok(labels);
        }
        page_token = page.next_page_token;
    }
}
