//! Whom a delivery reaches, and which live deliveries reach the same users: what its author wants to know before submitting it.

use std::sync::Arc;

use muster_catalog::delivery::{Body, Content, Delivery, LabelRef, NewDelivery, Segment as Wanted, Target};
use muster_catalog::label::LabelKey;
use muster_engine::execute::count_many;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;

use super::labels::now_us;
use super::{Ask, DeliveryOf, Origin, Service, side_by_side};
use crate::catalog::{Book, Live, meant};
use crate::fault::{Fault, Result};
use crate::generations::Generation;

/// Live deliveries that are compared, those of the greatest priority first.
const COMPARED_MAX: usize = 1_000;
/// Live deliveries that are told.
const TOLD_MAX: usize = 50;

/// Which delivery.
#[derive(Debug)]
pub(crate) enum ReachOf<'a> {
    /// A stored one.
    Stored(u64),
    /// What one might be.
    Written(Box<DeliveryOf<'a>>),
}

/// Whom a delivery reaches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reach {
    /// Users of the target.
    pub(crate) target: u64,
    /// Users of the target without exclusions and holdout.
    pub(crate) reach: u64,
    /// Live deliveries in the same place at the same time, those with the most users in common first.
    pub(crate) shared: Vec<(Arc<Delivery>, u64)>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// Whom a delivery reaches.
    pub(crate) async fn reach(self: &Arc<Self>, ask: &Ask, of: ReachOf<'_>) -> Result<Reach> {
        let shelf = Arc::clone(self.shelf()?);
        let (id, body) = match of {
            ReachOf::Stored(id) => (id, self.catalog()?.delivery(id).await?.body),
            ReachOf::Written(of) => (0, self.written(ask, *of).await?),
        };
        let generation = self.generation(ask).await?;
        let (origin, book) = (Origin::of(&generation, ask), self.book());
        let live = shelf.live();
        let service = Arc::clone(self);
        self.heavily(ask, move || service.reached(&generation, &book, &live, id, &body, origin)).await
    }

    /// The body of a delivery that is being written. What nobody needs to count may be missing.
    async fn written(self: &Arc<Self>, ask: &Ask, mut of: DeliveryOf<'_>) -> Result<Body> {
        let now_us = now_us();
        of.name.get_or_insert_default();
        of.start_us.get_or_insert(now_us);
        of.end_us.get_or_insert(i64::MAX);
        of.content.is_task = Some(true);
        of.content.content_id.get_or_insert_default();
        (of.content.image, of.content.url) = (None, None);
        let new = self.merged(ask, of, None).await?;
        body(&self.book(), ask, new)
    }

    fn reached(
        &self,
        generation: &Generation,
        book: &Book,
        live: &Live,
        id: u64,
        body: &Body,
        origin: Origin,
    ) -> Result<Reach> {
        let limits = &self.config.rules;
        let meant = |body: &Body| {
            meant(body, book, limits).map_err(|error| Fault::Rule { field: "target".into(), error })
        };
        let mine = meant(body)?;
        let (target, _) = meant(&Body { holdout: None, ..body.clone() })?;
        let others: Vec<_> = beside(id, body, live)
            .into_iter()
            .filter_map(|other| Some((other, meant(&other.body).ok()?)))
            .collect();
        let mut rules = vec![target];
        rules.extend(with_and_without(&mine, None));
        rules.extend(others.iter().flat_map(|(_, other)| with_and_without(&mine, Some(other))));
        let limits = side_by_side(limits);
        let counts = self
            .as_server(generation, book, |scope| {
                let scope = Scope { limits: &limits, ..*scope };
                count_many(generation.snapshot(), &rules, &scope)
            })
            .map_err(|error| Fault::of_query(error, "target"))?;
        let mut counts = counts.into_iter();
        let target = counts.next().unwrap_or(Ok(0)).map_err(|error| Fault::of_query(error, "target"))?;
        let mut next = || -> Result<u64> {
            let mut one = || counts.next().unwrap_or(Ok(0)).map_err(|error| Fault::of_query(error, "target"));
            Ok(one()?.saturating_sub(one()?))
        };
        let reach = next()?;
        // One that cannot be counted reaches nobody either.
        let shared = others.into_iter().map(|(other, _)| (Arc::clone(other), next().unwrap_or_default()));
        let mut shared: Vec<_> = shared.filter(|(_, users)| *users > 0).collect();
        shared.sort_by_key(|(other, users)| (std::cmp::Reverse(*users), other.id));
        shared.truncate(TOLD_MAX);
        Ok(Reach { target, reach, shared, origin })
    }
}

/// Whom something means: a rule, and rules whose users are excepted.
type Meant = (Rule, Vec<Rule>);

/// Two rules: who is meant by all of these, and who of them is excepted by any. The difference of their counts is who is reached.
fn with_and_without(one: &Meant, other: Option<&Meant>) -> [Rule; 2] {
    let both: Vec<&Meant> = std::iter::once(one).chain(other).collect();
    let with = Rule::all(both.iter().map(|(rule, _)| rule.clone()).collect());
    let except = Rule::any(both.iter().flat_map(|(_, except)| except.iter().cloned()).collect());
    [with.clone(), Rule::all(vec![with, except])]
}

/// Live deliveries that are shown in the same place at some of the same time, those of the greatest priority first.
fn beside<'a>(id: u64, body: &Body, live: &'a Live) -> Vec<&'a Arc<Delivery>> {
    let place = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
    let mut beside: Vec<&Arc<Delivery>> = live
        .all()
        .filter(|other| other.id != id)
        .filter(|other| place(&body.placement, &other.body.placement))
        .filter(|other| other.body.start_us < body.end_us && body.start_us < other.body.end_us)
        .collect();
    beside.sort_unstable_by_key(|other| (std::cmp::Reverse(other.body.priority), other.id));
    beside.truncate(COMPARED_MAX);
    beside
}

/// What a delivery would be stored as, with its labels looked up.
fn body(book: &Book, ask: &Ask, new: NewDelivery) -> Result<Body> {
    let label = |key: LabelKey, field: &str| {
        let (entry, named) = match &key {
            LabelKey::Id(id) => (book.by_id(*id, &ask.caller), id.to_string()),
            LabelKey::Name(name) => (book.by_name(name, &ask.caller), format!("`{name}`")),
        };
        let label = &Book::usable(entry, field, &named)?.label;
        Ok(LabelRef { id: label.id, name: label.name.clone() })
    };
    Ok(Body {
        name: new.name,
        target: match new.target {
            Wanted::Label(key) => Target::Label(label(key, "target")?),
            Wanted::Rule(rule) => Target::Rule(rule.to_string()),
        },
        exclude: new.exclude.into_iter().map(|key| label(key, "exclude")).collect::<Result<_>>()?,
        holdout: new.holdout,
        content: Content::OnchainTask { content_id: String::new() },
        start_us: new.start_us,
        end_us: new.end_us,
        priority: new.priority,
        placement: new.placement,
        daily_cap: None,
        total_cap: None,
    })
}
