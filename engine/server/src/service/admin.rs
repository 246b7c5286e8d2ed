//! What operators do: look, roll back, decide about held generations, rebuild, erase.

use std::sync::Arc;

use jiff::Timestamp;
use muster_catalog::audit::{Event, Kind};
use muster_engine::error::Error;
use muster_engine::schema::Schema;
use muster_engine::snapshot::{Author, Column, MaskChange, Snapshot, Store, Writer};

use super::audit::totals;
use super::progress::{LabelsProgress, WriteBackProgress};
use super::{Ask, Origin, Service};
use crate::caller::Role;
use crate::fault::{Fault, Result};
use crate::pool::Load;
use crate::rebuild::{RebuildFault, RebuildStatus};

/// How the server is.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// What is in service.
    pub(crate) origin: Option<Origin>,
    /// What keeps the newest generation from being served.
    pub(crate) problem: Option<String>,
    /// Since when the server runs.
    pub(crate) started: Timestamp,
    /// How busy the pool is.
    pub(crate) load: Load,
    /// The rebuild that runs or ran last.
    pub(crate) rebuild: Option<RebuildStatus>,
    /// Erased users.
    pub(crate) erased: u64,
    /// Users who opted out.
    pub(crate) opted_out: u64,
    /// How counting labels goes, if there are labels.
    pub(crate) labels: Option<LabelsProgress>,
    /// How writing their members goes, if they are written anywhere.
    pub(crate) write_back: Option<WriteBackProgress>,
}

/// A generation of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its number.
    pub(crate) generation: u64,
    /// When its source was read, in Unix seconds.
    pub(crate) as_of: i64,
    /// Users in it.
    pub(crate) users: u64,
    /// What became of it.
    pub(crate) state: ListedState,
    /// Whether it is in service.
    pub(crate) in_service: bool,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Why it is held back, or was accepted.
    pub(crate) reason: Option<String>,
}

impl Listed {
    /// What a generation's folder says of it.
    pub(super) fn of(
        store: &Store,
        number: u64,
        state: ListedState,
        current: Option<u64>,
    ) -> muster_engine::error::Result<Self> {
        let manifest = store.manifest(number)?;
        let record = store.record(number).ok().flatten();
        Ok(Self {
            generation: number,
            as_of: manifest.as_of,
            users: manifest.rows,
            state,
            in_service: current == Some(number),
            bytes: manifest.data.bytes,
            reason: record.and_then(|record| record.reason),
        })
    }
}

/// What became of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListedState {
    /// It can be asked.
    Published,
    /// The gates held it back.
    Held,
}

/// The columns of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// What they are.
    pub(crate) schema: Schema,
    /// How many distinct values each has; of an array elements, of a map keys.
    pub(crate) distinct: Vec<u64>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// A change of what is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rolled {
    /// What was in service.
    pub(crate) from: Option<u64>,
    /// What is.
    pub(crate) origin: Origin,
}

/// A change of masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Users for whom it changed something.
    pub(crate) changed: u64,
    /// Users of them in the generation in service, before the change.
    pub(crate) known: u64,
    /// What is in service, if anything is.
    pub(crate) origin: Option<Origin>,
}

impl Service {
    /// How the server is.
    pub(crate) fn status(&self, ask: &Ask) -> Status {
        let serving = self.generations.serving();
        let masks = self.generations.masks();
        Status {
            origin: serving.as_ref().ok().map(|serving| Origin::of(serving, ask)),
            problem: self.generations.problem().map(|problem| problem.to_string()),
            started: self.started,
            load: self.load(),
            rebuild: self.rebuild.as_ref().and_then(|rebuild| rebuild.status()),
            erased: masks.erased().count() as u64,
            opted_out: masks.opted_out().count() as u64,
            labels: self.labels_progress(),
            write_back: self.write_back_progress(),
        }
    }

