//! Deliveries as JSON: what is asked for, and what is told.

use muster_catalog::delivery::{
    Approval, ApprovalKind, Body, Content, Delivery, DeliveryFilter, Holdout, Status, Target, Verdict,
};
use muster_catalog::label::LabelKey;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::super::read::Object;
use super::Time;
use super::segment::SegmentBody;
use crate::fault::{Fault, Result};
use crate::service::{ContentOf, DeliveryOf, Matched, Reach, Stored};

/// What a delivery shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum ContentType {
    /// A task of the platform.
    OnchainTask,
    /// An image with a link.
    Custom,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum DeliveryStatus {
    /// It is being written.
    Draft,
    /// It waits for approval.
    Pending,
    /// It is approved, and its time has not come.
    Upcoming,
    /// It is shown.
    Ongoing,
    /// Its time is over.
    Ended,
    /// It was rejected; it can be edited and submitted again.
    Unpass,
    /// Its time was over before anybody approved it.
    Expired,
    /// It was ended before its time.
    Canceled,
}

impl From<Status> for DeliveryStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Draft => Self::Draft,
            Status::Pending => Self::Pending,
            Status::Upcoming => Self::Upcoming,
            Status::Ongoing => Self::Ongoing,
            Status::Ended => Self::Ended,
            Status::Unpass => Self::Unpass,
            Status::Expired => Self::Expired,
            Status::Canceled => Self::Canceled,
        }
    }
}

/// Users whose stable hash with a salt falls into a range, as `bucket` in rules.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Holdout)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct HoldoutBody {
    /// Another salt is an independent draw.
    salt: String,
    /// From this percentage, included.
    #[schema(minimum = 0, maximum = 100)]
    from_percent: f64,
    /// To this percentage, excluded.
    #[schema(minimum = 0, maximum = 100)]
    to_percent: f64,
}

impl From<&Holdout> for HoldoutBody {
    fn from(holdout: &Holdout) -> Self {
        Self {
            salt: holdout.salt.clone(),
            from_percent: f64::from(holdout.low) / 100.0,
            to_percent: f64::from(holdout.high) / 100.0,
        }
    }
}

/// A label: in a request one of both fields is given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LabelRef)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LabelRefBody {
    /// Its name.
    label: Option<String>,
    /// Its number.
    label_id: Option<u64>,
}

