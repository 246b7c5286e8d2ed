//! Deliveries: made, changed, decided on, listed. The catalog says what holds; here is who may, and that users see it.

use std::sync::Arc;

use muster_catalog::delivery::{
    Approval, Body, Content, Delivery, DeliveryFilter, Holdout, NewDelivery, Segment as Wanted, Status,
    Target,
};
use muster_catalog::label::LabelKey;
use muster_catalog::{Catalog, Page as Found};

use super::labels::{RuleOf, editor, now_us};
use super::{Ask, Segment, Service};
use crate::caller::Role;
use crate::fault::{Fault, Result};

/// What a delivery is to be, as far as it is said. What may be taken away is given as nothing.
#[derive(Debug, Clone, Default)]
#[expect(clippy::option_option, reason = "not said, taken away, or said")]
pub(crate) struct DeliveryOf<'a> {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Who sees it.
    pub(crate) target: Option<Segment<'a>>,
    /// Labels whose users do not.
    pub(crate) exclude: Option<Vec<LabelKey>>,
    /// Users who do not, so that its effect can be measured.
    pub(crate) holdout: Option<Option<Holdout>>,
    /// What is shown.
    pub(crate) content: ContentOf,
    /// From when, in microseconds.
    pub(crate) start_us: Option<i64>,
    /// Until when.
    pub(crate) end_us: Option<i64>,
    /// Greater goes first.
    pub(crate) priority: Option<i32>,
    /// Where in the app.
    pub(crate) placement: Option<String>,
    /// How often a user should see it a day at most.
    pub(crate) daily_cap: Option<Option<u32>>,
    /// How often a user should see it at most.
    pub(crate) total_cap: Option<Option<u32>>,
}

/// What a delivery shows, as far as it is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentOf {
    /// Whether it is a task; else an image with a link.
    pub(crate) is_task: Option<bool>,
    /// Which task.
    pub(crate) content_id: Option<String>,
    /// The image.
    pub(crate) image: Option<String>,
    /// Where it leads.
    pub(crate) url: Option<String>,
}

/// A step in a delivery's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Asks for approval.
    Submit,
    /// Approves what another person asked for.
    Approve,
    /// Rejects it.
    Reject,
    /// Asks to end it before its time.
    Cancel,
    /// Takes back what one asked for oneself.
    Withdraw,
}

/// A delivery, and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// It.
    pub(crate) delivery: Arc<Delivery>,
    /// How it stands.
    pub(crate) status: Status,
}

impl Stored {
    /// A delivery at an instant.
    pub(crate) fn at(delivery: impl Into<Arc<Delivery>>, now_us: i64) -> Self {
        let delivery = delivery.into();
        Self { status: delivery.status_at(now_us), delivery }
    }
}

impl Service {
    /// A delivery.
    pub(crate) async fn delivery(&self, id: u64) -> Result<Stored> {
        Ok(Stored::at(self.catalog()?.delivery(id).await?, now_us()))
    }

    /// Deliveries, page by page.
    pub(crate) async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Found<Stored>> {
        let now_us = now_us();
        let page = self.catalog()?.deliveries(filter, now_us).await?;
        let items = page.items.into_iter().map(|delivery| Stored::at(delivery, now_us)).collect();
        Ok(Found { items, next_page_token: page.next_page_token })
    }

    /// All deliveries that are shown now, the greatest priority first.
    pub(crate) fn active_deliveries(&self) -> Result<Vec<Stored>> {
        let (live, now_us) = (self.shelf()?.live(), now_us());
        Ok(live
            .ongoing(now_us)
            .into_iter()
            .map(|delivery| Stored::at(Arc::clone(delivery), now_us))
            .collect())
    }

    /// What was asked for about a delivery, and what was decided.
    pub(crate) async fn approvals(&self, id: u64) -> Result<Vec<Approval>> {
        Ok(self.catalog()?.approvals(id).await?)
    }

