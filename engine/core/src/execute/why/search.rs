//! The smallest set of features whose change turns a rule's answer.
//!
//! Nothing in a program negates, so a leaf that becomes as wanted never hurts: of a feature's values only those matter that no other
//! value outdoes in every leaf. What is left is tried exhaustively, one feature, then two, within a budget; beyond it the way goes
//! downhill, by how many conditions at least would still have to change.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use super::candidates::{Candidate, Subject, candidates, subjects_of};
use crate::execute::halt::ended;
use crate::execute::overlay::{Leaf, Node, Overlay, Program, View};
use crate::rule::bind::QueryError;
use crate::rule::bind::row::Test;

/// Conditions that a search evaluates before it goes on by estimates, and again before it gives up.
pub const WHY_CONDITIONS_MAX: u64 = 2_000_000;
/// After how many conditions a search looks whether it is to end early.
const HALT_EVERY: u64 = 1024;

type Result<T> = std::result::Result<T, QueryError>;

/// Which feature gets which of its values.
pub(super) type Choice = Vec<(usize, usize)>;

pub(super) struct Search<'a> {
    program: &'a Program,
    view: View<'a>,
    pub(super) subjects: Vec<Subject>,
    pub(super) values: Vec<Vec<Candidate>>,
    /// Of each feature's values, those worth trying.
    kept: Vec<Vec<usize>>,
    /// Which features each leaf depends on.
    touched: Vec<Vec<usize>>,
    /// What each leaf is now.
    now: Vec<bool>,
    /// Of leaves of one feature, what each of its values makes them.
    then: Vec<Option<Vec<bool>>>,
    /// What the rule is to become.
    goal: bool,
    spent: Cell<u64>,
}

/// The features that a rule looks at, and for each of its leaves which of them it depends on.
fn dependencies(leaves: &[Leaf]) -> (Vec<Subject>, Vec<Vec<usize>>) {
    let mut subjects: Vec<Subject> = Vec::new();
    let mut known: BTreeMap<Subject, usize> = BTreeMap::new();
    let mut place = |subject: Subject| {
        *known.entry(subject).or_insert_with_key(|subject| {
            subjects.push(subject.clone());
            subjects.len() - 1
        })
    };
    let mut touched = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let mut of: Vec<usize> = subjects_of(&leaf.test).into_iter().map(&mut place).collect();
        of.dedup();
        touched.push(of);
    }
    (subjects, touched)
}

