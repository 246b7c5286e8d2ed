//! One user's features, drawn from the user's own random numbers.
//!
//! A latent activity (a standard normal) drives everything that measures engagement or wealth; see
//! `docs/population.md` for the distributions.

use super::random::{Random, exp2};

const DAY: i64 = 86_400;

/// The platform's first day, 2021-01-01: nobody registered earlier.
pub(crate) const LAUNCH: i64 = 1_609_459_200;
/// The oldest on-chain activity, 2015-08-01.
const FIRST_CHAIN_DAY: i64 = 1_438_387_200;

/// Order of `User::proofs`, as the columns stand.
pub(crate) const PROOFS: [&str; 10] = [
    "has_poh",
    "has_zkme",
    "has_babt",
    "has_galxe_passport",
    "has_binance_kyc",
    "has_okx_kyc",
    "has_coinbase_kyc",
    "has_bybit_kyc",
    "has_gate_kyc",
    "has_kucoin_kyc",
];

/// How many of the proofs are not exchange KYC: the exchanges follow them, in the order of their expiry columns.
pub(crate) const PROOFS_WITHOUT_EXPIRY: usize = 4;

/// Share of average users with each proof (`has_poh` is added to by the next three).
const PROOF_SHARES: [f64; 10] = [0.012, 0.025, 0.035, 0.06, 0.045, 0.028, 0.012, 0.014, 0.008, 0.006];

/// What the draw of every user of a population depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Users in the population.
    pub(crate) users: u64,
    /// Seed of the population.
    pub(crate) seed: u64,
    /// "Now" of the population, Unix seconds.
    pub(crate) reference: i64,
}

/// Everything about a user but the JSON columns, which are written while drawn.
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) register_time: i64,
    pub(crate) last_active_time: i64,
    /// twitter, discord, telegram, email
    pub(crate) bound: [bool; 4],
    pub(crate) wallet_count: u8,
    pub(crate) proofs: [bool; 10],
    pub(crate) expiries: [Option<i64>; 6],
    /// What users without a wallet don't have.
    pub(crate) chain: Option<Chain>,
    pub(crate) bot_warning: bool,
    /// high velocity, timed, continuous, funding network
    pub(crate) patterns: [bool; 4],
    pub(crate) actions_total: u32,
    pub(crate) actions_30d: u32,
    pub(crate) actions_7d: u32,
    pub(crate) quests_total: u32,
    pub(crate) tasks_total: u32,
    pub(crate) quests_completed: u32,
    pub(crate) communities: u16,
    pub(crate) data_update_time: i64,
    /// The latent factor.
    pub(crate) activity: f64,
}

/// The scalar chain features.
pub(crate) struct Chain {
    pub(crate) first_activity_time: i64,
    pub(crate) tx_count: u32,
    pub(crate) balance_usd: f64,
    pub(crate) tx_value_usd: f64,
    /// thirdwave, nft holder, onchain participation
    pub(crate) scores: [u8; 3],
}

/// Ids ascend with gaps: every eight users share ten ids, and which two are skipped is random. The first id of
/// a group is never skipped, so the first user is always 1,000,001.
pub(crate) fn user_id(seed: u64, index: u64) -> u64 {
    let (group, place) = (index / 8, index % 8);
    let mut random = Random::new(seed, 1, group);
    let first = 1 + random.below(9);
    let second = 1 + (first + random.below(8)) % 9;
    let (low, high) = (first.min(second), first.max(second));
    let mut slot = place;
    slot += u64::from(slot >= low);
    slot += u64::from(slot >= high);
    1_000_001 + group * 10 + slot
}

fn cents(dollars: f64) -> f64 {
    (dollars * 100.0) as u64 as f64 / 100.0
}

fn whole(value: f64, most: u32) -> u32 {
    value.max(0.0).min(f64::from(most)) as u32
}

fn score(value: f64) -> u8 {
    value.clamp(0.0, 100.0) as u8
}

