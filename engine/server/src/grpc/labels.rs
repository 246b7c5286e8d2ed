//! `muster.v1.Labels`: each call is read, asked of the service layer, and written.

use std::sync::Arc;

use muster_catalog::UsedBy;
use muster_catalog::label::{CountOutcome, CountRecord, Label, LabelFilter, LabelKey, LabelKind};
use muster_catalog::list::UploadMode;
use muster_proto::v1;
use muster_proto::v1::labels_server::Labels;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{instant, micros, overlay, said};
use super::effect;
use super::front::Front;
use crate::fault::{Fault, Result as Answer};
use crate::meters::Method;
use crate::service::{LabelOf, RuleOf};

/// The service.
pub(super) struct LabelsService {
    pub(super) front: Arc<Front>,
}

/// Fields of a label that a mask may name.
const CHANGEABLE: [&str; 6] = ["name", "description", "rule", "rules_json", "status", "private"];

#[tonic::async_trait]
impl Labels for LabelsService {
    async fn create_label(
        &self,
        request: Request<v1::CreateLabelRequest>,
    ) -> Result<Response<v1::CreateLabelResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let label = request.label.ok_or_else(missing)?;
                let made = service.create_label(&ask, given(&label, None)?).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::CreateLabelResponse {
                    label: Some(told(made)),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn get_label(
        &self,
        request: Request<v1::GetLabelRequest>,
    ) -> Result<Response<v1::GetLabelResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let key = match request.by {
                    Some(v1::get_label_request::By::Id(id)) => LabelKey::Id(id),
                    Some(v1::get_label_request::By::Name(name)) => LabelKey::Name(name),
                    None => {
                        return Err(Fault::invalid("by", "it is missing; give the label's id or its name"));
                    }
                };
                let label = service.label(&ask, &key).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::GetLabelResponse {
                    label: Some(told(label)),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn list_labels(
        &self,
        request: Request<v1::ListLabelsRequest>,
    ) -> Result<Response<v1::ListLabelsResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let enabled = enabled(request.status());
                let filter = LabelFilter {
                    search: request.search,
                    enabled,
                    creator: Some(request.creator).filter(|creator| !creator.is_empty()),
                    failed: request.failed.then_some(true),
                    page_size: request.page_size,
                    page_token: request.page_token,
                    ..LabelFilter::default()
                };
                let page = service.labels(&ask, &filter).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListLabelsResponse {
                    labels: page.items.into_iter().map(told).collect(),
                    next_page_token: page.next_page_token.unwrap_or_default(),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn update_label(
        &self,
        request: Request<v1::UpdateLabelRequest>,
    ) -> Result<Response<v1::UpdateLabelResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let label = request.label.ok_or_else(missing)?;
                let mask = request.update_mask.map(|mask| mask.paths);
                let of = given(&label, mask.as_deref())?;
                let changed = service.update_label(&ask, &LabelKey::Id(label.id), label.version, of).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::UpdateLabelResponse {
                    label: Some(told(changed)),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn delete_label(
        &self,
        request: Request<v1::DeleteLabelRequest>,
    ) -> Result<Response<v1::DeleteLabelResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                service.delete_label(&ask, &LabelKey::Id(request.id), request.version).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::DeleteLabelResponse { generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn upload_list(
        &self,
        request: Request<Streaming<v1::UploadListRequest>>,
    ) -> Result<Response<v1::UploadListResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, mut stream| async move {
                let mut upload = None;
                let mut label_id = 0;
                while let Some(part) = stream.message().await.map_err(broken)? {
                    let upload = match &mut upload {
                        Some(upload) => upload,
                        none => {
                            label_id = part.label_id;
                            let mode = if part.replace { UploadMode::Replace } else { UploadMode::Append };
                            none.insert(service.begin_upload(&ask, mode)?)
                        }
                    };
                    upload.push(&part.user_ids)?;
                }
                let Some(upload) = upload else {
                    return Err(Fault::invalid(
                        "label_id",
                        "nothing was sent; name the label in the first message",
                    ));
                };
                let done = service.finish_upload(&ask, &LabelKey::Id(label_id), upload, "").await?;
                let (generation, as_of) = service.serving();
                Ok(v1::UploadListResponse {
                    count: done.label.list_users,
                    unknown: done.unknown,
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn list_label_counts(
        &self,
        request: Request<v1::ListLabelCountsRequest>,
    ) -> Result<Response<v1::ListLabelCountsResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let counts = service.label_counts(&ask, &LabelKey::Id(request.id), request.limit).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListLabelCountsResponse {
                    counts: counts.into_iter().map(counted).collect(),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn match_labels(
        &self,
        request: Request<v1::MatchLabelsRequest>,
    ) -> Result<Response<v1::MatchLabelsResponse>, Status> {
        self.front
            .answer(Method::MatchLabels, request, |service, ask, request| async move {
                let overlay = overlay(request.overlay)?;
                let matched =
                    service.match_labels(&ask, request.user_id, request.limit as usize, &overlay)?;
                let label = |(id, name)| v1::MatchedLabel { id, name };
                Ok(v1::MatchLabelsResponse {
                    labels: matched.met.into_iter().map(label).collect(),
                    known_user: matched.known_user,
                    opted_out: matched.opted_out,
                    generation: matched.origin.generation,
                    as_of: instant(matched.origin.as_of),
                })
            })
            .await
    }

    async fn list_label_uses(
        &self,
        request: Request<v1::ListLabelUsesRequest>,
    ) -> Result<Response<v1::ListLabelUsesResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, ask, request| async move {
                let uses = service.label_uses(&ask, &LabelKey::Id(request.id)).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListLabelUsesResponse {
                    uses: uses.by.into_iter().map(used).collect(),
                    hidden: uses.hidden,
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn preview_label(
        &self,
        request: Request<v1::PreviewLabelRequest>,
    ) -> Result<Response<v1::PreviewLabelResponse>, Status> {
        self.front
            .answer(Method::Labels, request, |service, mut ask, request| async move {
                ask.now = said(request.now.as_ref())?;
                ask.generation = request.generation;
                let label = request.label.ok_or_else(missing)?;
                let of = given(&label, None)?;
                Ok(effect::told(service.preview_label(&ask, label.id, label.version, of).await?))
            })
            .await
    }
}

fn missing() -> Fault {
    Fault::invalid("label", "it is missing; give the label")
}

/// A stream that broke off: the caller's, who will not read the answer.
fn broken(_: Status) -> Fault {
    Fault::Cancelled
}

/// What a label is to be, as far as it is said: in the fields that the mask names, or in those that are not empty.
fn given<'a>(label: &'a v1::Label, mask: Option<&[String]>) -> Answer<LabelOf<'a>> {
    if let Some(unknown) = mask.into_iter().flatten().find(|path| !CHANGEABLE.contains(&path.as_str())) {
        let what = format!("`{unknown}` cannot be changed; there are {}", CHANGEABLE.join(", "));
        return Err(Fault::invalid("update_mask", what));
    }
    let takes = |field: &str, is_given: bool| match mask {
        Some(mask) if !mask.is_empty() => mask.iter().any(|path| path == field),
        _ => is_given,
    };
    let text = takes("rule", !label.rule.is_empty()).then_some(RuleOf::Text(&label.rule));
    let json = takes("rules_json", !label.rules_json.is_empty()).then_some(RuleOf::Json(&label.rules_json));
    if text.is_some() && json.is_some() && mask.is_some() {
        return Err(Fault::invalid("update_mask", "it names rule and rules_json; name one of them"));
    }
    Ok(LabelOf {
        name: takes("name", !label.name.is_empty()).then(|| label.name.clone()),
        description: takes("description", !label.description.is_empty()).then(|| label.description.clone()),
        // Who read a label has both; the text says all that the tree does.
        rule: text.or(json),
        enabled: if takes("status", true) { enabled(label.status()) } else { None },
        private: takes("private", label.private).then_some(label.private),
    })
}

fn enabled(status: v1::LabelStatus) -> Option<bool> {
    match status {
        v1::LabelStatus::Unspecified => None,
        v1::LabelStatus::Enabled => Some(true),
        v1::LabelStatus::Disabled => Some(false),
    }
}

/// A label as a message.
fn told(label: Label) -> v1::Label {
    let (latest, previous) = (label.counts.latest, label.counts.previous);
    let status = if label.enabled { v1::LabelStatus::Enabled } else { v1::LabelStatus::Disabled };
    v1::Label {
        id: label.id,
        name: label.name,
        description: label.description,
        rule: label.rule,
        rules_json: label.rules_json.unwrap_or_default(),
        status: status.into(),
        creator: label.creator,
        count: latest.map_or(0, |latest| latest.users),
        generation: latest.map_or(0, |latest| latest.generation),
        version: label.version,
        created: micros(label.created_us),
        updated: micros(label.updated_us),
        is_list: label.kind == LabelKind::List,
        private: label.private,
        predefined: label.predefined,
        updated_by: label.updated_by,
        universe: latest.map_or(0, |latest| latest.universe),
        previous_count: previous.map_or(0, |previous| previous.users),
        previous_generation: previous.map_or(0, |previous| previous.generation),
        failure: label.counts.failed.map_or_else(String::new, |failed| failed.reason),
        used_by_labels: label.used_by_labels,
        used_by_deliveries: label.used_by_deliveries,
        list_users: label.list_users,
    }
}

fn counted(record: CountRecord) -> v1::LabelCount {
    let (count, universe, failure) = match record.outcome {
        CountOutcome::Counted { users, universe } => (users, universe, String::new()),
        CountOutcome::Failed { reason } => (0, 0, reason),
    };
    v1::LabelCount { generation: record.generation, as_of: micros(record.as_of_us), count, universe, failure }
}

fn used(by: UsedBy) -> v1::LabelUse {
    use v1::label_use::By;
    let (by, name) = match by {
        UsedBy::Label { id, name } => (By::LabelId(id), name),
        UsedBy::Delivery { id, name } => (By::DeliveryId(id), name),
    };
    v1::LabelUse { by: Some(by), name }
}