/// Who sees a delivery, as it is told: `label` or `rule` is given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Target)]
pub(in super::super) struct TargetBody {
    /// The label's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The rule as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

/// What a delivery shows to whom, when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryContent)]
pub(in super::super) struct DeliveryContent {
    /// Its name.
    name: String,
    /// Who sees it.
    target: TargetBody,
    /// The number of the label that is its target, if one is.
    target_label_id: Option<u64>,
    /// Labels whose users do not see it.
    exclude: Vec<LabelRefBody>,
    /// Users who do not see it, so that its effect can be measured.
    holdout: Option<HoldoutBody>,
    /// What kind of content.
    content_type: ContentType,
    /// Which task, for tasks.
    content_id: Option<String>,
    /// The image, for custom content.
    custom_image: Option<String>,
    /// Where it leads, for custom content.
    custom_url: Option<String>,
    /// From when.
    start_time: Time,
    /// Until when; at that instant it is over.
    end_time: Time,
    /// Greater goes first.
    priority: i32,
    /// Where in the app; empty is anywhere.
    placement: String,
    /// How often a user should see it a day at most. Stored for whoever shows it, not enforced.
    daily_cap: Option<u32>,
    /// How often a user should see it at most. Stored for whoever shows it, not enforced.
    total_cap: Option<u32>,
}

impl From<&Body> for DeliveryContent {
    fn from(body: &Body) -> Self {
        let (target, target_label_id) = match &body.target {
            Target::Label(label) => {
                (TargetBody { label: Some(label.name.clone()), rule: None }, Some(label.id))
            }
            Target::Rule(text) => (TargetBody { label: None, rule: Some(text.clone()) }, None),
        };
        let (content_type, content_id, custom_image, custom_url) = match &body.content {
            Content::OnchainTask { content_id } => {
                (ContentType::OnchainTask, Some(content_id.clone()), None, None)
            }
            Content::Custom { image, url } => {
                (ContentType::Custom, None, Some(image.clone()), Some(url.clone()))
            }
        };
        let label = |label: &muster_catalog::delivery::LabelRef| LabelRefBody {
            label: Some(label.name.clone()),
            label_id: Some(label.id),
        };
        Self {
            name: body.name.clone(),
            target,
            target_label_id,
            exclude: body.exclude.iter().map(label).collect(),
            holdout: body.holdout.as_ref().map(Into::into),
            content_type,
            content_id,
            custom_image,
            custom_url,
            start_time: Time::of_micros(body.start_us),
            end_time: Time::of_micros(body.end_us),
            priority: body.priority,
            placement: body.placement.clone(),
            daily_cap: body.daily_cap,
            total_cap: body.total_cap,
        }
    }
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(in super::super) struct DeliveryBody {
    /// Its number.
    id: u64,
    /// What it shows to whom, when.
    #[serde(flatten)]
    content: DeliveryContent,
    /// How it stands.
    status: DeliveryStatus,
    /// What waits for somebody's decision; null if nothing does.
    open: Option<ApprovalBody>,
    /// Who made it.
    creator: String,
    /// Goes up with every change; a change names the one it is based on.
    version: u64,
    /// When it was made.
    created: Time,
    /// When it was changed last.
    updated: Time,
    /// Who changed it last.
    updated_by: String,
}

impl From<&Stored> for DeliveryBody {
    fn from(stored: &Stored) -> Self {
        let delivery: &Delivery = &stored.delivery;
        Self {
            id: delivery.id,
            content: (&delivery.body).into(),
            status: stored.status.into(),
            open: delivery.open.as_ref().map(Into::into),
            creator: delivery.creator.clone(),
            version: delivery.version,
            created: Time::of_micros(delivery.created_us),
            updated: Time::of_micros(delivery.updated_us),
            updated_by: delivery.updated_by.clone(),
        }
    }
}

/// Something that needs another person's approval, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Approval)]
pub(in super::super) struct ApprovalBody {
    /// Its number.
    id: u64,
    /// What is asked for: `create`, `edit` or `cancel`.
    kind: &'static str,
    /// For an edit: what the delivery is to become. For a creation: what it was when it was submitted.
    proposed: Option<DeliveryContent>,
    /// Who asks.
    requester: String,
    /// When it was asked for.
    requested: Time,
    /// Why.
    comment: String,
    /// What was decided: `approved`, `rejected` or `withdrawn`; null while it waits.
    verdict: Option<&'static str>,
    /// Who decided.
    decided_by: Option<String>,
    /// When.
    decided: Option<Time>,
    /// What was said about it.
    decision_comment: Option<String>,
}

impl From<&Approval> for ApprovalBody {
    fn from(approval: &Approval) -> Self {
        let decision = approval.decision.as_ref();
        Self {
            id: approval.id,
            kind: match approval.kind {
                ApprovalKind::Create => "create",
                ApprovalKind::Edit => "edit",
                ApprovalKind::Cancel => "cancel",
            },
            proposed: approval.body.as_ref().map(Into::into),
            requester: approval.requester.clone(),
            requested: Time::of_micros(approval.requested_us),
            comment: approval.comment.clone(),
            verdict: decision.map(|decision| match decision.verdict {
                Verdict::Approved => "approved",
                Verdict::Rejected => "rejected",
                Verdict::Withdrawn => "withdrawn",
            }),
            decided_by: decision.map(|decision| decision.by.clone()),
            decided: decision.map(|decision| Time::of_micros(decision.at_us)),
            decision_comment: decision.map(|decision| decision.comment.clone()),
        }
    }
}

/// What a delivery is to be. A change leaves what is not given as it is, and takes away what is given as null.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "not there, null, or a value")]
pub(in super::super) struct DeliveryRequest {
    /// Its name; others may have the same.
    name: Option<String>,
    /// Who sees it: the users of a label or of a rule.
    #[schema(value_type = Option<SegmentBody>)]
    target: Option<Object<SegmentBody>>,
    /// Labels whose users do not see it.
    exclude: Option<Vec<LabelRefBody>>,
    /// Users who do not see it, so that its effect can be measured.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<HoldoutBody>)]
    holdout: Option<Option<HoldoutBody>>,
    /// What kind of content.
    content_type: Option<ContentType>,
    /// Which task, for tasks.
    content_id: Option<String>,
    /// The image, for custom content.
    custom_image: Option<String>,
    /// Where it leads, for custom content.
    custom_url: Option<String>,
    /// From when.
    start_time: Option<Time>,
    /// Until when; at that instant it is over.
    end_time: Option<Time>,
    /// Greater goes first; 0 unless given.
    priority: Option<i32>,
    /// Where in the app; empty is anywhere.
    placement: Option<String>,
    /// How often a user should see it a day at most. Stored for whoever shows it, not enforced.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    daily_cap: Option<Option<u32>>,
    /// How often a user should see it at most. Stored for whoever shows it, not enforced.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    total_cap: Option<Option<u32>>,
    /// The version that a change is based on; a new delivery has none.
    version: Option<u64>,
    /// What to tell the approver, where a change needs one.
    comment: Option<String>,
}

/// A field that is there: null is something else than nothing.
#[expect(clippy::option_option, reason = "not there, null, or a value")]
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl DeliveryRequest {
    /// The version that a change is based on.
    pub(in super::super) fn version(&self) -> u64 {
        self.version.unwrap_or_default()
    }

    /// What to tell the approver.
    pub(in super::super) fn comment(&self) -> &str {
        self.comment.as_deref().unwrap_or_default()
    }

    /// What is given.
    pub(in super::super) fn of(&self) -> Result<DeliveryOf<'_>> {
        let target: Option<Result<_>> =
            self.target.as_ref().map(|Object(target)| Ok(target.segment("target")?.segment));
        let exclude = self.exclude.as_ref().map(|labels| {
            labels.iter().enumerate().map(|(at, label)| key(label, &format!("exclude[{at}]"))).collect()
        });
        let holdout = |holdout: &HoldoutBody| {
            Holdout::of_percents(&holdout.salt, holdout.from_percent, holdout.to_percent).map_err(Fault::from)
        };
        Ok(DeliveryOf {
            name: self.name.clone(),
            target: target.transpose()?,
            exclude: exclude.transpose()?,
            holdout: self
                .holdout
                .as_ref()
                .map(|given| given.as_ref().map(holdout).transpose())
                .transpose()?,
            content: ContentOf {
                is_task: self.content_type.map(|kind| kind == ContentType::OnchainTask),
                content_id: self.content_id.clone(),
                image: self.custom_image.clone(),
                url: self.custom_url.clone(),
            },
            start_us: self.start_time.map(Time::micros),
            end_us: self.end_time.map(Time::micros),
            priority: self.priority,
            placement: self.placement.clone(),
            daily_cap: self.daily_cap,
            total_cap: self.total_cap,
        })
    }
}

fn key(label: &LabelRefBody, field: &str) -> Result<LabelKey> {
    match (&label.label, label.label_id) {
        (Some(name), None) => Ok(LabelKey::Name(name.clone())),
        (None, Some(id)) => Ok(LabelKey::Id(id)),
        _ => Err(Fault::invalid(field, "give exactly one of label and label_id")),
    }
}

/// A step in a delivery's life.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct StepRequest {
    /// Why. Approving, rejecting and canceling need it.
    #[serde(default)]
    pub(in super::super) comment: String,
    /// The version that was seen; any unless given.
    pub(in super::super) version: Option<u64>,
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DeliveriesAnswer {
    /// The newest first.
    pub(in super::super) deliveries: Vec<DeliveryBody>,
    /// Where to go on; null at the end.
    pub(in super::super) next_page_token: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Default)]