    /// Makes a draft.
    pub(crate) async fn create_delivery(self: &Arc<Self>, ask: &Ask, of: DeliveryOf<'_>) -> Result<Stored> {
        let catalog = self.catalog_for_editing(ask, "making a delivery")?;
        let new = self.merged(ask, of, None).await?;
        let now_us = now_us();
        let made = catalog.create_delivery(&editor(ask), &new, now_us).await?;
        Ok(Stored::at(made, now_us))
    }

    /// Changes a delivery that is at a version; what is not said stays. Of a live one the change is asked for.
    pub(crate) async fn update_delivery(
        self: &Arc<Self>,
        ask: &Ask,
        id: u64,
        version: u64,
        of: DeliveryOf<'_>,
        comment: &str,
    ) -> Result<Stored> {
        let catalog = self.catalog_for_editing(ask, "changing a delivery")?;
        if version == 0 {
            let what = "it is missing; give the version that the change is based on, as reading the delivery tells it";
            return Err(Fault::invalid("version", what));
        }
        let before = catalog.delivery(id).await?;
        let new = self.merged(ask, of, Some(&before.body)).await?;
        let now_us = now_us();
        let changed = catalog.update_delivery(&editor(ask), id, version, &new, comment, now_us).await?;
        self.see_deliveries().await?;
        Ok(Stored::at(changed, now_us))
    }

    /// Removes a draft or a rejected delivery; version 0 is any.
    pub(crate) async fn delete_delivery(&self, ask: &Ask, id: u64, version: u64) -> Result<()> {
        let catalog = self.catalog_for_editing(ask, "removing a delivery")?;
        Ok(catalog.delete_delivery(&editor(ask), id, some(version), now_us()).await?)
    }

    /// Takes a delivery a step further; version 0 is any. When it is answered, users see what follows.
    pub(crate) async fn step(
        &self,
        ask: &Ask,
        step: Step,
        id: u64,
        version: u64,
        comment: &str,
    ) -> Result<Stored> {
        let catalog = self.catalog()?;
        ask.caller.needs(step.role(), step.what())?;
        let now_us = now_us();
        let after = step.take(&catalog, &editor(ask), id, some(version), comment, now_us).await?;
        self.see_deliveries().await?;
        Ok(Stored::at(after, now_us))
    }

    /// Reads what was changed, and waits until users see it.
    async fn see_deliveries(&self) -> Result<()> {
        self.shelf()?.look_again().await;
        self.until_matched().await;
        Ok(())
    }

    /// What a delivery is to be: what is said, and for the rest what it was before, if it was there before.
    pub(super) async fn merged(
        self: &Arc<Self>,
        ask: &Ask,
        of: DeliveryOf<'_>,
        before: Option<&Body>,
    ) -> Result<NewDelivery> {
        let target = match (of.target, before) {
            (Some(segment), _) => self.wanted(ask, segment).await?,
            (None, Some(before)) => match &before.target {
                Target::Label(label) => Wanted::Label(LabelKey::Id(label.id)),
                Target::Rule(text) => Wanted::Rule(self.tree(ask, RuleOf::Text(text), "target").await?),
            },
            (None, None) => return Err(missing("target", "say who sees the delivery")),
        };
        let kept = before.map(|before| before.exclude.iter().map(|label| LabelKey::Id(label.id)).collect());
        Ok(NewDelivery {
            name: given(of.name, before.map(|before| &before.name), "name", "give the delivery a name")?,
            target,
            exclude: of.exclude.or(kept).unwrap_or_default(),
            holdout: of.holdout.unwrap_or_else(|| before.and_then(|before| before.holdout.clone())),
            content: of.content.merged(before.map(|before| &before.content))?,
            start_us: given(
                of.start_us,
                before.map(|before| &before.start_us),
                "start_time",
                "say when it begins",
            )?,
            end_us: given(of.end_us, before.map(|before| &before.end_us), "end_time", "say when it ends")?,
            priority: of.priority.or(before.map(|before| before.priority)).unwrap_or_default(),
            placement: of.placement.or(before.map(|before| before.placement.clone())).unwrap_or_default(),
            daily_cap: of.daily_cap.unwrap_or_else(|| before.and_then(|before| before.daily_cap)),
            total_cap: of.total_cap.unwrap_or_else(|| before.and_then(|before| before.total_cap)),
        })
    }

