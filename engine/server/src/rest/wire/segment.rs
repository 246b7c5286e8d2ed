//! Requests about audiences: who is meant, and what to tell of them.

use std::collections::BTreeMap;

use muster_engine::execute::{Feature, Scale};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::read::Object;
use super::{Time, Value};
use crate::fault::{Fault, Result};
use crate::service::{Ask, Page, ProfileOf, Segment};

/// Where the service layer says a segment is, if there is one.
const SEGMENT: &str = "segment";

/// A segment, and the field that told it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct SegmentOf<'a> {
    /// Who is meant.
    pub(in super::super) segment: Segment<'a>,
    field: &'static str,
}

impl SegmentOf<'_> {
    /// Names the field of the request in a fault that is about the segment.
    pub(in super::super) fn place(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Rule { field, error } if field == SEGMENT => {
                Fault::Rule { field: self.field.to_owned(), error }
            }
            other => other,
        }
    }
}

/// The ways to tell a segment, of which exactly one is used.
struct Ways<'a> {
    rule: Option<&'a str>,
    rules: Option<&'a RawValue>,
    label: Option<&'a str>,
    label_id: Option<u64>,
}

impl<'a> Ways<'a> {
    fn one(self, field: &str) -> Result<SegmentOf<'a>> {
        let ways = [
            self.rule.map(|rule| SegmentOf { segment: Segment::Rule(rule), field: "rule" }),
            self.rules.map(|rules| SegmentOf { segment: Segment::Json(rules.get()), field: "rules" }),
            self.label.map(|label| SegmentOf { segment: Segment::Label(label), field: "label" }),
            self.label_id.map(|id| SegmentOf { segment: Segment::LabelId(id), field: "label_id" }),
        ];
        let mut given = ways.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(not_one(field, "none was given")),
            (Some(one), Some(other)) => {
                Err(not_one(field, &format!("{} and {} were given", one.field, other.field)))
            }
        }
    }
}

fn not_one(field: &str, found: &str) -> Fault {
    Fault::invalid(field, format!("give exactly one of rule, rules, label and label_id; {found}"))
}

/// A segment as parameters of a query.
pub(in super::super) struct SegmentParameters {
    /// A rule as text.
    pub(in super::super) rule: Option<String>,
    /// A rule as a tree.
    pub(in super::super) rules: Option<String>,
    /// A label's name.
    pub(in super::super) label: Option<String>,
    /// A label's number.
    pub(in super::super) label_id: Option<u64>,
}

impl SegmentParameters {
    /// Who is meant: everybody, if nothing was said.
    pub(in super::super) fn segment(&self) -> Result<SegmentOf<'_>> {
        let ways = Ways {
            rule: self.rule.as_deref(),
            rules: None,
            label: self.label.as_deref(),
            label_id: self.label_id,
        };
        match &self.rules {
            None if self.rule.is_none() && self.label.is_none() && self.label_id.is_none() => {
                Ok(SegmentOf { segment: Segment::Rule("true"), field: "rule" })
            }
            None => ways.one(SEGMENT),
            Some(rules) => match ways.one(SEGMENT) {
                Ok(other) => Err(not_one(SEGMENT, &format!("{} and rules were given", other.field))),
                Err(_) => Ok(SegmentOf { segment: Segment::Json(rules), field: "rules" }),
            },
        }
    }
}

/// Users, told by a label or by a rule: exactly one field is given.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Segment)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct SegmentBody {
    /// A rule as text: a ClickHouse `WHERE` expression over the feature columns.
    rule: Option<String>,
    /// A rule as the tree of a query builder.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    rules: Option<Box<RawValue>>,
    /// A label's name.
    label: Option<String>,
    /// A label's number.
    label_id: Option<u64>,
}

impl SegmentBody {
    /// Who is meant.
    pub(in super::super) fn segment(&self, field: &str) -> Result<SegmentOf<'_>> {
        let Self { rule, rules, label, label_id } = self;
        Ways { rule: rule.as_deref(), rules: rules.as_deref(), label: label.as_deref(), label_id: *label_id }
            .one(field)
    }
}

