//! How Muster and a peer compare on the rules of a part: like with like.

use crate::measure::geometric_mean;
use crate::muster;
use crate::results::Results;

/// The peers in the order of tables: who, whether it is asked pure set rules only, on one thread only.
pub(crate) const PEERS: [(&str, bool, bool); 5] = [
    ("clickhouse", false, false),
    ("groupBitmap", true, false),
    ("duckdb", false, false),
    ("roaring", true, true),
    ("croaring", true, true),
];

/// What was measured with how many users, on how many threads.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// All of it.
    pub(crate) results: &'a Results,
    /// Which measurement.
    pub(crate) part: &'a str,
    /// How many users.
    pub(crate) users: u64,
    /// How many threads those have that can use several.
    pub(crate) threads: usize,
}

impl<'a> View<'a> {
    /// The cases, in order.
    pub(crate) fn cases(&self) -> Vec<&'a str> {
        self.results.cases(self.part, self.users)
    }

    /// A number of Muster's; `threads` of 0 is what does not depend on them.
    pub(crate) fn muster(&self, case: &str, threads: usize, metric: &str) -> Option<f64> {
        self.results.value((self.part, self.users), case, (muster::NAME, threads), metric)
    }

    /// A peer's median, in nanoseconds.
    pub(crate) fn peer(&self, case: &str, peer: &str) -> Option<f64> {
        let threads = if one_thread(peer) { 1 } else { self.threads };
        self.results.value((self.part, self.users), case, (peer, threads), "request_ns")
    }

    /// What of Muster's stands beside a peer: the whole request beside a server, which reads and plans too; the count of
    /// a planned rule on one thread beside a library.
    pub(crate) fn beside(&self, case: &str, peer: &str) -> Option<f64> {
        if one_thread(peer) {
            self.muster(case, 1, "count_ns")
        } else {
            self.muster(case, self.threads, "request_ns")
        }
    }

    /// How many times Muster's time the peer takes.
    pub(crate) fn ratio(&self, case: &str, peer: &str) -> Option<f64> {
        Some(self.peer(case, peer)? / self.beside(case, peer)?)
    }

    /// What a rule is made of.
    pub(crate) fn kind(&self, case: &str) -> &'a str {
        self.results.fact(&format!("kind/{}/{case}", self.part)).unwrap_or_default()
    }

    /// A rule's text.
    pub(crate) fn rule(&self, case: &str) -> &'a str {
        self.results.fact(&format!("rule/{}/{case}", self.part)).unwrap_or_default()
    }

    /// The ratios of the cases that the peer was asked, if they are of these kinds.
    pub(crate) fn ratios(&self, peer: &str, kinds: &[&str]) -> Ratios<'a> {
        let cases = self.cases().into_iter().filter(|case| kinds.contains(&self.kind(case)));
        Ratios(cases.filter_map(|case| Some((case, self.ratio(case, peer)?))).collect())
    }
}

/// Ratios by case.
pub(crate) struct Ratios<'a>(pub(crate) Vec<(&'a str, f64)>);

impl<'a> Ratios<'a> {
    /// Their geometric mean.
    pub(crate) fn mean(&self) -> Option<f64> {
        geometric_mean(self.0.iter().map(|(_, ratio)| *ratio))
    }

    /// The case where the peer is nearest, or ahead.
    pub(crate) fn worst(&self) -> Option<(&'a str, f64)> {
        self.0.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Whether a peer counts on one thread only.
pub(crate) fn one_thread(peer: &str) -> bool {
    PEERS.iter().any(|(name, _, one_thread)| *name == peer && *one_thread)
}
