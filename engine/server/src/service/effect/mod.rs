//! What a change of a label would do before it is saved: to its own count, and to every label and delivery that depends on it.
//!
//! The change is tried in the catalog first, so that what saving would refuse is refused here in the same words. Then the rules of all
//! that depends on the label are expanded twice, with the label as it is and as it would be, and counted in one pass.

mod batch;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_catalog::Error;
use muster_catalog::delivery::{ApprovalKind, Body, Delivery, Status};
use muster_catalog::label::{LabelChange, LabelKey, LabelRule};
use muster_engine::rule::labels::names_in;

use super::labels::{editor, now_us};
use super::{Ask, LabelOf, Origin, Service};
use crate::caller::{Caller, Role};
use crate::catalog::{Book, sees};
use crate::fault::{Fault, Result};
use crate::generations::Generation;
use batch::Reckoning;
use view::Changed;

/// Users, or why they cannot be counted.
pub(crate) type Reckoned = std::result::Result<u64, String>;

/// What a change would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelEffects {
    /// To the label itself.
    pub(crate) label: Effect,
    /// To labels that use it, at any depth, by name.
    pub(crate) labels: Vec<Effect>,
    /// To deliveries that use it and that are live or wait for approval, by number.
    pub(crate) deliveries: Vec<DeliveryEffect>,
    /// How many more labels use it that the caller may not see.
    pub(crate) hidden: u64,
    /// Why the change could not be saved as things are.
    pub(crate) refusal: Option<String>,
    /// How long the engine took.
    pub(crate) elapsed: Duration,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// What a change would do to one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Its number.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// As it is.
    pub(crate) before: Reckoned,
    /// As it would be.
    pub(crate) after: Reckoned,
}

/// What a change would do to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryEffect {
    /// To whom it reaches.
    pub(crate) effect: Effect,
    /// Whether this is what waits for approval.
    pub(crate) waiting: bool,
}

/// What depends on a label.
struct Dependents {
    /// Labels that somebody sees, by name.
    labels: Vec<LabelRule>,
    /// How many more there are.
    hidden: u64,
    /// Deliveries as they are or would be, and whether they wait for approval.
    deliveries: Vec<(u64, Body, bool)>,
}

