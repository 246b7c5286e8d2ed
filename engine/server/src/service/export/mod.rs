//! Audiences as files: ids, tables, bitmaps. Made piece by piece, each when its reader has room for it.
//!
//! Between two pieces of text nothing is held but the generation and a token. A bitmap has to be whole before its first byte is known,
//! so few are made at a time. An export says when it is whole: whoever reads one that ends without that has a part of it.

mod roaring;

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::execute::{Audience, Feature};
use muster_engine::rule::ast::Operand;
use muster_engine::schema::{ColumnType, Schema};
use muster_engine::snapshot::{Column, Snapshot};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::members::{BATCH_IDS, next_batch};
use super::users::chosen;
use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};
use crate::generations::Generation;

pub(super) use roaring::AT_ONCE as BITMAPS_AT_ONCE;

/// Looks into columns for one piece, about: a list or a map is looked through element by element.
const LOOKS_MAX: u64 = 2_000_000;

/// How users are written as text.
pub(crate) trait Lines: Send + Sync {
    /// What stands before the first user.
    fn head(&self, user_id: &str, columns: &[String]) -> Vec<u8>;
    /// One user, with a value for each column.
    fn user(&self, id: u64, values: Vec<Feature>, out: &mut Vec<u8>);
}

/// What an export is made of.
pub(crate) enum Content {
    /// Users one by one, in an order of the store's own.
    Lines(Box<dyn Lines>),
    /// Ids as a portable 64-bit Roaring bitmap.
    Roaring,
}

/// Which members are exported, and how.
pub(crate) struct ExportOf {
    /// How.
    pub(crate) content: Content,
    /// With these columns, keys of maps or lengths; of lines only.
    pub(crate) columns: Vec<String>,
    /// At most so many; 0 is all.
    pub(crate) limit: u64,
}

/// A part of an export.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some bytes of it.
    Bytes(Vec<u8>),
    /// It is whole.
    End,
}

/// An export under way.
pub(crate) struct Export {
    /// The label that it is of, if it is one's.
    pub(crate) label: Option<String>,
    /// Of which generation.
    pub(crate) origin: Origin,
    /// Its pieces. After [`Piece::End`], or what went wrong, there are no more; a reader that is too slow gets neither.
    pub(crate) pieces: mpsc::Receiver<Result<Piece>>,
}

/// What every piece of an export needs.
struct Exporting {
    ask: Ask,
    generation: Arc<Generation>,
    audience: Arc<Audience>,
    origin: Origin,
    limit: u64,
}

/// Columns as they are read.
struct Table {
    lines: Box<dyn Lines>,
    columns: Vec<(String, Operand)>,
    /// Users of a piece.
    users: u64,
}

impl Service {
    /// The members of a segment as a file. What is wrong with the request is told before anything is made.
    pub(crate) async fn export(
        self: &Arc<Self>,
        ask: Ask,
        segment: Segment<'_>,
        of: ExportOf,
    ) -> Result<Export> {
        let permit = self.stream()?;
        let generation = self.generation(&ask).await?;
        let audience = self.audience(&generation, &ask, segment, || "segment".to_owned()).await?;
        let (origin, label) = (Origin::of(&generation, &ask), self.label_of(segment, &ask));
        let ExportOf { content, columns, limit } = of;
        let (sender, pieces) = mpsc::channel(1);
        let service = Arc::clone(self);
        match content {
            Content::Lines(lines) => {
                let columns = if columns.is_empty() {
                    Vec::new()
                } else {
                    chosen(generation.snapshot().schema(), columns, &self.config.rules)?
                };
                check_columns(generation.snapshot().schema(), &columns)?;
                let users = users_of_a_piece(generation.snapshot(), &columns)?;
                let table = Arc::new(Table { lines, columns, users });
                let exporting = Exporting { ask, generation, audience, origin, limit };
                tokio::spawn(async move {
                    service.export_lines(exporting, table, &sender).await;
                    drop(permit);
                });
            }
            Content::Roaring => {
                if !columns.is_empty() {
                    return Err(Fault::invalid("columns", "a bitmap has ids alone; give another format"));
                }
                let turn = self.bitmap()?;
                let exporting = Exporting { ask, generation, audience, origin, limit };
                tokio::spawn(async move {
                    service.export_bitmap(exporting, &sender).await;
                    drop((permit, turn));
                });
            }
        }
        Ok(Export { label, origin, pieces })
    }

    /// The name of the label that a segment is.
    fn label_of(&self, segment: Segment<'_>, ask: &Ask) -> Option<String> {
        match segment {
            Segment::Label(name) => Some(name.to_owned()),
            Segment::LabelId(id) => self.book().by_id(id, &ask.caller).map(|entry| entry.label.name.clone()),
            Segment::Rule(_) | Segment::Json(_) => None,
        }
    }