    /// The generations of the store, ascending.
    pub(crate) async fn listed(self: &Arc<Self>, ask: &Ask) -> Result<Vec<Listed>> {
        let service = Arc::clone(self);
        self.heavily(ask, move || {
            let store = service.generations.store()?;
            let current = store.current_generation()?;
            let published = store.generations()?.into_iter().map(|number| (number, ListedState::Published));
            let held = store.held()?.into_iter().map(|number| (number, ListedState::Held));
            let mut listed = Vec::new();
            for (number, state) in published.chain(held) {
                // One that is removed at this moment is not there.
                let Ok(one) = Listed::of(&store, number, state, current) else { continue };
                listed.push(one);
            }
            listed.sort_by_key(|listed| listed.generation);
            Ok(listed)
        })
        .await
    }

    /// The columns of a generation.
    pub(crate) async fn schema(self: &Arc<Self>, ask: &Ask) -> Result<(Schema, Origin)> {
        let generation = self.generation(ask).await?;
        Ok((generation.snapshot().schema().clone(), Origin::of(&generation, ask)))
    }

    /// The columns of a generation, with how many values they have.
    pub(crate) async fn columns(self: &Arc<Self>, ask: &Ask) -> Result<Columns> {
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let read = move || {
            let snapshot = generation.snapshot();
            let schema = snapshot.schema().clone();
            let distinct = (0..schema.columns.len()).map(|at| distinct(snapshot, at));
            Ok(Columns { distinct: distinct.collect::<Result<_>>()?, schema, origin })
        };
        // The first to ask opens all columns.
        self.compiling.run(&ask.caller.name, ask.deadline, read).await
    }

    /// Puts an earlier generation into service; 0 is the one before.
    pub(crate) async fn roll_back(self: &Arc<Self>, ask: &Ask, to: u64) -> Result<Rolled> {
        ask.caller.needs(Role::Admin, "rolling back")?;
        self.change_store(ask, "roll back", move |writer| {
            let moved = writer.rollback((to > 0).then_some(to), None)?;
            Ok(Event::generation("rollback", moved.to, moved.from, Some(moved.to), ""))
        })
        .await
    }

    /// Publishes a generation that was held back.
    pub(crate) async fn publish(self: &Arc<Self>, ask: &Ask, number: u64, reason: String) -> Result<Rolled> {
        ask.caller.needs(Role::Admin, "publishing")?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() {
            return Err(Fault::invalid(
                "reason",
                "say why it may be published; it is kept for others to read",
            ));
        }
        self.change_store(ask, "publish", move |writer| {
            let moved = writer.publish_held(Some(number), &reason)?;
            Ok(Event::generation("publish", moved.to, moved.from, Some(moved.to), &reason))
        })
        .await
    }

    /// Removes a generation that was held back.
    pub(crate) async fn discard(self: &Arc<Self>, ask: &Ask, number: u64) -> Result<Rolled> {
        ask.caller.needs(Role::Admin, "discarding")?;
        let serving = self.generations.serving().ok().map(|serving| serving.number());
        self.change_store(ask, "discard", move |writer| {
            writer.discard(Some(number), None)?;
            Ok(Event::generation("discard", number, serving, serving, ""))
        })
        .await
    }

    async fn change_store(
        self: &Arc<Self>,
        ask: &Ask,
        doing: &'static str,
        change: impl FnOnce(&mut Writer) -> muster_engine::error::Result<Event> + Send + 'static,
    ) -> Result<Rolled> {
        let (service, asked, notes) = (Arc::clone(self), ask.clone(), self.notes(ask));
        let (rolled, noted) = self
            .heavily(ask, move || {
                let from = service.generations.serving().ok().map(|serving| serving.number());
                let by = service.author(&asked);
                let mut writer = service.generations.store()?.write(&by, doing)?;
                let event = change(&mut writer).map_err(|error| match error {
                    // Not the disk: the store as it is has nothing to go back to, or is there already.
                    Error::Input { what } => Fault::Precondition { what },
                    error => error.into(),
                })?;
                drop(writer);
                let noted = notes.begin(event);
                tracing::info!(by = %asked.caller.name, "store changed: {doing}");
                // Not at the next look: whoever asked sees it in the answer.
                service.follow_store();
                let serving = service.generations.serving()?;
                Ok((Rolled { from, origin: Origin::of(&serving, &asked) }, noted))
            })
            .await?;
        noted.done().await;
        Ok(rolled)
    }

