//! One user: features, and why they are in a segment or not.

use std::sync::Arc;

use muster_engine::execute::{Feature, Why};
use muster_engine::rule::ast::Operand;

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
    /// Names of the labels that hold.
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
        let service = Arc::clone(self);
        let work = move || {
            let snapshot = generation.snapshot();
            let Some(row) = snapshot.row_of(user_id)? else {
                return Err(Fault::not_found(format!(
                    "there is no user {user_id} in generation {}",
                    snapshot.generation()
                )));
            };
            let schema = snapshot.schema();
            let all = || schema.columns.iter().map(|column| column.name.clone()).collect();
            let names: Vec<String> = if columns.is_empty() { all() } else { columns };
            let mut features = Vec::with_capacity(names.len());
            for (at, name) in names.into_iter().enumerate() {
                let operand = match schema.column(&name) {
                    Some(_) => Operand::Column(name.clone()),
                    None => Operand::parse(&name, &service.config.rules)
                        .map_err(|error| Fault::Rule { field: format!("columns[{at}]"), error })?,
                };
                let Some(feature) = snapshot.feature(&operand, row)? else {
                    return Err(Fault::not_found(format!("columns[{at}]: there is no column `{name}`")));
                };
                features.push((name, feature));
            }
            Ok(User {
                user_id,
                features,
                labels: Vec::new(),
                opted_out: snapshot.targetable(row) == Some(false),
                origin,
            })
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
            let overlay = match overlay.is_empty() {
                true => None,
                false => Some(fresher(snapshot, overlay)?),
            };
            let why =
                audience.why(user_id, overlay.as_ref()).map_err(|error| Fault::of_query(error, "segment"))?;
            let row = snapshot.ids().row(user_id)?;
            let opted_out = row.is_some_and(|row| snapshot.targetable(row) == Some(false));
            Ok(Explained { why, opted_out, origin })
        };
        self.heavily(ask, work).await
    }
}
