//! Why a user is in an audience or not, and the smallest change of features that would turn the answer.

mod candidates;
mod near;
mod search;

use serde::Serialize;

use super::Audience;
use super::check::Verdict;
use super::features::Feature;
use super::overlay::{Overlay, View};
use crate::rule::ast::Operand;
use crate::rule::bind::QueryError;

pub use candidates::WHY_VALUES_MAX;
pub use search::WHY_CONDITIONS_MAX;

use search::Search;

/// Why a user is in or out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// Every condition's outcome, with the values behind it.
    pub verdict: Verdict,
    /// Whether the user is in the audience.
    pub inside: bool,
    /// The fewest features whose change would turn the answer, each with a value that does it. Empty if no change was found: a rule that
    /// turns on the user's id or bucket alone has none.
    pub change: Vec<FeatureChange>,
    /// Whether it is known that no smaller set of features turns the answer, by the values that were tried (and with none given, that
    /// none does). Otherwise the search ended at [`WHY_CONDITIONS_MAX`], and a smaller one may exist.
    pub smallest: bool,
}

/// A feature with another value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureChange {
    /// A column's name, or a map's key as in rules: what [`Overlay::new`] takes.
    pub feature: String,
    /// What it is.
    pub from: Feature,
    /// What it would have to be.
    pub to: Feature,
}

impl Audience {
    /// Why a user is in the audience or not, under an overlay if one is given; `None` for an id that is not in the snapshot, or was erased.
    ///
    /// The change is checked by evaluating the rule with it, so it is never wrong. Which values a feature could have is taken from the
    /// rule: each constant, its neighbours in the column's type, other columns' values where columns are compared, elements added to or
    /// taken from an array, a key that comes or goes, and NULL where no value does; at most [`WHY_VALUES_MAX`] of a feature. The user's
    /// id and bucket cannot change, nor can an array of more different elements than are looked up for one user, except to NULL.
    pub fn why(&self, user_id: u64, overlay: Option<&Overlay>) -> Result<Option<Why>, QueryError> {
        let none = Overlay::default();
        let overlay = overlay.unwrap_or(&none);
        overlay.check_schema(self.snapshot.schema())?;
        let Some(row) = self.snapshot.row_of(user_id)? else { return Ok(None) };
        let verdict = self.verdict_with(row, overlay)?;
        let program = self.program()?;
        let view = View::new(&self.snapshot, row, overlay);
        let inside = program.holds(&view)?;
        let search = Search::new(program, view, !inside)?;
        let (choice, smallest) = search.smallest()?;
        let changed = search.overlay(&choice);
        // What is told was evaluated as a whole, whatever the search made of it.
        if program.holds(&view.under(&changed))? == inside {
            return Ok(Some(Why {
                verdict,
                inside,
                change: Vec::new(),
                smallest: smallest && choice.is_empty(),
            }));
        }
        let schema = self.snapshot.schema();
        let mut change = Vec::with_capacity(choice.len());
        for (subject, value) in choice {
            let (subject, content) = (&search.subjects[subject], &search.values[subject][value].content);
            let (Some(operand), Some(to)) = (subject.operand(schema), subject.feature(schema, content))
            else {
                continue;
            };
            let Some(from) = view.feature(&operand)? else { continue };
            let feature = match operand {
                Operand::Column(name) => name,
                key => key.to_string(),
            };
            change.push(FeatureChange { feature, from, to });
        }
        Ok(Some(Why { verdict, inside, change, smallest }))
    }
}
