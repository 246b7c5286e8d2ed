//! The forms of a rule: text, JSON, SQL.

use muster_engine::rule::ast::Rule;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{self, SqlOptions};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};

/// Text and JSON read back as the same rule, where the text still fits the limits.
pub fn check(rule: &Rule, schema: &Schema) {
    let limits = Limits::default();
    let text = rule.to_string();
    match Rule::parse(&text, &limits) {
        Ok(back) => assert_eq!(back, *rule, "{text}"),
        Err(error) => assert!(error.limit.is_some(), "{text}: {error}"),
    }
    // Most rules are about columns that are not there: an error is fine.
    let options = SqlOptions { now: Some(1_795_168_800), labels: &NoLabels, limits: &limits };
    let makes_sense = sql::render(rule, schema, &options).is_ok();
    // A tree is read against the schema, so only what makes sense there has to come back.
    if let (true, Ok(json)) = (makes_sense, rule.to_json()) {
        match Rule::from_json(&json.to_string(), schema, &limits) {
            Ok(back) => assert_eq!(back, *rule, "{json}"),
            Err(error) => assert!(error.limit.is_some(), "{json}: {error}"),
        }
    }
}

/// A column of each kind, under names that a fuzzer finds.
pub fn schema() -> Schema {
    let mut columns = Vec::new();
    let mut add = |name: &str, ty, held_as| {
        columns.push(ColumnSchema { name: name.into(), ty, nullable: true, held_as });
    };
    add("b", ColumnType::Scalar(ScalarType::Bool), HeldAs::Native);
    add("n", ColumnType::Scalar(ScalarType::Int { bits: 64 }), HeldAs::Native);
    add("f", ColumnType::Scalar(ScalarType::Float { bits: 64 }), HeldAs::Native);
    add("p", ColumnType::Scalar(ScalarType::Decimal { precision: 18, scale: 4 }), HeldAs::Native);
    add("d", ColumnType::Scalar(ScalarType::Date), HeldAs::Native);
    add("t", ColumnType::Scalar(ScalarType::DateTime { zone: None }), HeldAs::Native);
    add("s", ColumnType::Scalar(ScalarType::String), HeldAs::Native);
    add("e", ColumnType::Scalar(ScalarType::Enum), HeldAs::Native);
    add("u", ColumnType::Scalar(ScalarType::Uuid), HeldAs::Native);
    add("i", ColumnType::Scalar(ScalarType::Ipv4), HeldAs::Native);
    add("a", ColumnType::Array(ScalarType::String), HeldAs::JsonArray);
    add("l", ColumnType::Array(ScalarType::UInt { bits: 32 }), HeldAs::Native);
    add("m", ColumnType::Map(ScalarType::Float { bits: 64 }), HeldAs::JsonMap);
    Schema { user_id: "user_id".into(), time_zone: "Europe/Berlin".into(), columns }
}
