//! How a delivery stands: a function of what is stored and of the clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Delivery;

/// How far a delivery has come, by what people did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being written.
    Draft,
    /// It was submitted.
    Pending,
    /// It was approved.
    Approved,
    /// It was rejected.
    Unpass,
    /// It was ended before its time.
    Canceled,
}

/// How a delivery stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
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

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Draft, Self::Pending, Self::Approved, Self::Unpass, Self::Canceled];

    /// Its number in the table.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Draft => 0,
            Self::Pending => 1,
            Self::Approved => 2,
            Self::Unpass => 3,
            Self::Canceled => 4,
        }
    }
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::Pending,
        Self::Upcoming,
        Self::Ongoing,
        Self::Ended,
        Self::Unpass,
        Self::Expired,
        Self::Canceled,
    ];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Pending => "pending",
            Self::Upcoming => "upcoming",
            Self::Ongoing => "ongoing",
            Self::Ended => "ended",
            Self::Unpass => "unpass",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
        }
    }

    /// Whether it is or will be shown.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Upcoming | Self::Ongoing)
    }

    /// The condition on the table; `now` is a number and comes in as one.
    pub(super) fn condition(self, now_us: i64) -> String {
        match self {
            Self::Draft => "d.state = 0".to_owned(),
            Self::Pending => format!("d.state = 1 AND d.end_us > {now_us}"),
            Self::Expired => format!("d.state = 1 AND d.end_us <= {now_us}"),
            Self::Upcoming => format!("d.state = 2 AND d.start_us > {now_us}"),
            Self::Ongoing => format!("d.state = 2 AND d.start_us <= {now_us} AND d.end_us > {now_us}"),
            Self::Ended => format!("d.state = 2 AND d.end_us <= {now_us}"),
            Self::Unpass => "d.state = 3".to_owned(),
            Self::Canceled => "d.state = 4".to_owned(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Delivery {
    /// How it stands at this instant.
    pub fn status_at(&self, now_us: i64) -> Status {
        let is_over = now_us >= self.body.end_us;
        match self.state {
            State::Draft => Status::Draft,
            State::Unpass => Status::Unpass,
            State::Canceled => Status::Canceled,
            State::Pending if is_over => Status::Expired,
            State::Pending => Status::Pending,
            State::Approved if is_over => Status::Ended,
            State::Approved if now_us >= self.body.start_us => Status::Ongoing,
            State::Approved => Status::Upcoming,
        }
    }
}