/// A request about one segment: the ways to tell it stand beside the other fields, or together in `segment`.
///
/// A macro, because serde cannot refuse unknown fields of a struct into which another one is flattened.
macro_rules! with_segment {
    ($(#[$about:meta])* $name:ident { $($rest:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(in super::super) struct $name {
            /// Whom, as a rule's text: a ClickHouse `WHERE` expression over the feature columns. Exactly one of `rule`, `rules`, `label`
            /// and `label_id` is given.
            #[schema(example = "country = 'US' AND has_poh")]
            rule: Option<String>,
            /// Whom, as the tree of a query builder.
            #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
            rules: Option<Box<RawValue>>,
            /// Whom, as a label's name.
            label: Option<String>,
            /// Whom, as a label's number.
            label_id: Option<u64>,
            /// Instead of these four: a segment as lists of segments have it.
            #[schema(value_type = Option<SegmentBody>)]
            segment: Option<Object<SegmentBody>>,
            /// What `now()` means; without it, the instant at which the generation's source was read.
            now: Option<Time>,
            /// Of this generation; without it, the one in service.
            generation: Option<u64>,
            $($rest)*
        }

        impl $name {
            /// Who is meant.
            pub(in super::super) fn segment(&self) -> Result<SegmentOf<'_>> {
                let Self { rule, rules, label, label_id, .. } = self;
                let ways = Ways {
                    rule: rule.as_deref(),
                    rules: rules.as_deref(),
                    label: label.as_deref(),
                    label_id: *label_id,
                };
                match &self.segment {
                    None => ways.one(SEGMENT),
                    Some(Object(segment)) => match ways.one(SEGMENT) {
                        Ok(other) => Err(not_one(SEGMENT, &format!("{} and segment were given", other.field))),
                        Err(_) => segment.segment(SEGMENT),
                    },
                }
            }

            /// The same question of another instant or generation.
            pub(in super::super) fn fix(&self, ask: &mut Ask) {
                ask.now = self.now.map(Time::seconds);
                ask.generation = self.generation.unwrap_or_default();
            }
        }
    };
}

with_segment! {
    /// Asks about an audience.
    AudienceRequest {}
}

with_segment! {
    /// Asks for an audience by the values of some columns.
    ProfileRequest {
        /// Columns, keys of maps as in `holdings['USDT']`, lengths as in `length(chains)`.
        columns: Vec<String>,
        /// At most so many values of each, most members first; 10 unless given.
        #[schema(minimum = 0, maximum = 10000)]
        top: Option<usize>,
        /// At most so many bins of number and time columns; 20 unless given.
        #[schema(minimum = 0, maximum = 1000)]
        bins: Option<usize>,
        /// How bins are laid out; `auto` unless given.
        scale: Option<BinScale>,
    }
}

/// How bins are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum BinScale {
    /// Whichever of the other two users spread over more.
    #[default]
    Auto,
    /// Of equal width; times by the calendar.
    Linear,
    /// By decades around zero; times by their age before `now()`.
    Log,
}

impl From<BinScale> for Scale {
    fn from(scale: BinScale) -> Self {
        match scale {
            BinScale::Auto => Self::Auto,
            BinScale::Linear => Self::Linear,
            BinScale::Log => Self::Log,
        }
    }
}

impl From<Scale> for BinScale {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::Auto => Self::Auto,
            Scale::Linear => Self::Linear,
            Scale::Log => Self::Log,
        }
    }
}

impl ProfileRequest {
    /// What to tell.
    pub(in super::super) fn of(&self) -> ProfileOf {
        ProfileOf {
            columns: self.columns.clone(),
            top: self.top.unwrap_or_default(),
            bins: self.bins.unwrap_or_default(),
            scale: self.scale.unwrap_or_default().into(),
        }
    }
}

with_segment! {
    /// Asks why a user is in a segment or not.
    ExplainRequest {
        /// The user.
        pub(in super::super) user_id: u64,
        /// Fresher values of this user's features, by column, or by key of a map column as in `holdings['USDT']`; they win over what is
        /// stored, in this answer only.
        #[serde(default)]
        overlay: BTreeMap<String, Value>,
    }
}