impl Service {
    /// What a change of a label that is at a version (0 is any) would do.
    pub(crate) async fn preview_label(
        self: &Arc<Self>,
        ask: &Ask,
        id: u64,
        version: u64,
        of: LabelOf<'_>,
    ) -> Result<LabelEffects> {
        let shelf = self.shelf.clone().ok_or_else(Fault::no_catalog)?;
        ask.caller.needs(Role::Editor, "previewing a change of a label")?;
        let (catalog, key) = (shelf.catalog()?, LabelKey::Id(id));
        // What was changed a moment ago counts as well.
        shelf.look_again().await;
        let label = catalog.label(&editor(ask), &key, now_us()).await?;
        let rule = match of.rule {
            Some(rule) => Some(self.tree(ask, rule, rule.field()).await?),
            None => None,
        };
        let change = LabelChange { rule, enabled: of.enabled, ..LabelChange::default() };
        let based_on = if version == 0 { label.version } else { version };
        let tried = catalog.try_update_label(&editor(ask), &key, based_on, &change, now_us()).await;
        let refusal = match tried {
            Ok(_) => None,
            // What uses it is what this is asked for.
            Err(error @ Error::InUse { .. }) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let generation = self.generation(ask).await?;
        let (book, origin) = (shelf.book(), Origin::of(&generation, ask));
        let Some(stored) = book.by_id(id, &ask.caller).map(|entry| entry.label.clone()) else {
            return Err(Book::unknown("id", &id.to_string()));
        };
        // Not here, where membership is answered: there may be many labels to look at.
        let (held, of) = (Arc::clone(&book), stored.clone());
        let labels = self.heavily(ask, move || Ok(above(&held, &of))).await?;
        let now_us = now_us();
        let ids: Vec<u64> = labels.iter().map(|label| label.id).chain([id]).collect();
        let deliveries = catalog.deliveries_of(&ids, now_us).await?;
        let deliveries = deliveries.into_iter().flat_map(|delivery| shown(delivery, now_us)).collect();
        let (labels, hidden): (Vec<_>, Vec<_>) =
            labels.into_iter().partition(|label| sees(&ask.caller, label));
        let dependents = Dependents { labels, hidden: hidden.len() as u64, deliveries };
        let service = Arc::clone(self);
        let work = move || {
            let begun = Instant::now();
            let effects = service.effects(&generation, &book, &stored, &change, dependents, origin)?;
            Ok(LabelEffects { refusal, elapsed: begun.elapsed(), ..effects })
        };
        self.heavily(ask, work).await
    }

    fn effects(
        &self,
        generation: &Generation,
        book: &Book,
        label: &LabelRule,
        change: &LabelChange,
        dependents: Dependents,
        origin: Origin,
    ) -> Result<LabelEffects> {
        let Dependents { labels, hidden, deliveries } = dependents;
        let server = Caller::server();
        let as_it_is = Changed::not(book.seen_by(&server), label);
        let as_it_would_be = Changed::to(book.seen_by(&server), label, change);
        let mut reckoning = Reckoning::new([&as_it_is, &as_it_would_be], book, &self.config.rules);
        // Whether it can be used makes no difference to whom it means.
        let itself = reckoning.label(label, change);
        let labels: Vec<_> = labels.iter().map(|label| (label, reckoning.rule_of(label))).collect();
        let deliveries: Vec<_> = deliveries
            .iter()
            .map(|(id, body, waiting)| (*id, body, *waiting, reckoning.delivery(body)))
            .collect();
        let counts = reckoning.count(generation.snapshot(), &book.lists(), origin.now)?;
        let effect = |id: u64, name: &str, asked| {
            let [before, after] = counts.of(asked);
            Effect { id, name: name.to_owned(), before, after }
        };
        Ok(LabelEffects {
            label: effect(label.id, &label.name, itself),
            labels: labels.into_iter().map(|(label, asked)| effect(label.id, &label.name, asked)).collect(),
            deliveries: deliveries
                .into_iter()
                .map(|(id, body, waiting, asked)| DeliveryEffect {
                    effect: effect(id, &body.name, asked),
                    waiting,
                })
                .collect(),
            hidden,
            refusal: None,
            elapsed: Duration::ZERO,
            origin,
        })
    }
}

/// The labels that use one, at any depth.
fn above(book: &Book, label: &LabelRule) -> Vec<LabelRule> {
    let mut users: HashMap<&str, Vec<&LabelRule>> = HashMap::new();
    for user in book.all() {
        for used in user.rule.iter().flat_map(names_in) {
            users.entry(used).or_default().push(user);
        }
    }
    let (mut found, mut seen, mut open) = (Vec::new(), HashSet::from([label.id]), vec![label.name.as_str()]);
    while let Some(name) = open.pop() {
        for user in users.get(name).into_iter().flatten() {
            if seen.insert(user.id) {
                found.push((*user).clone());
                open.push(&user.name);
            }
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What of a delivery is shown, or would be once somebody approves. A draft is nothing yet.
fn shown(delivery: Delivery, now_us: i64) -> Vec<(u64, Body, bool)> {
    let status = delivery.status_at(now_us);
    let Delivery { id, body, open, .. } = delivery;
    let wanted = open.filter(|open| open.kind == ApprovalKind::Edit).and_then(|open| open.body);
    match status {
        Status::Pending => vec![(id, body, true)],
        Status::Upcoming | Status::Ongoing => {
            let wanted = wanted.map(|wanted| (id, wanted, true));
            std::iter::once((id, body, false)).chain(wanted).collect()
        }
        _ => Vec::new(),
    }
}
