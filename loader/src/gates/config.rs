//! What the gates are told: thresholds, floors, and the rules to count.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::verdict::Gate;
use crate::error::{LoadError, Result};

/// Keys of `[gates]`; the first [`GATE_VARIABLES`] of them are variables, too.
pub(crate) const GATE_KEYS: [&str; 12] = [
    "enabled",
    "change_max",
    "rows",
    "schema",
    "null_rate",
    "distinct",
    "malformed_json",
    "rule_counts",
    "rules_file",
    "rules",
    "floors",
    "columns",
];
/// How many of them can be set by a variable.
pub(crate) const GATE_VARIABLES: usize = 9;
/// Keys of `[gates.floors]`.
pub(crate) const FLOOR_KEYS: [&str; 5] = ["rows", "null_rate", "distinct", "malformed_json", "rule_counts"];
/// Keys of `[gates.columns.NAME]`.
pub(crate) const COLUMN_GATE_KEYS: [&str; 4] = ["change_max", "null_rate", "distinct", "malformed_json"];
/// Keys of a rule that is more than its text.
const RULE_KEYS: [&str; 4] = ["name", "rule", "change_max", "floor"];

/// What a build is compared by before it is published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct GateConfig {
    /// Whether anything is compared at all.
    pub enabled: bool,
    /// The threshold of all gates that have none of their own; 0.3 is 30 %.
    pub change_max: Threshold,
    /// Of the number of users.
    pub rows: Option<Threshold>,
    /// Whether a column that is gone, or has another type, trips.
    pub schema: bool,
    /// Of each column's share of users without a value.
    pub null_rate: Option<Threshold>,
    /// Of each column's distinct values.
    pub distinct: Option<Threshold>,
    /// Of each JSON column's share of texts that are not JSON of its kind.
    pub malformed_json: Option<Threshold>,
    /// Of each rule's number of users.
    pub rule_counts: Option<Threshold>,
    /// The rules to count.
    #[serde(deserialize_with = "rules")]
    pub rules: Vec<WatchedRule>,
    /// A file of more of them, one a line.
    pub rules_file: Option<PathBuf>,
    /// Differences below these never trip.
    pub floors: Floors,
    /// What is different for some columns.
    pub columns: BTreeMap<String, ColumnGates>,
}

/// How far something may move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// As far as it likes: nothing is compared.
    Off,
    /// By this share: 0.3 is 30 %.
    Share(f64),
}

/// Differences below these never trip, so that tiny numbers hold nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct Floors {
    /// Users of the table.
    pub rows: u64,
    /// Share of the table's users.
    pub null_rate: f64,
    /// Values.
    pub distinct: u64,
    /// Share of a column's texts.
    pub malformed_json: f64,
    /// Users of a rule.
    pub rule_counts: u64,
}

/// What is different for one column.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ColumnGates {
    /// The threshold of all its gates that have none of their own.
    pub change_max: Option<Threshold>,
    /// Of its share of users without a value.
    pub null_rate: Option<Threshold>,
    /// Of its distinct values.
    pub distinct: Option<Threshold>,
    /// Of its share of texts that are not JSON.
    pub malformed_json: Option<Threshold>,
}

/// A rule whose count is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedRule {
    /// What it is called in reports; its text unless said.
    pub name: String,
    /// The rule, as text or as a JSON tree.
    pub rule: String,
    /// Its own threshold.
    pub change_max: Option<Threshold>,
    /// Its own floor, in users.
    pub floor: Option<u64>,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            change_max: Threshold::Share(0.3),
            rows: None,
            schema: true,
            null_rate: None,
            distinct: None,
            malformed_json: None,
            rule_counts: None,
            rules: Vec::new(),
            rules_file: None,
            floors: Floors::default(),
            columns: BTreeMap::new(),
        }
    }
}

impl Default for Floors {
    fn default() -> Self {
        Self { rows: 10, null_rate: 0.005, distinct: 10, malformed_json: 0.005, rule_counts: 100 }
    }
}