impl ExplainRequest {
    /// Fresher values, taken out.
    pub(in super::super) fn overlay(&mut self) -> Result<Vec<(String, Feature)>> {
        fresher(&mut self.overlay)
    }
}

with_segment! {
    /// Asks for members.
    MembersRequest {
        /// At most so many ids on one page; 1,000 unless given. Not for streams.
        #[schema(minimum = 0, maximum = 65536)]
        page_size: Option<u64>,
        /// Where an earlier answer ended: goes on from there, in the same generation.
        page_token: Option<String>,
        /// At most so many ids in a stream; all unless given. Not for pages.
        limit: Option<u64>,
    }
}

impl MembersRequest {
    /// Which page.
    pub(in super::super) fn page(&self) -> Result<Page> {
        if self.limit.is_some() {
            return Err(Fault::invalid(
                "limit",
                "it is of streams; give page_size, or `Accept: application/x-ndjson`",
            ));
        }
        Ok(Page { size: self.page_size.unwrap_or_default(), token: self.page_token.clone() })
    }

    /// Which members to stream.
    pub(in super::super) fn stream(&self) -> Result<crate::service::MembersOf> {
        if self.page_size.is_some() {
            return Err(Fault::invalid(
                "page_size",
                "it is of pages; give limit, or `Accept: application/json`",
            ));
        }
        Ok(crate::service::MembersOf {
            limit: self.limit.unwrap_or_default(),
            page_token: self.page_token.clone(),
        })
    }
}

with_segment! {
    /// Asks for an audience as a file.
    ExportRequest {
        /// Which kind of file.
        pub(in super::super) format: ExportFormat,
        /// With these columns, keys of maps as in `holdings['USDT']`, or lengths as in `length(chains)`; of `csv` and `jsonl`.
        #[serde(default)]
        pub(in super::super) columns: Vec<String>,
        /// At most so many users; all unless given.
        pub(in super::super) limit: Option<u64>,
    }
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum ExportFormat {
    /// An id a line.
    Ids,
    /// A table with a header: the id, then the columns. A missing value is an empty field; lists and maps are JSON.
    Csv,
    /// An object a line.
    Jsonl,
    /// Ids as a portable 64-bit Roaring bitmap.
    Roaring,
}

/// Asks what a user meets.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MatchRequest {
    /// Where in the app, for deliveries; anywhere unless given.
    #[serde(default)]
    pub(in super::super) placement: String,
    /// At most so many; all unless given.
    #[serde(default)]
    pub(in super::super) limit: usize,
    /// Fresher values of this user's features, by column, or by key of a map column as in `holdings['USDT']`; they win over what is
    /// stored, in this answer only.
    #[serde(default)]
    overlay: BTreeMap<String, Value>,
}

impl MatchRequest {
    /// Fresher values, taken out.
    pub(in super::super) fn overlay(&mut self) -> Result<Vec<(String, Feature)>> {
        fresher(&mut self.overlay)
    }
}

fn fresher(overlay: &mut BTreeMap<String, Value>) -> Result<Vec<(String, Feature)>> {
    let overlay = std::mem::take(overlay).into_iter();
    overlay.map(|(name, value)| value.feature(&name).map(|feature| (name, feature))).collect()
}

/// Asks how segments overlap.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct OverlapRequest {
    /// Two to fifty segments.
    #[schema(value_type = Vec<SegmentBody>, min_items = 2, max_items = 50)]
    segments: Vec<Object<SegmentBody>>,
    /// What `now()` means; without it, the instant at which the generation's source was read.
    now: Option<Time>,
    /// Of this generation; without it, the one in service.
    generation: Option<u64>,
}

impl OverlapRequest {
    /// Who is meant.
    pub(in super::super) fn segments(&self) -> impl ExactSizeIterator<Item = Result<Segment<'_>>> {
        let segments = self.segments.iter().enumerate();
        segments.map(|(at, Object(segment))| Ok(segment.segment(&format!("segments[{at}]"))?.segment))
    }

    /// The same question of another instant or generation.
    pub(in super::super) fn fix(&self, ask: &mut Ask) {
        ask.now = self.now.map(Time::seconds);
        ask.generation = self.generation.unwrap_or_default();
    }
}