    fn author(&self, ask: &Ask) -> Author {
        Author { user: ask.caller.name.to_string(), ..self.author.clone() }
    }

    /// Starts a rebuild.
    pub(crate) async fn rebuild(
        self: &Arc<Self>,
        ask: &Ask,
        accept: Option<String>,
    ) -> Result<RebuildStatus> {
        ask.caller.needs(Role::Admin, "rebuilding")?;
        let Some(rebuild) = self.rebuild.clone() else {
            let what =
                "this server has no source to rebuild from; start it with --config, or run `muster build`";
            return Err(Fault::Precondition { what: what.to_owned() });
        };
        let (by, notes) = (Arc::clone(&ask.caller.name), self.notes(ask));
        let event = Event { comment: accept.clone().unwrap_or_default(), ..Event::new(Kind::Rebuild, "ask") };
        let (status, noted) = self
            .heavily(ask, move || {
                let status = rebuild.start(accept, &by).map_err(|fault| match fault {
                    RebuildFault::Running { .. } => Fault::Precondition { what: fault.to_string() },
                    RebuildFault::Failed(_) => Fault::Internal { what: fault.to_string() },
                })?;
                Ok((status, notes.begin(event)))
            })
            .await?;
        noted.done().await;
        Ok(status)
    }

    /// Erases users, lets them opt out or in. Durable, and in force in every answer that begins after this returns.
    pub(crate) async fn change_masks(
        self: &Arc<Self>,
        ask: &Ask,
        change: MaskChange,
        user_ids: Vec<u64>,
    ) -> Result<Changed> {
        ask.caller.needs(Role::Admin, "erasing users and opting out")?;
        self.check_users(user_ids.len())?;
        let (service, asked, notes) = (Arc::clone(self), ask.clone(), self.notes(ask));
        let (changed, noted) = self.heavily(ask, move || {
            let serving = service.generations.serving().ok();
            let mut known = 0;
            if let Some(serving) = &serving {
                for &id in &user_ids {
                    known += u64::from(serving.snapshot().row_of(id)?.is_some());
                }
            }
            let store = service.generations.store()?;
            let before = totals(&service.generations.masks());
            let changed = store.change_masks(&service.author(&asked), change, &user_ids)?;
            let followed = service.generations.follow_masks();
            let after = totals(&service.generations.masks());
            let event = Event::masks(change.name(), user_ids.len() as u64, changed, before, after);
            let noted = notes.begin(event);
            followed?;
            tracing::info!(by = %asked.caller.name, users = user_ids.len(), changed, "masks changed: {change:?}");
            let origin = serving.map(|serving| Origin::of(&serving, &asked));
            Ok((Changed { changed, known, origin }, noted))
        })
        .await?;
        noted.done().await;
        Ok(changed)
    }
}

/// How many distinct values a column has, as its dictionary knows: those of masked users too.
fn distinct(snapshot: &Snapshot, column: usize) -> Result<u64> {
    let values = match snapshot.column(column)? {
        Column::Value(values) => match values.truths() {
            // Booleans have no dictionary.
            Some(truths) => u64::from(truths.rows() > 0) + u64::from(truths.rows() < values.present()),
            None => values.dictionary().len().into(),
        },
        Column::List(list) => list.elements().len().into(),
        Column::Map(map) => map.keys().len().into(),
    };
    Ok(values)
}
