//! One user: features, and why they are in a segment or not.

use std::sync::Arc;

use muster_engine::execute::Feature;
use muster_engine::rule::ast::Operand;

use super::{Ask, Origin, Service};
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
}
