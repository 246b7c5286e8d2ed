//! Random steps on a delivery beside a small model: the same steps are refused, the rest leads to the same state.

use muster_catalog::delivery::{Delivery, NewDelivery, Status};
use muster_catalog::{Caller, Catalog, Error, Settings};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{HOUR, NOW, on_both, open, wanted};

on_both!(random_steps_lead_where_the_model_says);

/// What somebody tries.
#[derive(Debug, Clone)]
enum Step {
    Submit(usize),
    Approve(usize),
    Reject(usize),
    Withdraw(usize),
    Cancel(usize),
    /// Somebody gives it these times, in hours, and this priority.
    Edit(usize, i64, i64, i32),
    /// Hours go by.
    Wait(i64),
}

const PEOPLE: [&str; 3] = ["ann", "bob", "cem"];

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        3 => who.clone().prop_map(Step::Submit),
        4 => who.clone().prop_map(Step::Approve),
        2 => who.clone().prop_map(Step::Reject),
        1 => who.clone().prop_map(Step::Withdraw),
        2 => who.clone().prop_map(Step::Cancel),
        3 => (who, -1i64..12, 1i64..8, 0i32..3)
            .prop_map(|(who, from, hours, priority)| Step::Edit(who, from, hours, priority)),
        3 => (0i64..4).prop_map(Step::Wait),
    ]
}

/// What a delivery is, without words: times in hours since the first one.
#[derive(Debug, Clone)]
struct Model {
    /// How it stands by what people did.
    stage: &'static str,
    shown: Shown,
    /// Who asks for what.
    asked: Option<(usize, Asked)>,
    hour: i64,
    version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    from: i64,
    until: i64,
    priority: i32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    Create,
    Edit(Shown),
    Cancel,
}

impl Model {
    fn status(&self) -> &'static str {
        let over = self.hour >= self.shown.until;
        match (self.stage, over) {
            ("pending", true) => "expired",
            ("approved", true) => "ended",
            ("approved", false) => {
                if self.hour >= self.shown.from {
                    "ongoing"
                } else {
                    "upcoming"
                }
            }
            (stage, _) => stage,
        }
    }

    fn is_live(&self) -> bool {
        matches!(self.status(), "upcoming" | "ongoing")
    }

    /// Takes a step, or leaves everything as it is and says so.
    fn take(&mut self, step: &Step) -> bool {
        let mut next = self.clone();
        let taken = next.try_take(step);
        if taken {
            *self = next;
            self.version += u64::from(!matches!(step, Step::Wait(_)));
        }
        taken
    }

    fn try_take(&mut self, step: &Step) -> bool {
        let writable = matches!(self.status(), "draft" | "unpass");
        match *step {
            Step::Wait(hours) => {
                self.hour += hours;
                true
            }
            Step::Submit(who) => {
                if !writable || self.hour >= self.shown.until {
                    return false;
                }
                self.stage = "pending";
                self.asked = Some((who, Asked::Create));
                true
            }
            Step::Edit(who, from, hours, priority) => {
                let shown = Shown { from, until: from + hours, priority };
                if writable {
                    self.shown = shown;
                    return true;
                }
                if !self.is_live() || self.asked.is_some() || shown == self.shown || shown.until <= self.hour
                {
                    return false;
                }
                self.asked = Some((who, Asked::Edit(shown)));
                true
            }
            Step::Cancel(who) => {
                if !self.is_live() || self.asked.is_some() {
                    return false;
                }
                self.asked = Some((who, Asked::Cancel));
                true
            }
            Step::Approve(who) | Step::Reject(who) | Step::Withdraw(who) => {
                let Some((requester, asked)) = self.asked else { return false };
                if matches!(step, Step::Withdraw(_)) != (requester == who) {
                    return false;
                }
                self.asked = None;
                self.decide(step, asked)
            }
        }
    }

    fn decide(&mut self, step: &Step, asked: Asked) -> bool {
        match (asked, step) {
            (Asked::Create, _) if self.status() != "pending" => return false,
            (Asked::Create, Step::Approve(_)) => self.stage = "approved",
            (Asked::Create, Step::Reject(_)) => self.stage = "unpass",
            (Asked::Create, _) => self.stage = "draft",
            (_, Step::Reject(_) | Step::Withdraw(_)) => {}
            (_, _) if !self.is_live() => return false,
            (Asked::Cancel, _) => self.stage = "canceled",
            (Asked::Edit(shown), _) if shown.until <= self.hour => return false,
            (Asked::Edit(shown), _) => self.shown = shown,
        }
        true
    }
}