    async fn export_lines(
        self: &Arc<Self>,
        of: Exporting,
        table: Arc<Table>,
        sender: &mpsc::Sender<Result<Piece>>,
    ) {
        let names: Vec<String> = table.columns.iter().map(|(name, _)| name.clone()).collect();
        let user_id = &of.generation.snapshot().schema().user_id;
        let (mut token, mut left) = (None, (of.limit > 0).then_some(of.limit));
        let mut head = table.lines.head(user_id, &names);
        loop {
            let most = left.map_or(table.users, |left| left.min(table.users));
            let (from, table, generation) = (token.take(), Arc::clone(&table), Arc::clone(&of.generation));
            let (audience, origin, service) = (Arc::clone(&of.audience), of.origin, Arc::clone(self));
            let mut out = std::mem::take(&mut head);
            let work = move || {
                let batch = service
                    .evaluated(&[&audience], || next_batch(&audience, from.as_deref(), Some(most), origin))?;
                let found = batch.user_ids.len() as u64;
                table.write(generation.snapshot(), batch.user_ids, &mut out)?;
                Ok((out, found, batch.next_page_token))
            };
            let made = self.heavily(&self.afresh(&of.ask), work).await;
            let (piece, next) = match made {
                Ok((bytes, found, next)) => {
                    left = left.map(|left| left.saturating_sub(found));
                    (Ok(Piece::Bytes(bytes)), next)
                }
                Err(fault) => (Err(fault), None),
            };
            let failed = piece.is_err();
            if !self.send(&of.ask, sender, piece).await || failed {
                return;
            }
            if next.is_none() || left == Some(0) {
                self.send(&of.ask, sender, Ok(Piece::End)).await;
                return;
            }
            token = next;
        }
    }

    /// The same request with time of its own for a piece: an export as a whole takes as long as its reader.
    fn afresh(&self, ask: &Ask) -> Ask {
        Ask { deadline: self.deadline(Instant::now(), None), ..ask.clone() }
    }

    /// Hands a piece over. False if nobody reads any more.
    async fn send(&self, ask: &Ask, sender: &mpsc::Sender<Result<Piece>>, piece: Result<Piece>) -> bool {
        let stall = Duration::from_millis(self.config.stream_stall_ms);
        if let Err(fault) = &piece {
            ask.span.in_scope(|| tracing::info!(code = fault.name(), "an export ended early"));
        }
        matches!(timeout(stall, sender.send(piece)).await, Ok(Ok(())))
    }
}

impl Table {
    /// Writes users. One who was erased a moment ago is not there any more.
    fn write(&self, snapshot: &Snapshot, user_ids: Vec<u64>, out: &mut Vec<u8>) -> Result<()> {
        for id in user_ids {
            if self.columns.is_empty() {
                self.lines.user(id, Vec::new(), out);
                continue;
            }
            let Some(row) = snapshot.row_of(id)? else { continue };
            let values = self.columns.iter().map(|(_, operand)| snapshot.feature(operand, row));
            let values: Option<Vec<Feature>> = values.collect::<std::result::Result<_, _>>()?;
            // Nothing is told of a user who is erased between these two looks.
            let Some(values) = values else { continue };
            self.lines.user(id, values, out);
        }
        Ok(())
    }
}

/// Fails where a column is not there, is the id, or is asked for twice.
fn check_columns(schema: &Schema, columns: &[(String, Operand)]) -> Result<()> {
    for (at, (name, operand)) in columns.iter().enumerate() {
        let field = format!("columns[{at}]");
        let ty = |name: &str| schema.column(name).map(|(_, column)| &column.ty);
        let is_there = match operand {
            Operand::Column(name) if *name == schema.user_id => {
                return Err(Fault::invalid(
                    field,
                    "it is the user's id, which is always there; leave it out",
                ));
            }
            Operand::Column(name) => ty(name).is_some(),
            Operand::Length(name) => matches!(ty(name), Some(ColumnType::Array(_))),
            Operand::MapValue { column, .. } => matches!(ty(column), Some(ColumnType::Map(_))),
            Operand::Literal(_) | Operand::Time(_) => false,
        };
        if !is_there {
            return Err(Fault::not_found(format!("{field}: there is no column `{name}`")));
        }
        if columns.iter().take(at).any(|(before, _)| before == name) {
            return Err(Fault::invalid(field, format!("`{name}` is given twice; give it once")));
        }
    }
    Ok(())
}

/// How many users are written together, so that a piece takes neither long nor much memory.
fn users_of_a_piece(snapshot: &Snapshot, columns: &[(String, Operand)]) -> Result<u64> {
    let mut looks = 1_u64;
    for (_, operand) in columns {
        let found = match operand {
            Operand::Column(name) => snapshot.schema().column(name),
            _ => None,
        };
        looks += match found.map(|(at, _)| snapshot.column(at)).transpose()? {
            Some(Column::List(list)) => list.elements().len().into(),
            Some(Column::Map(map)) => map.keys().len().into(),
            _ => 1,
        };
    }
    Ok((LOOKS_MAX / looks).clamp(1, BATCH_IDS as u64))
}