pub(in super::super) struct DeliveriesOf {
    pub(in super::super) status: Option<String>,
    pub(in super::super) search: Option<String>,
    pub(in super::super) creator: Option<String>,
    pub(in super::super) waiting: Option<String>,
    pub(in super::super) page_size: Option<u64>,
    pub(in super::super) page_token: Option<String>,
}

impl DeliveriesOf {
    /// As the catalog takes it.
    pub(in super::super) fn filter(self) -> Result<DeliveryFilter> {
        /// Deliveries of a page at most.
        const PAGE_MAX: u64 = 1_000;
        let status = self.status.map(|name| {
            Status::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| {
                let known: Vec<&str> = Status::ALL.into_iter().map(Status::name).collect();
                Fault::invalid("status", format!("{name:?} is none; there are {}", known.join(", ")))
            })
        });
        let waiting = match self.waiting.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(Fault::invalid("waiting", format!("{other:?} is neither true nor false")));
            }
        };
        let page_size = self.page_size.unwrap_or_default();
        if page_size > PAGE_MAX {
            let what = format!("{page_size} is more than the limit of {PAGE_MAX} a page");
            return Err(Fault::invalid("page_size", what));
        }
        Ok(DeliveryFilter {
            status: status.transpose()?,
            search: self.search.unwrap_or_default(),
            creator: self.creator,
            waiting,
            page_size: page_size as u32,
            page_token: self.page_token.unwrap_or_default(),
        })
    }
}

