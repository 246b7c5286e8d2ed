//! The population's JSON columns: what a user holds, where, with which addresses, and prefers to do.

use super::json::{TextBuilder, address, decimal, quoted};
use super::names;
use super::random::{Random, exp2};
use super::user::User;
use super::zipf::Ranked;

/// Most ERC-20 tokens one user holds.
const TOKENS_MAX: usize = 48;

/// The vocabularies and how often each word is chosen. Built once per population.
pub(crate) struct Vocabulary {
    pub(crate) countries: Words,
    pub(crate) sources: Words,
    tokens: Words,
    native_tokens: Words,
    chains: Words,
    task_types: Words,
}

/// Ranked words.
pub(crate) struct Words {
    names: Vec<String>,
    ranked: Ranked,
}

impl Words {
    fn new(names: Vec<String>, flatten: f64, quarters: u32) -> Self {
        let ranked = Ranked::new(names.len(), flatten, quarters);
        Self { names, ranked }
    }

    fn list(words: &str, flatten: f64, quarters: u32) -> Self {
        Self::new(words.split_whitespace().map(str::to_owned).collect(), flatten, quarters)
    }

    /// A word, the first the most likely.
    pub(crate) fn pick(&self, random: &mut Random) -> &[u8] {
        self.names[self.ranked.pick(random)].as_bytes()
    }
}

impl Vocabulary {
    /// All lists of [`names`] with their laws.
    pub(crate) fn new() -> Self {
        Self {
            countries: Words::list(names::COUNTRIES, 1.0, 1),
            sources: Words::list(names::DATA_SOURCES, -0.7, 4),
            tokens: Words::new(names::tokens(), 1.0, 0),
            native_tokens: Words::list(names::NATIVE_TOKENS, 0.0, 1),
            chains: Words::list(names::CHAINS, 0.5, 0),
            task_types: Words::list(names::TASK_TYPES, 0.5, 0),
        }
    }

    /// `{"USDT":12.5,...}`; one wallet in twelve holds nothing: `{}`.
    pub(crate) fn erc20(&self, user: &User, random: &mut Random, out: &mut TextBuilder) {
        let more = (0.66 + 0.1 * user.activity).clamp(0.2, 0.95);
        let count = if random.chance(0.08) { 0 } else { 1 + random.run(more, TOKENS_MAX - 1) };
        holdings(&self.tokens, count, user.activity, random, out);
    }

    /// `{"ETH":0.25,...}`.
    pub(crate) fn native(&self, user: &User, random: &mut Random, out: &mut TextBuilder) {
        let count = 1 + random.run((0.4 + 0.1 * user.activity).clamp(0.1, 0.8), 9);
        holdings(&self.native_tokens, count, user.activity, random, out);
    }

    /// `["ethereum","base"]`; one wallet in fifty is on no known chain: `[]`.
    pub(crate) fn chains(&self, user: &User, random: &mut Random, out: &mut TextBuilder) {
        let typical = exp2(0.9 + 0.75 * user.activity + 0.4 * random.normal()).min(20.0) as usize;
        let count = if random.chance(0.02) { 0 } else { typical.max(1) };
        words(&self.chains, count, random, out);
    }

    /// `["swap","quiz"]`.
    pub(crate) fn task_types(&self, random: &mut Random, out: &mut TextBuilder) {
        words(&self.task_types, 1 + random.run(0.55, 7), random, out);
    }
}

/// `["0x...",...]`, one address a wallet.
pub(crate) fn wallets(user: &User, random: &mut Random, out: &mut TextBuilder) {
    out.bytes.push(b'[');
    for wallet in 0..user.wallet_count {
        if wallet > 0 {
            out.bytes.push(b',');
        }
        out.bytes.push(b'"');
        address(&mut out.bytes, [random.bits(), random.bits(), random.bits()]);
        out.bytes.push(b'"');
    }
    out.bytes.push(b']');
    out.end_value();
}

/// An object of `count` draws from `vocabulary`; a word drawn twice stands once.
fn holdings(vocabulary: &Words, count: usize, activity: f64, random: &mut Random, out: &mut TextBuilder) {
    let mut held = [0_usize; TOKENS_MAX];
    let mut distinct = 0;
    out.bytes.push(b'{');
    for _ in 0..count.min(TOKENS_MAX) {
        let token = vocabulary.ranked.pick(random);
        if held[..distinct].contains(&token) {
            continue;
        }
        if distinct > 0 {
            out.bytes.push(b',');
        }
        held[distinct] = token;
        distinct += 1;
        quoted(&mut out.bytes, vocabulary.names[token].as_bytes());
        out.bytes.push(b':');
        // People hold round amounts, cents or dust: as many decimals as that takes.
        let amount = exp2(6.0 + 1.6 * activity + 3.2 * random.normal());
        let (decimals, scale) = [(0, 1.0), (2, 1e2), (4, 1e4), (6, 1e6)][random.below(4) as usize];
        decimal(&mut out.bytes, (amount * scale) as u64, decimals);
    }
    out.bytes.push(b'}');
    out.end_value();
}

/// An array of `count` draws from at most 32 words; a word drawn twice stands once.
fn words(vocabulary: &Words, count: usize, random: &mut Random, out: &mut TextBuilder) {
    let mut drawn = 0_u32;
    out.bytes.push(b'[');
    for _ in 0..count {
        let word = vocabulary.ranked.pick(random);
        if drawn >> word & 1 == 1 {
            continue;
        }
        if drawn != 0 {
            out.bytes.push(b',');
        }
        drawn |= 1 << word;
        quoted(&mut out.bytes, vocabulary.names[word].as_bytes());
    }
    out.bytes.push(b']');
    out.end_value();
}
