//! Any JSON is a rule or an error; a rule survives every form it can take.
#![no_main]

mod forms;

use libfuzzer_sys::fuzz_target;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;

fuzz_target!(|text: &str| {
    let schema = forms::schema();
    if let Ok(rule) = Rule::from_json(text, &schema, &Limits::default()) {
        forms::check(&rule, &schema);
    }
});
