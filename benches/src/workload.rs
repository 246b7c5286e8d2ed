//! The workload: the rules that are measured, read from `workload.tsv`, and the sweeps made from them.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;

/// Names the committed rules.
const WORKLOAD: &str = include_str!("../workload.tsv");
/// How many rules a workload has: the targets are means over this many.
pub(crate) const RULES: usize = 50;

/// What a rule is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One stored bitmap, or its complement.
    Set,
    /// Several stored bitmaps, combined.
    Sets,
    /// Ranges, text tests, ids and the like, with or without stored bitmaps.
    Mixed,
}

impl Kind {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "set" => Self::Set,
            "sets" => Self::Sets,
            "mixed" => Self::Mixed,
            other => bail!("'{other}' is no kind of rule: set, sets or mixed"),
        })
    }

    /// As in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Sets => "sets",
            Self::Mixed => "mixed",
        }
    }

    /// Whether every leaf is a stored bitmap.
    pub(crate) fn is_pure(self) -> bool {
        self != Self::Mixed
    }
}

/// A rule under a name.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What tables call it.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) group: String,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// Its text.
    pub(crate) rule: String,
}

impl Case {
    fn new(name: String, group: &str, kind: Kind, rule: String) -> Self {
        Self { name, group: group.to_owned(), kind, rule }
    }
}

/// The rules and the labels that they use.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The rules, in the file's order.
    pub(crate) cases: Vec<Case>,
    /// What `label('...')` stands for.
    pub(crate) labels: HashMap<String, Rule>,
}

impl Workload {
    /// The committed one.
    pub(crate) fn committed() -> Result<Self> {
        let mut workload = Self { cases: Vec::with_capacity(RULES), labels: HashMap::new() };
        for line in WORKLOAD.lines().filter(|line| !line.starts_with('#')) {
            workload.read(line).with_context(|| format!("workload.tsv: {line}"))?;
        }
        let found = workload.cases.len();
        ensure!(found == RULES, "workload.tsv has {found} rules and should have {RULES}");
        Ok(workload)
    }

    fn read(&mut self, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, group, kind, rule] = fields[..] else { bail!("a line has four fields") };
        if kind == "label" {
            self.labels.insert(name.to_owned(), Rule::parse(rule, &Limits::default())?);
            return Ok(());
        }
        ensure!(self.cases.iter().all(|case| case.name != name), "'{name}' is there twice");
        self.cases.push(Case::new(name.to_owned(), group, Kind::parse(kind)?, rule.to_owned()));
        Ok(())
    }
}

/// Terms of the sweep over the number of terms, the densest first.
pub(crate) const TERMS: [&str; 10] = [
    "NOT has_kucoin_kyc",
    "NOT bot_warning",
    "NOT transaction_pattern_timed",
    "NOT transaction_pattern_continuous",
    "NOT transaction_pattern_high_velocity",
    "NOT has_coinbase_kyc",
    "twitter_bound",
    "email_bound",
    "discord_bound",
    "telegram_bound",
];

/// One to ten flags, joined by AND.
pub(crate) fn by_terms() -> Vec<Case> {
    (1..=TERMS.len())
        .map(|terms| {
            let kind = if terms == 1 { Kind::Set } else { Kind::Sets };
            // From the end: the first few are then as dense as flags get to be, halves rather than nearly all.
            let rule = TERMS[TERMS.len() - terms..].join(" AND ");
            Case::new(format!("{terms}"), "terms", kind, rule)
        })
        .collect()
}

/// Shares of the users, in thousandths, that the ranges of the sweep over selectivity aim at.
pub(crate) const SHARES: [u32; 9] = [1, 10, 50, 100, 250, 500, 750, 900, 990];
/// The dense flag that a range is joined with in the sweep over selectivity.
pub(crate) const DENSE_FLAG: &str = "email_bound";
/// What a range is beside: two dense flags.
pub(crate) const DENSE_PAIR: &str = "email_bound AND twitter_bound";

/// Ranges over a column of many values, alone and with a dense flag; `bound` tells the lower end for a share.
pub(crate) fn by_selectivity(bound: impl Fn(u32) -> Result<String>) -> Result<Vec<Case>> {
    let mut cases = vec![Case::new("flags".to_owned(), "selectivity", Kind::Sets, DENSE_PAIR.to_owned())];
    for share in SHARES {
        let range = bound(share)?;
        let with_flag = format!("{range} AND {DENSE_FLAG}");
        cases.push(Case::new(format!("range {share}"), "selectivity", Kind::Mixed, range));
        cases.push(Case::new(format!("range and flag {share}"), "selectivity", Kind::Mixed, with_flag));
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_workload_reads() {
        let workload = Workload::committed().unwrap();
        assert_eq!(workload.cases.len(), RULES);
        for case in &workload.cases {
            Rule::parse(&case.rule, &Limits::default()).unwrap();
        }
    }

    #[test]
    fn the_sweep_over_terms_ends_with_all_of_them() {
        let cases = by_terms();
        assert_eq!(cases.len(), 10);
        assert_eq!(cases[1].rule, "discord_bound AND telegram_bound");
        assert_eq!(cases[9].rule, TERMS.join(" AND "));
    }
}
