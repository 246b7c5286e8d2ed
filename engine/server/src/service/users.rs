//! One user: features, and why they are in a segment or not.

use std::sync::Arc;

use muster_engine::execute::{Feature, Why};
use muster_engine::rule::ast::Operand;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::Schema;
use muster_engine::snapshot::Snapshot;

use super::membership::fresher;
use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};

/// A user's page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct User {
    /// The user.
    pub(crate) user_id: u64,
    /// Features by column.
    pub(crate) features: Vec<(String, Feature)>,
    /// Names of the labels that hold, in the generation in service.
    pub(crate) labels: Vec<String>,
    /// Whether the user opted out of targeting.
    pub(crate) opted_out: bool,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// Why a user is in a segment or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Explained {
    /// Nothing for a user who is not there.
    pub(crate) why: Option<Why>,
    /// Whether the user opted out of targeting.
    pub(crate) opted_out: bool,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// A user's features: all, or some columns'.
    pub(crate) async fn user(
        self: &Arc<Self>,
        ask: &Ask,
        user_id: u64,
        columns: Vec<String>,
    ) -> Result<User> {
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let (service, asked) = (Arc::clone(self), ask.clone());
        let work = move || {
            let snapshot = generation.snapshot();
            let chosen = chosen(snapshot.schema(), columns, &service.config.rules)?;
            let mut user = read(snapshot, user_id, &chosen, origin)?.ok_or_else(|| {
                Fault::not_found(format!(
                    "there is no user {user_id} in generation {}",
                    snapshot.generation()
                ))
            })?;
            user.labels = service.label_names(&asked, user_id, snapshot.generation())?;
            Ok(user)
        };
        self.heavily(ask, work).await
    }

    /// Why a user is in a segment or not, and what would change that.
    pub(crate) async fn explain(
        self: &Arc<Self>,
        ask: &Ask,
        user_id: u64,
        segment: Segment<'_>,
        overlay: Vec<(String, Feature)>,
    ) -> Result<Explained> {
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let work = move || {
            let snapshot = generation.snapshot();
            let overlay = if overlay.is_empty() { None } else { Some(fresher(snapshot, &overlay)?) };
            let why =
                audience.why(user_id, overlay.as_ref()).map_err(|error| Fault::of_query(error, "segment"))?;
            let row = snapshot.ids().row(user_id)?;
            let opted_out = row.is_some_and(|row| snapshot.targetable(row) == Some(false));
            Ok(Explained { why, opted_out, origin })
        };
        self.heavily(ask, work).await
    }
}

/// Columns, by the names they were asked for: those given, or all.
pub(super) fn chosen(
    schema: &Schema,
    columns: Vec<String>,
    limits: &Limits,
) -> Result<Vec<(String, Operand)>> {
    if columns.is_empty() {
        let all = schema.columns.iter().map(|column| column.name.clone());
        return Ok(all.map(|name| (name.clone(), Operand::Column(name))).collect());
    }
    let operand = |(at, name): (usize, String)| {
        let operand = match schema.column(&name) {
            Some(_) => Operand::Column(name.clone()),
            None => Operand::parse(&name, limits)
                .map_err(|error| Fault::Rule { field: format!("columns[{at}]"), error })?,
        };
        Ok((name, operand))
    };
    columns.into_iter().enumerate().map(operand).collect()
}

/// A user's page; nothing for one who is not there.
pub(super) fn read(
    snapshot: &Snapshot,
    user_id: u64,
    chosen: &[(String, Operand)],
    origin: Origin,
) -> Result<Option<User>> {
    let Some(row) = snapshot.row_of(user_id)? else { return Ok(None) };
    let mut features = Vec::with_capacity(chosen.len());
    for (at, (name, operand)) in chosen.iter().enumerate() {
        let Some(feature) = snapshot.feature(operand, row)? else {
            return Err(Fault::not_found(format!("columns[{at}]: there is no column `{name}`")));
        };
        features.push((name.clone(), feature));
    }
    let opted_out = snapshot.targetable(row) == Some(false);
    Ok(Some(User { user_id, features, labels: Vec::new(), opted_out, origin }))
}
