//! Deliveries: what is shown to whom, when, and who has to agree to it.
//!
//! How a delivery stands follows from what is stored and from the clock; no job moves it. A change of a live delivery is a
//! request: the live one goes on as it is until somebody else approves.

pub(crate) mod check;
pub(crate) mod edit;
mod find;
pub(crate) mod rename;
pub(crate) mod rows;
mod status;
mod step;

use muster_engine::rule::ast::Rule;
use serde::{Deserialize, Serialize};

pub use self::find::{DeliveryFilter, Live};
pub use self::status::{State, Status};
use crate::error::{Error, Result};
use crate::label::LabelKey;

/// A delivery as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// What is shown to whom, when.
    pub body: Body,
    /// How far it has come; [`Delivery::status_at`] tells how it stands.
    pub state: State,
    /// What somebody asks for and nobody has decided on yet.
    pub open: Option<Approval>,
    /// Who made it.
    pub creator: String,
    /// Goes up with every change, that of a request included.
    pub version: u64,
    /// When it was made.
    pub created_us: i64,
    /// When it was changed last.
    pub updated_us: i64,
    /// Who changed it last.
    pub updated_by: String,
}

/// What a delivery shows to whom, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Its name; others may have the same.
    pub name: String,
    /// Who sees it.
    pub target: Target,
    /// Labels whose users do not see it.
    pub exclude: Vec<LabelRef>,
    /// Users who do not see it, so that its effect can be measured.
    pub holdout: Option<Holdout>,
    /// What is shown.
    pub content: Content,
    /// From when, in microseconds since 1970.
    pub start_us: i64,
    /// Until when; at that instant it is over.
    pub end_us: i64,
    /// Greater goes first.
    pub priority: i32,
    /// Where in the app; empty is anywhere.
    pub placement: String,
    /// How often a user should see it a day at most. Stored, not enforced.
    pub daily_cap: Option<u32>,
    /// How often a user should see it at most. Stored, not enforced.
    pub total_cap: Option<u32>,
}

/// Who sees a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The users of a label.
    Label(LabelRef),
    /// The users of a rule: canonical text.
    Rule(String),
}

/// A label that a delivery names. When the label is gone, its last name is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LabelRef {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// The users whose stable hash with a salt falls into a range, as `bucket` in rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdout {
    /// Another salt is an independent draw.
    pub salt: String,
    /// Lower end in hundredths of a percent, included.
    pub low: u32,
    /// Upper end in hundredths of a percent, excluded; at most 10,000.
    pub high: u32,
}

impl Holdout {
    /// The range between two percentages, of which hundredths count.
    pub fn of_percents(salt: &str, from: f64, to: f64) -> Result<Self> {
        let hundredths = |percent: f64| {
            let of = (percent * 100.0).round();
            let is_whole = (percent * 100.0 - of).abs() < 1e-6;
            (is_whole && (0.0..=10_000.0).contains(&of)).then_some(of as u32)
        };
        let (Some(low), Some(high)) = (hundredths(from), hundredths(to)) else {
            let what = format!("{from} to {to} is not within 0 to 100 percent, in steps of 0.01");
            return Err(Error::invalid("holdout", what));
        };
        Ok(Self { salt: salt.to_owned(), low, high })
    }
}

/// What a delivery shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A task of the platform.
    OnchainTask {
        /// Which.
        content_id: String,
    },
    /// An image with a link.
    Custom {
        /// The image.
        image: String,
        /// Where it leads.
        url: String,
    },
}

/// What a delivery is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Its name.
    pub name: String,
    /// Who sees it.
    pub target: Segment,
    /// Labels whose users do not see it.
    pub exclude: Vec<LabelKey>,
    /// Users who do not see it.
    pub holdout: Option<Holdout>,
    /// What is shown.
    pub content: Content,
    /// From when, in microseconds since 1970.
    pub start_us: i64,
    /// Until when.
    pub end_us: i64,
    /// Greater goes first.
    pub priority: i32,
    /// Where in the app; empty is anywhere.
    pub placement: String,
    /// How often a user should see it a day at most.
    pub daily_cap: Option<u32>,
    /// How often a user should see it at most.
    pub total_cap: Option<u32>,
}

/// Who is to see a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// The users of a label.
    Label(LabelKey),
    /// The users of a rule, read from text or JSON by the caller.
    Rule(Rule),
}

/// Something that needs somebody else's approval, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number.
    pub id: u64,
    /// What is asked for.
    pub kind: ApprovalKind,
    /// For an edit: what the delivery is to become; for a creation: what it was when it was submitted.
    pub body: Option<Body>,
    /// Who asks.
    pub requester: String,
    /// When it was asked for.
    pub requested_us: i64,
    /// Why.
    pub comment: String,
    /// What was decided; none while it waits.
    pub decision: Option<Decision>,
}

/// What needs an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// That a delivery goes live.
    Create,
    /// That a live delivery becomes another.
    Edit,
    /// That a live delivery ends before its time.
    Cancel,
}

/// A decision on what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// By whom.
    pub by: String,
    /// When.
    pub at_us: i64,
    /// Why.
    pub comment: String,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was approved, and has happened.
    Approved,
    /// It was rejected.
    Rejected,
    /// Who asked took it back.
    Withdrawn,
}
