//! What is asked of a snapshot that may hold anything: no answer matters, only that there is one or an error.

use std::sync::{Arc, OnceLock};

use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Snapshot;

/// Over the columns of the sample: every layout, as a leaf, a range, a search and inside a larger rule.
const RULES: [&str; 16] = [
    "flag AND maybe IS NULL",
    "NOT maybe OR f64 >= 3.5",
    "f64 BETWEEN -1 AND 2 AND flag",
    "f64 != 1 OR f64 IN (nan, 2.5)",
    "u64 > 40 AND u64 NOT IN (41, 42)",
    "i128 = 170141183460469231731687303715884105727 OR i128 < 0",
    "country LIKE 'U%' OR country ILIKE '%ö%'",
    "country IS NULL AND wallet < '0x03'",
    "wallet IN ('0x009e37', 'x') OR startsWith(wallet, '0x00')",
    "has(active_chains, 'base') AND NOT has(active_chains, 'x')",
    "length(active_chains) BETWEEN 1 AND 3",
    "hasAll(active_chains, ['base', 'bnb']) OR empty(active_chains)",
    "counts['a'] >= 3 OR mapContains(counts, 'b')",
    "f64 > u64 OR counts['b'] < u64",
    "at_least(2, flag, maybe, f64 < 0, u64 = 7)",
    "user_id > 1000100 AND user_id != 1000200 AND bucket('s', 0, 50)",
];

/// How many of them one input is asked: more inputs are worth more than all of them every time.
const ASKED: usize = 3;

/// Verifies, then asks some of the rules, which ones as `choice` says.
pub fn ask(snapshot: Snapshot, choice: usize) {
    static PARSED: OnceLock<Vec<Rule>> = OnceLock::new();
    let limits = Limits::default();
    let parse = |text: &str| Rule::parse(text, &limits).expect("these are rules");
    let rules = PARSED.get_or_init(|| RULES.iter().map(|text| parse(text)).collect());
    let _ = snapshot.verify(&|_| {});
    let snapshot = Arc::new(snapshot);
    let scope = Scope { now: 1_795_168_800, labels: &NoLabels, limits: &limits };
    for rule in rules.iter().cycle().skip(choice % RULES.len()).take(ASKED) {
        let Ok(audience) = Audience::new(&snapshot, rule, &scope) else { continue };
        let _ = audience.count();
        let _ = audience.check(1_000_000);
        for id in [0, 1_000_000, u64::MAX] {
            let _ = audience.contains(id);
        }
        if let Ok(members) = audience.members(None) {
            for batch in members {
                let _ = batch;
            }
        }
    }
}