/// What was asked for about a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ApprovalsAnswer {
    /// The oldest first.
    pub(in super::super) approvals: Vec<ApprovalBody>,
}

/// Whom a delivery reaches.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ReachAnswer {
    /// Users of the target.
    target: u64,
    /// Users who would see it: of the target, without exclusions and holdout.
    reach: u64,
    /// Users in all.
    universe: u64,
    /// `reach` as a share of all users.
    share: f64,
    /// Live deliveries that reach some of the same users in the same place at the same time, those with the most first.
    shared: Vec<SharedReach>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

/// A live delivery that reaches some of the same users.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SharedReach {
    /// Its number.
    id: u64,
    /// Its name.
    name: String,
    /// Its priority.
    priority: i32,
    /// Users whom both reach.
    users: u64,
}

impl From<Reach> for ReachAnswer {
    fn from(reach: Reach) -> Self {
        let shared = reach.shared.iter().map(|(other, users)| SharedReach {
            id: other.id,
            name: other.body.name.clone(),
            priority: other.body.priority,
            users: *users,
        });
        Self {
            target: reach.target,
            reach: reach.reach,
            universe: reach.origin.universe,
            share: super::share(reach.reach, reach.origin.universe),
            shared: shared.collect(),
            generation: reach.origin.generation,
            as_of: Time::of(reach.origin.as_of),
        }
    }
}

/// What a user should see now.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct MatchedDeliveries {
    /// By priority.
    deliveries: Vec<DeliveryBody>,
    /// Whether the user is in the generation at all.
    known_user: bool,
    /// Whether the user opted out of targeting, and so sees none.
    opted_out: bool,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

impl From<Matched<std::sync::Arc<Delivery>>> for MatchedDeliveries {
    fn from(matched: Matched<std::sync::Arc<Delivery>>) -> Self {
        let now_us = matched.now_us;
        let met = matched.met.into_iter();
        Self {
            deliveries: met.map(|delivery| (&Stored::at(delivery, now_us)).into()).collect(),
            known_user: matched.known_user,
            opted_out: matched.opted_out,
            generation: matched.origin.generation,
            as_of: Time::of(matched.origin.as_of),
        }
    }
}

/// Labels that hold for a user.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct MatchedLabels {
    /// Enabled labels that the caller may see, by number.
    labels: Vec<MatchedLabel>,
    /// Whether the user is in the generation at all.
    known_user: bool,
    /// Whether the user opted out of targeting, and so has none.
    opted_out: bool,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

/// A label that holds for a user.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct MatchedLabel {
    /// Its number.
    id: u64,
    /// Its name.
    name: String,
}

impl From<Matched<(u64, String)>> for MatchedLabels {
    fn from(matched: Matched<(u64, String)>) -> Self {
        Self {
            labels: matched.met.into_iter().map(|(id, name)| MatchedLabel { id, name }).collect(),
            known_user: matched.known_user,
            opted_out: matched.opted_out,
            generation: matched.origin.generation,
            as_of: Time::of(matched.origin.as_of),
        }
    }
}
