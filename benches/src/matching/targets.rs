//! Targets of deliveries: what labels are made of, often without somebody, and often for a part of those who are left.

use std::collections::HashSet;

use crate::labels::term;
use crate::random::Random;

/// Who is left out of a delivery.
const WITHOUT: [&str; 10] = [
    "bot_warning",
    "transaction_pattern_timed",
    "transaction_pattern_high_velocity",
    "has_poh",
    "has_zkme",
    "email_bound",
    "has(active_chains, 'solana')",
    "has(preferred_task_types, 'quiz')",
    "(has_binance_kyc OR has_okx_kyc)",
    "country IN ('US', 'CA')",
];
/// Experiments that run at the same time.
const EXPERIMENTS: usize = 40;
/// Percent that are held out.
const HELD_OUT: [u32; 4] = [5, 10, 20, 50];

/// Distinct rules of three to six terms; the same in every run.
pub(crate) fn rules(count: usize) -> Vec<String> {
    let mut random = Random::new(11);
    let (mut seen, mut rules) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    while rules.len() < count {
        let terms = 2 + random.below(3);
        let mut parts: Vec<String> = Vec::with_capacity(terms + 2);
        while parts.len() < terms {
            let term = term(&mut random);
            if !parts.contains(&term) {
                parts.push(term);
            }
        }
        // Either of two conditions will do for one in eight.
        if parts.len() > 2
            && random.below(8) == 0
            && let (Some(last), Some(other)) = (parts.pop(), parts.pop())
        {
            parts.push(format!("({other} OR {last})"));
        }
        let left_out = parts.len() < 3 || random.below(2) == 0;
        if left_out {
            parts.push(format!("NOT {}", random.one(&WITHOUT)));
        }
        if parts.len() < 3 || random.below(3) == 0 {
            let (salt, from) = (random.below(EXPERIMENTS), random.one(&HELD_OUT));
            parts.push(format!("bucket('experiment {salt}', {from}, 100)"));
        }
        let rule = parts.join(" AND ");
        if seen.insert(rule.clone()) {
            rules.push(rule);
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_distinct_and_always_the_same() {
        let some = rules(2_000);
        assert_eq!(some, rules(2_000));
        assert_eq!(some.iter().collect::<HashSet<_>>().len(), 2_000);
    }
}