impl User {
    /// User number `index`; `random` must be fresh, and stands where the JSON columns' draws begin afterwards.
    pub(crate) fn draw(frame: &Frame, index: u64, random: &mut Random) -> Self {
        let activity = random.normal();
        let has_wallet = 0.6 * activity + 0.8 * random.normal() > -0.6745;
        let bot = random.chance(0.035);

        // Sign-ups grow with time: the first quarter of the users took three eighths of the platform's life.
        let place = (index as f64 + random.unit()) / frame.users as f64;
        let span = (frame.reference - LAUNCH).max(DAY) as f64;
        let register_time = LAUNCH + (span * place.sqrt() * place.sqrt().sqrt()) as i64;
        let since_registered = (frame.reference - register_time).max(1) as f64;
        // Median idle time of an average user: six days; more active users are back sooner.
        let idle = exp2(18.98 - 1.5 * activity + 2.2 * random.normal());
        let idle = if idle < since_registered { idle } else { since_registered * random.unit() };
        let last_active_time = frame.reference - idle as i64;

        let bound = [0.72, 0.55, 0.42, 0.6]
            .map(|share: f64| random.chance((share + 0.12 * activity).clamp(0.03, 0.97)));

        let eager = exp2(0.7 * activity).min(8.0);
        let mut proofs = PROOF_SHARES.map(|share| random.chance(share * eager));
        proofs[0] |= proofs[1] || proofs[2] && random.chance(0.8) || proofs[3] && random.chance(0.5);
        let expiries = std::array::from_fn(|exchange| {
            let flagged = proofs[PROOFS_WITHOUT_EXPIRY + exchange];
            // A few had a KYC that ran out and lost the flag; of the flagged, a part has run out unnoticed.
            let lapsed = !flagged && random.chance(0.004 * eager);
            let within = (if flagged { 365 + 90 } else { 365 }) * DAY;
            let back = if flagged { 90 } else { 400 } * DAY;
            (flagged || lapsed).then(|| frame.reference - back + random.below(within as u64) as i64)
        });

        let patterns = if bot {
            [0.7, 0.45, 0.4, 0.35].map(|share| random.chance(share))
        } else {
            [0.02 * eager, 0.015, 0.02 * eager, 0.006].map(|share| random.chance(share))
        };
        // Velocity alone raises the warning for one in eight.
        let bot_warning = bot && random.chance(0.9) || patterns[0] && random.chance(0.125);

        let wallet_count = if has_wallet {
            1 + random.run(if bot { 0.85 } else { 0.3 + 0.04 * activity }, 39) as u8
        } else {
            0
        };
        let chain = has_wallet.then(|| Chain::draw(frame, activity, bot, register_time, random));

        let actions = exp2(3.2 + 1.9 * activity + 0.9 * random.normal()) - 0.8;
        let actions_total = whole(actions, 50_000_000);
        let fresh_month = (1.0 - idle / (30 * DAY) as f64).max(0.0);
        let fresh_week = (1.0 - idle / (7 * DAY) as f64).max(0.0);
        let actions_30d =
            whole(f64::from(actions_total) * fresh_month * (0.1 + 0.5 * random.unit()), u32::MAX);
        let actions_7d = whole(f64::from(actions_30d) * fresh_week * (0.2 + 0.6 * random.unit()), u32::MAX);
        let quests = exp2(2.4 + 1.5 * activity + 0.8 * random.normal()) - 0.7;
        let quests_total = whole(quests, 1_000_000);
        let tasks_total = whole(f64::from(quests_total) * (1.2 + 2.5 * random.unit()), u32::MAX);
        let quests_completed = whole(f64::from(quests_total) * (0.35 + 0.65 * random.unit()), quests_total);
        let communities = whole(exp2(1.2 + 0.9 * activity + 0.6 * random.normal()) - 0.6, 5_000) as u16;

        // Refreshed in the last night, between 05:00 and 05:20; one row in forty is some nights older.
        let nights = if random.chance(0.025) { 1 + random.below(14) as i64 } else { 0 };
        let night = (frame.reference - 5 * 3600 - 1).div_euclid(DAY) - nights;
        let data_update_time = night * DAY + 5 * 3600 + random.below(1200) as i64;

        Self {
            id: user_id(frame.seed, index),
            register_time,
            last_active_time,
            bound,
            wallet_count,
            proofs,
            expiries,
            chain,
            bot_warning,
            patterns,
            actions_total,
            actions_30d,
            actions_7d,
            quests_total,
            tasks_total,
            quests_completed,
            communities,
            data_update_time,
            activity,
        }
    }
}

impl Chain {
    fn draw(frame: &Frame, activity: f64, bot: bool, register_time: i64, random: &mut Random) -> Self {
        // Most wallets are older than the account; none is older than the first chain or younger than now.
        let lead = exp2(24.0 + 0.8 * activity + 1.5 * random.normal()) as i64 - 30 * DAY;
        let first_activity_time = (register_time - lead).clamp(FIRST_CHAIN_DAY, frame.reference);
        let busy = exp2(4.6 + 2.1 * activity + 1.3 * random.normal()) * if bot { 6.0 } else { 1.0 };
        let tx_count = whole(busy + 1.0, 4_000_000_000);
        let wealth = exp2(5.6 + 2.8 * activity + 2.4 * random.normal());
        let balance_usd = if random.chance(0.06) { 0.0 } else { cents(wealth) };
        let tx_value_usd = cents(f64::from(tx_count) * exp2(4.4 + 0.8 * activity + 1.2 * random.normal()));
        let scores = [
            score(46.0 + 17.0 * activity + 9.0 * random.normal()),
            if random.chance(0.3) { 0 } else { score(30.0 + 15.0 * activity + 14.0 * random.normal()) },
            score(40.0 + 20.0 * activity + 8.0 * random.normal()),
        ];
        Self { first_activity_time, tx_count, balance_usd, tx_value_usd, scores }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_with_gaps() {
        let ids: Vec<u64> = (0..10_000).map(|index| user_id(42, index)).collect();
        assert_eq!(ids[0], 1_000_001);
        assert!(ids.windows(2).all(|w| w[0] < w[1]));
        let gaps = ids.windows(2).filter(|w| w[1] - w[0] > 1).count();
        assert!(gaps > 1_500 && ids[9_999] < 1_000_001 + 12_500, "{gaps} {}", ids[9_999]);
    }
}
