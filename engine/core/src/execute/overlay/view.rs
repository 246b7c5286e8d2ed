//! A user as an answer sees it: the overlay's values, and the snapshot's where it has none.

use super::{Content, Held, Overlay};
use crate::error::Result;
use crate::execute::features::Feature;
use crate::rule::ast::Operand;
use crate::rule::bind::datum::Datum;
use crate::rule::bind::row::{Of, Source, Values};
use crate::snapshot::{Column, Snapshot};

/// One row of a snapshot under an overlay.
#[derive(Debug, Clone, Copy)]
pub(in crate::execute) struct View<'a> {
    pub(in crate::execute) snapshot: &'a Snapshot,
    pub(in crate::execute) row: u32,
    pub(in crate::execute) overlay: &'a Overlay,
}

impl<'a> View<'a> {
    pub(in crate::execute) fn new(snapshot: &'a Snapshot, row: u32, overlay: &'a Overlay) -> Self {
        Self { snapshot, row, overlay }
    }

    /// The same row under another overlay.
    pub(in crate::execute) fn under<'b>(self, overlay: &'b Overlay) -> View<'b>
    where
        'a: 'b,
    {
        View { overlay, ..self }
    }

    /// The feature that an operand names, as people write it; `None` for constants.
    pub(in crate::execute) fn feature(&self, operand: &Operand) -> Result<Option<Feature>> {
        self.overlay.feature(self.snapshot, operand, self.row)
    }

    fn stored<'s>(&self, source: &'s Source) -> Result<Option<Datum<'s>>> {
        match (&source.of, &source.column) {
            (Of::UserId, _) => Ok(Some(Datum::Key8(self.snapshot.ids().id(self.row)?))),
            (_, Some(column)) => Datum::of_row(column, self.row),
            (_, None) => Ok(None),
        }
    }
}

impl Values for View<'_> {
    fn value<'s>(&'s self, source: &'s Source) -> Result<Option<Datum<'s>>> {
        let overlaid = match &source.of {
            Of::UserId => None,
            Of::Column(column) => self.overlay.scalar(*column),
            Of::Key(column, key) => self.overlay.key(*column, key),
            Of::Length(column) => {
                return match self.overlay.length(*column) {
                    Some(Held::Key8(length)) => Ok(Some(Datum::Key8(length))),
                    Some(_) => Ok(None),
                    None => self.stored(source),
                };
            }
        };
        overlaid.map_or_else(|| self.stored(source), |held| Ok(held.datum()))
    }

    fn present(&self, column: u32) -> Result<bool> {
        if let Some(present) = self.overlay.presence(column) {
            return Ok(present);
        }
        let presence = match self.snapshot.column(column as usize)? {
            Column::List(list) => list.presence(),
            Column::Map(map) => map.presence(),
            Column::Value(column) => column.presence(),
        };
        let Some(presence) = presence else { return Ok(true) };
        presence.check()?;
        Ok(presence.contains(self.row))
    }

    fn any_element(&self, column: u32, passes: &dyn Fn(Datum<'_>) -> bool) -> Result<bool> {
        // An array is overlaid as a whole, so one that is not is never asked about here.
        let Some(Content::List(Some(elements))) = self.overlay.column(column) else { return Ok(false) };
        Ok(elements.iter().filter_map(Held::datum).any(passes))
    }
}