impl GateConfig {
    /// The threshold of a gate, for a column where it is a column's. What is said for one column and one gate wins; a gate that is
    /// switched off stays off for a column that only changes its thresholds.
    pub fn threshold(&self, gate: Gate, column: Option<&str>) -> Threshold {
        let column = column.and_then(|name| self.columns.get(name));
        let (of_gate, of_column) = match gate {
            Gate::Rows => (self.rows, None),
            Gate::NullRate => (self.null_rate, column.and_then(|column| column.null_rate)),
            Gate::Distinct => (self.distinct, column.and_then(|column| column.distinct)),
            Gate::MalformedJson => (self.malformed_json, column.and_then(|column| column.malformed_json)),
            Gate::RuleCounts => (self.rule_counts, None),
            Gate::Schema | Gate::InService => (None, None),
        };
        let off = of_gate.filter(|threshold| *threshold == Threshold::Off);
        of_column
            .or(off)
            .or(column.and_then(|column| column.change_max))
            .or(of_gate)
            .unwrap_or(self.change_max)
    }

    /// All rules to count: those listed, then those of the file.
    pub(super) fn watched(&self) -> Result<Vec<WatchedRule>> {
        let mut rules = self.rules.clone();
        if let Some(file) = &self.rules_file {
            let text = std::fs::read_to_string(file).map_err(LoadError::io(file))?;
            let lines =
                text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
            rules.extend(lines.map(WatchedRule::of));
        }
        Ok(rules)
    }
}

impl WatchedRule {
    /// A rule with nothing special about it.
    pub fn of(rule: &str) -> Self {
        Self { name: rule.to_owned(), rule: rule.to_owned(), change_max: None, floor: None }
    }
}

impl Threshold {
    /// What is meant by a number, or by nothing if it is no threshold.
    fn of(share: f64) -> Option<Self> {
        (share.is_finite() && share >= 0.0).then_some(Self::Share(share))
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give a share such as 0.3, which is 30 %, or false".to_owned();
        if text == "false" { Ok(Self::Off) } else { text.parse().ok().and_then(Self::of).ok_or_else(wrong) }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a share such as 0.3, which is 30 %, or false")]
        enum Written {
            Switch(bool),
            Share(f64),
        }
        let found = match Written::deserialize(deserializer)? {
            Written::Switch(on) => (!on).then_some(Self::Off),
            Written::Share(share) => Self::of(share),
        };
        found.ok_or_else(|| D::Error::custom("give a share such as 0.3, which is 30 %, or false"))
    }
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WatchedRule>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "a rule, or a table with `rule` and, if you like, `name`, `change_max` and `floor`"
    )]
    enum Written {
        Text(String),
        Table(BTreeMap<String, toml::Value>),
    }
    let written = Vec::<Written>::deserialize(deserializer)?;
    let rule = |written: Written| match written {
        Written::Text(text) => Ok(WatchedRule::of(&text)),
        Written::Table(table) => from_table(table).map_err(D::Error::custom),
    };
    written.into_iter().map(rule).collect()
}

/// A rule with more than its text, as written.
#[derive(Deserialize)]
struct WrittenRule {
    rule: String,
    name: Option<String>,
    change_max: Option<Threshold>,
    floor: Option<u64>,
}

fn from_table(table: BTreeMap<String, toml::Value>) -> Result<WatchedRule, String> {
    if let Some(key) = table.keys().find(|key| !RULE_KEYS.contains(&key.as_str())) {
        return Err(
            crate::config::unknown(&format!("gates.rules.{key}"), key, &RULE_KEYS, "the key").to_string()
        );
    }
    let table: toml::Table = table.into_iter().collect();
    let written: WrittenRule = table.try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let WrittenRule { rule, name, change_max, floor } = written;
    Ok(WatchedRule { name: name.unwrap_or_else(|| rule.clone()), rule, change_max, floor })
}
