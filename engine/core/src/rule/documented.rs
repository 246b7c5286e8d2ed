//! Runs the examples of the rule language's description.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::ast::Rule;
use super::limits::Limits;
use super::sql::{SqlOptions, render};
use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};

const PAGE: &str = include_str!("../../../../docs/rule-language.md");

fn schema() -> Schema {
    use ScalarType::{Bool, DateTime, Float, String, UInt};
    let mut columns = Vec::new();
    let mut add = |name: &str, ty, nullable, held_as| {
        columns.push(ColumnSchema { name: name.to_owned(), ty, nullable, held_as });
    };
    let time = || ColumnType::Scalar(DateTime { zone: None });
    for flag in ["has_poh", "bot_warning", "has_zkme", "has_babt", "has_binance_kyc", "a_flag"] {
        add(flag, ColumnType::Scalar(Bool), false, HeldAs::Native);
    }
    for number in ["balance_usd", "total_tx_value_usd"] {
        add(number, ColumnType::Scalar(Float { bits: 64 }), true, HeldAs::Native);
    }
    for count in ["onchain_action_7d", "onchain_action_30d"] {
        add(count, ColumnType::Scalar(UInt { bits: 32 }), false, HeldAs::Native);
    }
    add("country", ColumnType::Scalar(String), false, HeldAs::Native);
    add("register_time", time(), false, HeldAs::Native);
    add("last_active_time", time(), false, HeldAs::Native);
    add("active_chains", ColumnType::Array(String), true, HeldAs::JsonArray);
    add("erc20_token_holdings", ColumnType::Map(Float { bits: 64 }), true, HeldAs::JsonMap);
    add("spend", ColumnType::Map(Float { bits: 64 }), false, HeldAs::Native);
    Schema { user_id: "user_id".to_owned(), time_zone: "UTC".to_owned(), columns }
}

/// The lines of all blocks of a kind, a paragraph at a time.
fn examples(kind: &str) -> Vec<Vec<&'static str>> {
    let fence = format!("```{kind}\n");
    PAGE.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .flat_map(|block| block.trim().split("\n\n"))
        .map(|paragraph| paragraph.lines().collect())
        .collect()
}

#[test]
fn the_forms_on_the_page_are_the_ones_in_use() {
    let limits = Limits::default();
    let labels =
        HashMap::from([("kyc_users".to_owned(), Rule::parse("has_poh OR has_zkme", &limits).unwrap())]);
    let options = SqlOptions { now: None, labels: &labels, limits: &limits };
    let mut wrong = Vec::new();
    let found = examples("forms");
    assert!(found.len() > 20);
    for example in found {
        let rule = example[0].strip_prefix("rule ").unwrap();
        let rule = Rule::parse(rule, &limits).unwrap_or_else(|error| panic!("{rule}: {error}"));
        for line in &example[1..] {
            let (form, written) = line.split_at(5);
            let actual = match form {
                "json " => {
                    let tree: Json = serde_json::from_str(written).unwrap();
                    let alone = json!({"combinator": "and", "not": false, "rules": [tree]});
                    assert_eq!(Rule::from_json(written, &schema(), &limits), Ok(rule.clone()), "{written}");
                    let own = rule.to_json().unwrap();
                    if own == tree || own == alone { written.to_owned() } else { own.to_string() }
                }
                "sql  " => render(&rule, &schema(), &options).unwrap(),
                _ => rule.to_string(),
            };
            if actual != written {
                wrong.push(format!("{line}\n{form}{actual}\n"));
            }
        }
    }
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_errors_on_the_page_are_the_ones_in_use() {
    for example in examples("errors") {
        let error = Rule::parse(example[0], &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), example[1], "of {}", example[0]);
    }
}
