//! Heavy questions that took long: logged with their rules and plans, so that somebody can do something about them.
//!
//! The plan is told with what it expected; running each node again to see what it found would take longer than the question did.
//! Rules that name users by id are not written into the log, and neither is the part of a plan that does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use muster_engine::execute::Audience;

use super::Service;

/// Rules of one question that are logged; the others are counted.
const RULES_MAX: usize = 3;
/// Characters of a rule that are logged.
const RULE_CHARACTERS: usize = 2_000;
/// Operations of a plan that are logged.
const OPERATIONS_MAX: usize = 60;

impl Service {
    /// Does what the engine has to do for a question about some audiences, and logs it if that takes longer than
    /// `serve.slow_rule_ms`. Whether it was ended at its deadline makes no difference: that one is worth a look, too.
    pub(super) fn evaluated<T>(&self, audiences: &[&Audience], work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed();
        let most = Duration::from_millis(self.config.slow_rule_ms);
        if !most.is_zero() && took > most {
            self.generations.tallies().slow.fetch_add(1, Ordering::Relaxed);
            if let Some(held_back) = self.slow.line() {
                tell(audiences, took, held_back);
            }
        }
        result
    }
}

fn tell(audiences: &[&Audience], took: Duration, held_back: u64) {
    let generation = audiences.first().map(|audience| audience.snapshot().generation());
    let mut rules: Vec<String> = audiences.iter().take(RULES_MAX).map(|audience| rule(audience)).collect();
    if let Some(more) = audiences.len().checked_sub(RULES_MAX + 1) {
        rules.push(format!("and {} more", more + 1));
    }
    let plans = audiences.iter().take(RULES_MAX);
    let plans: Vec<String> = plans.map(|audience| audience.plan_in_words(OPERATIONS_MAX)).collect();
    tracing::warn!(
        milliseconds = took.as_millis() as u64,
        generation,
        rule = rules.join("; "),
        plan = plans.join("; "),
        held_back = (held_back > 0).then_some(held_back),
        "a question was slow"
    );
}

/// The rule as text, or that it names users.
fn rule(audience: &Audience) -> String {
    if audience.rule().columns().contains(&*audience.snapshot().schema().user_id) {
        return "(a rule that names users)".to_owned();
    }
    let text = audience.rule().to_string();
    match text.char_indices().nth(RULE_CHARACTERS) {
        Some((end, _)) => format!("{} ... ({} bytes in all)", &text[..end], text.len()),
        None => text,
    }
}