    async fn wanted(self: &Arc<Self>, ask: &Ask, segment: Segment<'_>) -> Result<Wanted> {
        Ok(match segment {
            Segment::LabelId(id) => Wanted::Label(LabelKey::Id(id)),
            Segment::Label(name) => Wanted::Label(LabelKey::Name(name.to_owned())),
            Segment::Rule(text) => Wanted::Rule(self.tree(ask, RuleOf::Text(text), "target").await?),
            Segment::Json(text) => Wanted::Rule(self.tree(ask, RuleOf::Json(text), "target").await?),
        })
    }
}

impl ContentOf {
    /// What is shown: what is said, and for the rest what was shown before, if that was of the same kind.
    fn merged(self, before: Option<&Content>) -> Result<Content> {
        let Self { is_task, content_id, image, url } = self;
        let (was_task, was) = match before {
            Some(Content::OnchainTask { content_id }) => (Some(true), [Some(content_id), None, None]),
            Some(Content::Custom { image, url }) => (Some(false), [None, Some(image), Some(url)]),
            None => (None, [None; 3]),
        };
        let is_task = is_task.or(was_task);
        let is_task = is_task.ok_or_else(|| missing("content_type", "it is onchain_task or custom"))?;
        let odd = if is_task {
            [("custom_image", &image), ("custom_url", &url)]
        } else {
            [("content_id", &content_id); 2]
        };
        if let Some((field, _)) =
            odd.into_iter().find(|(_, value)| value.as_ref().is_some_and(|text| !text.is_empty()))
        {
            let kind = if is_task { "onchain_task" } else { "custom" };
            return Err(Fault::invalid(field, format!("content of the type {kind} has none; leave it out")));
        }
        let [was_id, was_image, was_url] = was;
        Ok(if is_task {
            Content::OnchainTask { content_id: given(content_id, was_id, "content_id", "say which task")? }
        } else {
            let image = given(image, was_image, "custom_image", "give the image's address")?;
            Content::Custom { image, url: given(url, was_url, "custom_url", "say where it leads")? }
        })
    }
}

impl Step {
    /// Who may take it.
    fn role(self) -> Role {
        match self {
            Self::Approve | Self::Reject => Role::Approver,
            Self::Submit | Self::Cancel | Self::Withdraw => Role::Editor,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Submit => "submitting a delivery",
            Self::Approve => "approving a delivery",
            Self::Reject => "rejecting a delivery",
            Self::Cancel => "canceling a delivery",
            Self::Withdraw => "withdrawing a request",
        }
    }

    async fn take(
        self,
        catalog: &Catalog,
        by: &muster_catalog::Caller,
        id: u64,
        version: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> muster_catalog::Result<Delivery> {
        match self {
            Self::Submit => catalog.submit_delivery(by, id, version, comment, now_us).await,
            Self::Approve => catalog.approve_delivery(by, id, version, comment, now_us).await,
            Self::Reject => catalog.reject_delivery(by, id, version, comment, now_us).await,
            Self::Cancel => catalog.cancel_delivery(by, id, version, comment, now_us).await,
            Self::Withdraw => catalog.withdraw_delivery(by, id, version, comment, now_us).await,
        }
    }
}

/// A version that was given; 0 is none.
fn some(version: u64) -> Option<u64> {
    (version > 0).then_some(version)
}

fn missing(field: &'static str, what: &str) -> Fault {
    Fault::invalid(field, format!("it is missing; {what}"))
}

fn given<T: Clone>(said: Option<T>, before: Option<&T>, field: &'static str, what: &str) -> Result<T> {
    said.or_else(|| before.cloned()).ok_or_else(|| missing(field, what))
}
