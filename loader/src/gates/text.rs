//! The report for people: like a diff, worst first.

use std::fmt::Write;

use super::verdict::{Check, Figure, Verdict};

/// Characters of a column's or rule's name; the JSON report has all.
const NAME_CHARS_MAX: usize = 60;

impl Verdict {
    /// The report. Only what moved, unless `all`.
    pub fn text(&self, all: bool) -> String {
        let mut text = self.summary();
        text.push('\n');
        let shown: Vec<&Check> = self.checks.iter().filter(|check| all || check.moved()).collect();
        let heading = ["", "check", "before", "after", "change", "allowed"].map(str::to_owned);
        let rows: Vec<([String; 6], &str)> =
            shown.iter().map(|check| (cells(check), check.note.as_deref().unwrap_or_default())).collect();
        if rows.is_empty() {
            return text;
        }
        let mut widths = heading.each_ref().map(|cell| cell.chars().count());
        for (cells, _) in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        line(&mut text, &heading, widths, "");
        for (cells, note) in &rows {
            line(&mut text, cells, widths, note);
        }
        text
    }

    /// The report's first line.
    pub fn summary(&self) -> String {
        let (all, tripped) = (self.checks.len(), self.checks.iter().filter(|check| check.trips).count());
        let with =
            self.compared_with.map_or_else(String::new, |with| format!(", compared with generation {with}"));
        match (all, tripped) {
            (0, _) => "nothing was compared with a generation in service".to_owned(),
            (_, 0) => format!("{all} of {all} checks passed{with}"),
            (_, 1) => format!("1 of {all} checks holds this build back{with}"),
            _ => format!("{tripped} of {all} checks hold this build back{with}"),
        }
    }
}

/// The first two columns of text stand left, figures right.
fn line(text: &mut String, cells: &[String; 6], widths: [usize; 6], note: &str) {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Writing to a string cannot fail.
        let _ = if at < 2 { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
    }
    line.push_str(note);
    text.push_str(line.trim_end());
    text.push('\n');
}

fn cells(check: &Check) -> [String; 6] {
    let mark = match (check.trips, check.moved()) {
        (true, _) => "HOLD",
        (false, true) => "moved",
        (false, false) => "same",
    };
    let figures_moved = check.before.is_some() && check.after.is_some() && check.before != check.after;
    let change = match check.change {
        Some(change) => format!("{:+.1} %", change * 100.0),
        None if figures_moved && check.allowed.is_some() => "from 0".to_owned(),
        None => "-".to_owned(),
    };
    let allowed =
        check.allowed.map_or_else(|| "-".to_owned(), |allowed| format!("{} %", rounded(allowed * 100.0)));
    let [before, after] =
        [&check.before, &check.after].map(|figure| figure.as_ref().map_or("-".to_owned(), shown));
    [mark.to_owned(), shortened(&check.name()), before, after, change, allowed]
}

fn shown(figure: &Figure) -> String {
    match figure {
        Figure::Count(count) => grouped(*count),
        // A share too small for two digits is not nothing.
        Figure::Share(share) if *share > 0.0 && *share < 0.0001 => format!("{:.6} %", share * 100.0),
        Figure::Share(share) => format!("{:.2} %", share * 100.0),
        Figure::Text(text) => text.clone(),
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &name[..at]),
        None => name.to_owned(),
    }
}

/// At most two digits behind the point, and none that say nothing.
fn rounded(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
