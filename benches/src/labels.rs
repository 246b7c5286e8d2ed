//! The nightly refresh: fifteen thousand labels that ops could have made, most of whose conditions are shared.

use std::collections::HashSet;

use anyhow::Result;

use crate::measure::timed;
use crate::muster::{self, Muster};
use crate::random::Random;
use crate::results::Results;
use crate::run::Pools;

/// How many labels.
pub(crate) const LABELS: usize = 15_000;

const FLAGS: [&str; 18] = [
    "twitter_bound",
    "discord_bound",
    "telegram_bound",
    "email_bound",
    "has_poh",
    "has_zkme",
    "has_babt",
    "has_galxe_passport",
    "has_binance_kyc",
    "has_okx_kyc",
    "has_coinbase_kyc",
    "has_bybit_kyc",
    "NOT bot_warning",
    "NOT transaction_pattern_timed",
    "NOT transaction_pattern_high_velocity",
    "NOT has_poh",
    "balance_usd IS NOT NULL",
    "(has_binance_kyc OR has_okx_kyc OR has_coinbase_kyc OR has_bybit_kyc)",
];
const COUNTRIES: [&str; 16] =
    ["CN", "IN", "VN", "NG", "ID", "RU", "US", "UA", "TR", "BR", "KR", "JP", "GB", "DE", "FR", "TW"];
const REGIONS: [&str; 6] = [
    "'US', 'CA'",
    "'GB', 'DE', 'FR', 'ES', 'IT', 'PL', 'NL'",
    "'KR', 'JP', 'TW', 'HK', 'SG'",
    "'VN', 'ID', 'TH', 'MY', 'PH'",
    "'BR', 'AR', 'MX', 'CO', 'VE'",
    "'AE', 'SA', 'EG', 'TR'",
];
const CHAINS: [&str; 12] = [
    "ethereum",
    "bsc",
    "polygon",
    "arbitrum",
    "base",
    "optimism",
    "solana",
    "avalanche",
    "zksync",
    "linea",
    "scroll",
    "blast",
];
const TOKENS: [&str; 16] = [
    "USDT", "USDC", "WETH", "DAI", "SHIB", "PEPE", "LINK", "UNI", "WBTC", "ARB", "MATIC", "OP", "LDO", "APE",
    "BLUR", "AAVE",
];
const TASKS: [&str; 6] = ["twitter_follow", "discord_join", "quiz", "swap", "bridge", "mint_nft"];
/// Columns of numbers and the thresholds that people choose.
const RANGES: [(&str, &[u32]); 9] = [
    ("balance_usd", &[1, 10, 50, 100, 500, 1_000, 5_000, 10_000]),
    ("total_tx_count", &[1, 5, 10, 50, 100, 500]),
    ("total_tx_value_usd", &[100, 1_000, 10_000, 100_000]),
    ("thirdwave_wallet_score", &[30, 50, 60, 70, 80]),
    ("nft_holder_score", &[20, 40, 60, 80]),
    ("onchain_action_30d", &[1, 3, 5, 10, 30]),
    ("quest_completed", &[1, 3, 5, 10, 20, 50]),
    ("onchain_quest_total", &[1, 5, 10, 50]),
    ("community_count", &[1, 3, 5, 10]),
];
const DAYS: [u32; 7] = [1, 3, 7, 14, 30, 60, 90];

/// Distinct rules; the same in every run.
pub(crate) fn rules(count: usize) -> Vec<String> {
    let mut random = Random::new(9);
    let (mut seen, mut rules) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    while rules.len() < count {
        let terms = 2 + random.below(4);
        let mut parts: Vec<String> = Vec::with_capacity(terms);
        while parts.len() < terms {
            let term = term(&mut random);
            if !parts.contains(&term) {
                parts.push(term);
            }
        }
        // One label in eight lets users in by either of its last two conditions.
        if random.below(8) == 0
            && let (Some(last), Some(other)) = (parts.pop(), parts.pop())
        {
            parts.push(format!("({other} OR {last})"));
        }
        let rule = parts.join(" AND ");
        if seen.insert(rule.clone()) {
            rules.push(rule);
        }
    }
    rules
}

/// One condition.
pub(crate) fn term(random: &mut Random) -> String {
    match random.below(16) {
        0..5 => (*random.one(&FLAGS)).to_owned(),
        5..9 => {
            let (column, thresholds) = random.one(&RANGES);
            format!("{column} >= {}", random.one(thresholds))
        }
        9 => format!("country = '{}'", random.one(&COUNTRIES)),
        10 => format!("country IN ({})", random.one(&REGIONS)),
        11 => format!("has(active_chains, '{}')", random.one(&CHAINS)),
        12 => {
            format!("erc20_token_holdings['{}'] >= {}", random.one(&TOKENS), random.one(&[1, 10, 100, 1_000]))
        }
        13 => format!("has(preferred_task_types, '{}')", random.one(&TASKS)),
        14 => format!("register_time >= now() - INTERVAL {} DAY", random.one(&DAYS)),
        _ => format!("last_active_time >= now() - INTERVAL {} DAY", random.one(&DAYS)),
    }
}

/// Refreshes all labels, on one thread and on all.
pub(crate) fn measure(muster: &Muster, pools: &Pools, results: &mut Results) -> Result<()> {
    let rules = rules(LABELS);
    let at = ("labels", muster.users());
    let mut first: Option<Vec<u64>> = None;
    for (threads, pool) in pools.each() {
        let (nanos, counts) = timed(|| pool.install(|| muster.counts(&rules)));
        let counts = counts?;
        anyhow::ensure!(first.as_ref().is_none_or(|first| *first == counts), "labels count differently");
        results.add(at, "refresh", (muster::NAME, threads), "seconds", nanos / 1e9);
        first = Some(counts);
    }
    results.add(at, "refresh", (muster::NAME, 0), "labels", rules.len() as f64);
    let users: u64 = first.iter().flatten().sum();
    results.add(at, "refresh", (muster::NAME, 0), "users_in_labels", users as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct_and_always_the_same() {
        let some = rules(2_000);
        assert_eq!(some, rules(2_000));
        assert_eq!(some.iter().collect::<HashSet<_>>().len(), 2_000);
    }
}
