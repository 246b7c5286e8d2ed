//! What is wrong with a rule, where, and what would work instead.

use std::fmt;

/// A rule that cannot be used. Always the caller's to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// What is wrong, without position or hint; it names the construct.
    pub message: String,
    /// Where, as far as it is known.
    pub place: Option<Place>,
    /// The nearest thing that works.
    pub hint: Option<String>,
    /// The limit that was passed, by its name in the configuration.
    pub limit: Option<&'static str>,
}

/// A place in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a rule's text.
    Text(Position),
    /// In a rule tree: a JSON pointer such as `/rules/0/value`; empty is the whole document.
    Json(String),
}

/// A position in a rule's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes before it.
    pub offset: u32,
}

impl RuleError {
    /// An error that says only what is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None, limit: None }
    }

    /// An error about a passed limit; `name` is its field in [`Limits`](super::limits::Limits).
    pub(crate) fn limit(what: &str, found: usize, limit: usize, unit: &str, name: &'static str) -> Self {
        let full = match name {
            "rule_bytes" => "rules.rule_bytes",
            "depth" => "rules.depth",
            "leaves" => "rules.leaves",
            "list_values" => "rules.list_values",
            "text_bytes" => "rules.text_bytes",
            "pattern_bytes" => "rules.pattern_bytes",
            other => other,
        };
        let message = format!(
            "{what} has {found} {unit}, more than the limit of {limit} (`{full}` in the configuration)"
        );
        Self { limit: Some(full), ..Self::new(message) }
    }

    /// Adds what would work instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where, unless it is known already.
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// The position in the rule's text, if it is known.
    pub fn position(&self) -> Option<Position> {
        match self.place {
            Some(Place::Text(position)) => Some(position),
            _ => None,
        }
    }

    /// The JSON pointer into the rule tree, if it is known.
    pub fn pointer(&self) -> Option<&str> {
        match &self.place {
            Some(Place::Json(pointer)) => Some(pointer),
            _ => None,
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(Place::Text(at)) => write!(f, " at line {}, column {}", at.line, at.column)?,
            Some(Place::Json(pointer)) if pointer.is_empty() => f.write_str(" at the top of the tree")?,
            Some(Place::Json(pointer)) => write!(f, " at {pointer}")?,
            None => {}
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleError {}

/// The known names closest to a mistyped one, best first, at most three.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    // Only what is about as close as the best: a near miss should not drag in strangers.
    let floor = scored.first().map_or(0.0, |best| best.0 - 0.08);
    scored.into_iter().filter(|(score, _)| *score >= floor).take(3).map(|(_, candidate)| candidate).collect()
}

/// A hint made of the closest known names, if any is close.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = closest(name, known).iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [init @ .., last] => Some(format!("did you mean {} or {last}?", init.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_with_place_and_hint() {
        let at = Place::Text(Position { line: 2, column: 5, offset: 17 });
        let error = RuleError::new("unknown column `contry`").at(at).hint("did you mean `country`?");
        assert_eq!(error.to_string(), "unknown column `contry` at line 2, column 5; did you mean `country`?");
        let error = RuleError::new("unknown operator `~`").at(Place::Json("/rules/0".into()));
        assert_eq!(error.to_string(), "unknown operator `~` at /rules/0");
    }

    #[test]
    fn the_first_place_wins() {
        let error = RuleError::new("x").at(Place::Json("/a".into())).at(Place::Json("/b".into()));
        assert_eq!(error.pointer(), Some("/a"));
    }

    #[test]
    fn suggestions_are_close_ones() {
        let known = ["country", "community_count", "wallet_count"];
        assert_eq!(did_you_mean("contry", known).unwrap(), "did you mean `country`?");
        assert_eq!(did_you_mean("zzz", known), None);
        assert_eq!(did_you_mean("COUNTRY", known).unwrap(), "did you mean `country`?");
    }
}