/// Whether there is a map depends on each of its keys, and what is under a key on whether there is a map.
fn tie_maps_and_keys(subjects: &[Subject], touched: &mut [Vec<usize>]) {
    let mut keys: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut whole: BTreeMap<u32, usize> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        match subject {
            Subject::Key(column, _) => keys.entry(*column).or_default().push(at),
            Subject::Column(column) => drop(whole.insert(*column, at)),
        }
    }
    for of in touched {
        let mut more = Vec::new();
        for &at in of.iter() {
            match &subjects[at] {
                Subject::Key(column, _) => more.extend(whole.get(column)),
                Subject::Column(column) => more.extend(keys.get(column).into_iter().flatten()),
            }
        }
        for at in more {
            if !of.contains(&at) {
                of.push(at);
            }
        }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(program: &'a Program, view: View<'a>, goal: bool) -> Result<Self> {
        let leaves = program.leaves();
        let (subjects, mut touched) = dependencies(leaves);
        let mut tests: Vec<Vec<&Test>> = subjects.iter().map(|_| Vec::new()).collect();
        for (leaf, of) in leaves.iter().zip(&touched) {
            for &at in of {
                tests[at].push(&leaf.test);
            }
        }
        let values = subjects
            .iter()
            .zip(&tests)
            .map(|(subject, tests)| Ok(candidates(subject, tests, program, &view)?))
            .collect::<Result<_>>()?;
        tie_maps_and_keys(&subjects, &mut touched);
        let now = (0..leaves.len()).map(|at| Ok(program.leaf_holds(at, &view)?)).collect::<Result<_>>()?;
        let mut search = Self {
            program,
            view,
            kept: Vec::new(),
            then: vec![None; leaves.len()],
            subjects,
            values,
            touched,
            now,
            goal,
            spent: Cell::new(0),
        };
        search.tabulate()?;
        let mut leaves_of: Vec<Vec<usize>> = search.subjects.iter().map(|_| Vec::new()).collect();
        for (leaf, of) in search.touched.iter().enumerate() {
            for &at in of {
                leaves_of[at].push(leaf);
            }
        }
        let kept = leaves_of.iter().enumerate().map(|(at, leaves)| search.worth_trying(at, leaves));
        search.kept = kept.collect();
        Ok(search)
    }

    /// What every value of a feature makes of the leaves that depend on it alone.
    fn tabulate(&mut self) -> Result<()> {
        for leaf in 0..self.touched.len() {
            let [subject] = self.touched[leaf][..] else { continue };
            if ended() {
                return Ok(());
            }
            let outcomes = (0..self.values[subject].len())
                .map(|value| {
                    Ok(self.program.leaf_holds(leaf, &self.view.under(&self.overlay(&[(subject, value)])))?)
                })
                .collect::<Result<Vec<bool>>>()?;
            self.then[leaf] = Some(outcomes);
        }
        Ok(())
    }

    /// Values of a feature that no other value outdoes. A feature in a condition together with others keeps all.
    fn worth_trying(&self, subject: usize, leaves: &[usize]) -> Vec<usize> {
        let count = self.values[subject].len();
        if leaves.iter().any(|&leaf| self.then[leaf].is_none()) {
            return (0..count).collect();
        }
        let as_wanted = |leaf: usize, value: usize| {
            self.then[leaf].as_ref().and_then(|then| then.get(value)).is_some_and(|&then| then == self.goal)
        };
        let profiles: Vec<Vec<bool>> =
            (0..count).map(|value| leaves.iter().map(|&leaf| as_wanted(leaf, value)).collect()).collect();
        let now: Vec<bool> = leaves.iter().map(|&leaf| self.now[leaf] == self.goal).collect();
        let covers = |a: &[bool], b: &[bool]| a.iter().zip(b).all(|(a, b)| *a || !b);
        let outdone = |value: usize| {
            covers(&now, &profiles[value])
                || (0..count).any(|other| {
                    covers(&profiles[other], &profiles[value])
                        && (other < value || !covers(&profiles[value], &profiles[other]))
                })
        };
        (0..count).filter(|&value| !outdone(value)).collect()
    }

    pub(super) fn overlay(&self, choice: &[(usize, usize)]) -> Overlay {
        let mut overlay = self.view.overlay.clone();
        for &(subject, value) in choice {
            let content = &self.values[subject][value].content;
            self.subjects[subject].set(&mut overlay, self.view.snapshot.schema(), content);
        }
        overlay
    }

    /// Takes a condition from the budget, and all of it once the search is to end: what it finds then is thrown away.
    fn spend(&self) {
        let spent = self.spent.get().saturating_add(1);
        let halted = spent.is_multiple_of(HALT_EVERY) && ended();
        self.spent.set(if halted { u64::MAX } else { spent });
    }

    /// What a leaf is after a choice.
    fn leaf(&self, leaf: usize, choice: &[(usize, usize)], overlay: &OnceCell<Overlay>) -> Result<bool> {
        self.spend();
        let mut chosen = choice.iter().filter(|(subject, _)| self.touched[leaf].contains(subject));
        match (chosen.next(), &self.then[leaf]) {
            (None, _) => Ok(self.now[leaf]),
            (Some(&(_, value)), Some(then)) => Ok(then[value]),
            (Some(_), None) => {
                let overlay = overlay.get_or_init(|| self.overlay(choice));
                Ok(self.program.leaf_holds(leaf, &self.view.under(overlay))?)
            }
        }
    }

    /// Whether a choice turns the answer.
    fn turns(&self, choice: &[(usize, usize)]) -> Result<bool> {
        let overlay = OnceCell::new();
        let holds = self.program.root().eval(&mut |leaf| self.leaf(leaf, choice, &overlay))?;
        Ok(holds == self.goal)
    }

    /// Whether any choice at all could turn the answer: each leaf becomes as wanted if one value makes it so.
    fn possible(&self) -> Result<bool> {
        let any = |leaf: usize| match &self.then[leaf] {
            Some(then) => then.contains(&self.goal) || self.now[leaf] == self.goal,
            None => !self.touched[leaf].is_empty() || self.now[leaf] == self.goal,
        };
        let holds = self.program.root().eval(&mut |leaf| Ok::<_, QueryError>(any(leaf) == self.goal))?;
        Ok(holds == self.goal)
    }

    /// The smallest choice that turns the answer, and whether it is known that none is smaller.
    pub(super) fn smallest(&self) -> Result<(Choice, bool)> {
        if !self.possible()? {
            return Ok((Vec::new(), true));
        }
        let open: Vec<usize> = (0..self.subjects.len()).filter(|&at| !self.kept[at].is_empty()).collect();
        for size in 1..=open.len() {
            let mut best: Option<(u32, Choice)> = None;
            let done = self.each_choice(&open, size, &mut Vec::new(), &mut best)?;
            if let Some((_, choice)) = best {
                return Ok((self.tidied(choice)?, true));
            }
            if !done {
                let choice = self.downhill(&open)?;
                let proven = choice.len() == size;
                return Ok((choice, proven));
            }
        }
        Ok((Vec::new(), true))
    }

    /// Tries all choices of a size, and keeps the most likely one that turns the answer; false if the budget ended it.
    fn each_choice(
        &self,
        open: &[usize],
        size: usize,
        choice: &mut Choice,
        best: &mut Option<(u32, Choice)>,
    ) -> Result<bool> {
        if choice.len() == size {
            let weight = self.weight(choice);
            if best.as_ref().is_none_or(|(least, _)| weight < *least) && self.turns(choice)? {
                *best = Some((weight, choice.clone()));
            }
            return Ok(self.spent.get() < WHY_CONDITIONS_MAX);
        }
        let needed = size - choice.len();
        for at in 0..(open.len() + 1).saturating_sub(needed) {
            for &value in &self.kept[open[at]] {
                choice.push((open[at], value));
                let goes_on = self.each_choice(&open[at + 1..], size, choice, best)?;
                choice.pop();
                if !goes_on {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn weight(&self, choice: &[(usize, usize)]) -> u32 {
        choice.iter().map(|&(subject, value)| self.values[subject][value].weight).sum()
    }

    /// Changes one feature after the other, each time the one after which the fewest conditions would have to change, then takes back
    /// what was not needed.
    fn downhill(&self, open: &[usize]) -> Result<Choice> {
        let end = self.spent.get().saturating_add(WHY_CONDITIONS_MAX);
        let mut choice: Choice = Vec::new();
        let mut height = self.height(&choice)?;
        while height > 0 && self.spent.get() < end {
            let mut best: Option<(u64, u32, Choice)> = None;
            for &subject in open {
                for &value in &self.kept[subject] {
                    if self.spent.get() == u64::MAX {
                        return Ok(Vec::new());
                    }
                    let mut next: Choice =
                        choice.iter().copied().filter(|(other, _)| *other != subject).collect();
                    next.push((subject, value));
                    let (after, weight) = (self.height(&next)?, self.weight(&next));
                    if best.as_ref().is_none_or(|(low, least, _)| (after, weight) < (*low, *least)) {
                        best = Some((after, weight, next));
                    }
                }
            }
            match best {
                Some((after, _, next)) if after < height => (height, choice) = (after, next),
                _ => return Ok(Vec::new()),
            }
        }
        if !self.turns(&choice)? {
            return Ok(Vec::new());
        }
        for at in (0..choice.len()).rev() {
            let mut fewer = choice.clone();
            fewer.remove(at);
            if self.turns(&fewer)? {
                choice = fewer;
            }
        }
        self.tidied(choice)
    }

    /// How many conditions at least are not as the goal needs them.
    fn height(&self, choice: &[(usize, usize)]) -> Result<u64> {
        let overlay = OnceCell::new();
        self.height_of(self.program.root(), choice, &overlay)
    }

    fn height_of(&self, node: &Node, choice: &[(usize, usize)], overlay: &OnceCell<Overlay>) -> Result<u64> {
        const NEVER: u64 = 1 << 32;
        let (needed, of) = match node {
            Node::Const(value) => return Ok(if *value == self.goal { 0 } else { NEVER }),
            Node::Leaf(leaf) => {
                let is = self.leaf(*leaf, choice, overlay)? == self.goal;
                let fixed = self.touched[*leaf].is_empty();
                return Ok(if is {
                    0
                } else if fixed {
                    NEVER
                } else {
                    1
                });
            }
            Node::All(of) => (of.len(), of),
            Node::Any(of) => (1, of),
            Node::AtLeast(k, of) => (*k as usize, of),
        };
        // To be false, all but k - 1 have to be.
        let needed = if self.goal { needed } else { (of.len() + 1).saturating_sub(needed) };
        let mut each =
            of.iter().map(|node| self.height_of(node, choice, overlay)).collect::<Result<Vec<_>>>()?;
        each.sort_unstable();
        let missing = needed.saturating_sub(each.len()) as u64 * NEVER;
        Ok(each.iter().take(needed).fold(missing, |sum, height| sum.saturating_add(*height)))
    }

    /// The same features, each with the most likely of its values that still turns the answer.
    fn tidied(&self, mut choice: Choice) -> Result<Choice> {
        for at in 0..choice.len() {
            let (subject, chosen) = choice[at];
            let mut order: Vec<usize> = (0..self.values[subject].len()).collect();
            order.sort_by_key(|&value| self.values[subject][value].weight);
            for value in order {
                choice[at].1 = value;
                if value == chosen || self.turns(&choice)? {
                    break;
                }
            }
        }
        Ok(choice)
    }
}