fn as_wanted(shown: Shown) -> NewDelivery {
    let mut new = wanted("modelled");
    new.start_us = NOW + shown.from * HOUR;
    new.end_us = NOW + shown.until * HOUR;
    new.priority = shown.priority;
    new
}

async fn take(catalog: &Catalog, at: &Delivery, step: &Step, now: i64) -> Option<Result<Delivery, Error>> {
    let person = |who: usize| Caller::new(PEOPLE[who]);
    let version = Some(at.version);
    Some(match *step {
        Step::Wait(_) => return None,
        Step::Submit(who) => catalog.submit_delivery(&person(who), at.id, version, "", now).await,
        Step::Approve(who) => catalog.approve_delivery(&person(who), at.id, version, "yes", now).await,
        Step::Reject(who) => catalog.reject_delivery(&person(who), at.id, version, "no", now).await,
        Step::Withdraw(who) => catalog.withdraw_delivery(&person(who), at.id, version, "", now).await,
        Step::Cancel(who) => catalog.cancel_delivery(&person(who), at.id, None, "", now).await,
        Step::Edit(who, from, hours, priority) => {
            let new = as_wanted(Shown { from, until: from + hours, priority });
            catalog.update_delivery(&person(who), at.id, at.version, &new, "", now).await
        }
    })
}

async fn random_steps_lead_where_the_model_says(settings: Settings) {
    /// Deliveries and steps of each.
    const DELIVERIES: usize = 100;
    let catalog = open(&settings).await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..25);
    let mut reached = std::collections::BTreeSet::new();
    for at in 0..DELIVERIES {
        let mut steps = steps.new_tree(&mut runner).unwrap().current();
        if at % 10 == 0 {
            // Seldom reached by chance: nobody decides in time, and then everybody tries something.
            steps.splice(..0, [Step::Submit(0), Step::Wait(6)]);
        }
        let shown = Shown { from: 1, until: 5, priority: 0 };
        let mut model = Model { stage: "draft", shown, asked: None, hour: 0, version: 1 };
        let mut real = catalog.create_delivery(&Caller::new("ann"), &as_wanted(shown), NOW).await.unwrap();
        for (at, step) in steps.iter().enumerate() {
            let told = || format!("step {at} of {steps:?}: {model:?}");
            let now = NOW + model.hour * HOUR;
            let before = model.clone();
            let outcome = take(&catalog, &real, step, now).await;
            let mut after = model.clone();
            let taken = after.take(step);
            match outcome {
                None => {}
                Some(Ok(next)) => {
                    assert!(taken, "it was allowed: {}", told());
                    real = next;
                }
                Some(Err(Error::NotAllowed { .. } | Error::SelfApproval { .. } | Error::Invalid { .. })) => {
                    assert!(!taken, "it was refused: {}", told());
                    assert_eq!(before.version, real.version);
                }
                Some(Err(other)) => panic!("{other}: {}", told()),
            }
            model = after;
            let now = NOW + model.hour * HOUR;
            let stored = catalog.delivery(real.id).await.unwrap();
            assert_eq!(stored, real);
            assert_eq!(stored.status_at(now).name(), model.status(), "{model:?}");
            assert_eq!(stored.version, model.version);
            assert_eq!(stored.body.start_us, NOW + model.shown.from * HOUR);
            assert_eq!(stored.body.priority, model.shown.priority);
            let requester = stored.open.as_ref().map(|open| open.requester.as_str());
            assert_eq!(requester, model.asked.map(|(who, _)| PEOPLE[who]));
            let live = catalog.live(now).await.unwrap().deliveries;
            assert_eq!(live.iter().any(|delivery| delivery.id == real.id), model.is_live());
            reached.insert(model.status());
        }
    }
    assert_eq!(reached.len(), Status::ALL.len(), "{reached:?}");
    catalog.verify().await.unwrap();
}
