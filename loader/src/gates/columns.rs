//! The gates of columns: there and of the same type, NULLs, distinct values, texts that are not JSON.

use muster_engine::error::Error;
use muster_engine::format::manifest::ColumnEntry;
use muster_engine::schema::ColumnSchema;
use muster_engine::snapshot::{Column, Snapshot};

use super::change::{growth_of_share, of_share, share};
use super::config::GateConfig;
use super::verdict::{Check, Figure, Gate};
use super::{Generation, Side};

/// Columns of at most this many values are looked at when only one of them is left.
const FEW_VALUES: u64 = 10;

/// A column of one generation.
struct Held<'a> {
    generation: &'a Generation,
    schema: &'a ColumnSchema,
    entry: &'a ColumnEntry,
    index: usize,
}

impl<'a> Held<'a> {
    fn find(generation: &'a Generation, name: &str) -> Option<Self> {
        let manifest = generation.snapshot.manifest();
        let (index, schema) = manifest.schema.column(name)?;
        Some(Self { generation, schema, entry: manifest.columns.get(index)?, index })
    }

    fn snapshot(&self) -> &Snapshot {
        &self.generation.snapshot
    }

    fn null_share(&self) -> f64 {
        let rows = self.snapshot().rows().into();
        share(rows - self.entry.present.min(rows), rows)
    }

    /// Of its texts, the share that is not JSON of its kind.
    fn malformed_share(&self) -> Option<f64> {
        let malformed = self.generation.malformed.as_ref()?.get(&self.schema.name).copied();
        malformed.map(|malformed| share(malformed, malformed + self.entry.present))
    }
}

/// All columns of either generation.
pub(super) fn compare(config: &GateConfig, old: &Generation, new: &Generation) -> Result<Vec<Check>, Side> {
    let mut checks = Vec::new();
    for schema in &old.snapshot.schema().columns {
        let Some(before) = Held::find(old, &schema.name) else { continue };
        match Held::find(new, &schema.name) {
            None => checks.extend(gone(config, schema)),
            Some(after) if after.schema.ty != schema.ty => {
                checks.extend(retyped(config, schema, after.schema));
            }
            Some(after) => column(config, &before, &after, &mut checks)?,
        }
    }
    let added = new.snapshot.schema().columns.iter();
    for schema in added.filter(|schema| old.snapshot.schema().column(&schema.name).is_none()) {
        let note = Some("a new column".to_owned());
        checks.push(Check {
            after: Some(Figure::Text(schema.ty.to_string())),
            ..Check::of_words(Gate::Schema, Some(&schema.name), false, note)
        });
    }
    Ok(checks)
}

fn gone(config: &GateConfig, schema: &ColumnSchema) -> Option<Check> {
    config.schema.then(|| Check {
        before: Some(Figure::Text(schema.ty.to_string())),
        ..Check::of_words(Gate::Schema, Some(&schema.name), true, Some("the column is gone".to_owned()))
    })
}

fn retyped(config: &GateConfig, before: &ColumnSchema, after: &ColumnSchema) -> Option<Check> {
    let note = Some("its type is another, so nothing else of it is compared".to_owned());
    config.schema.then(|| Check {
        before: Some(Figure::Text(before.ty.to_string())),
        after: Some(Figure::Text(after.ty.to_string())),
        ..Check::of_words(Gate::Schema, Some(&before.name), true, note)
    })
}

fn column(
    config: &GateConfig,
    before: &Held<'_>,
    after: &Held<'_>,
    checks: &mut Vec<Check>,
) -> Result<(), Side> {
    let name = before.schema.name.as_str();
    // Of no users there is no share; that they are gone is for another gate to say.
    if before.snapshot().rows() == 0 || after.snapshot().rows() == 0 {
        return Ok(());
    }
    checks.extend(null_rate(config, name, before, after));
    checks.extend(distinct(config, name, before, after).map_err(Side::old)?);
    if before.schema.held_as.is_json() && after.schema.held_as.is_json() {
        checks.extend(malformed_json(config, name, before, after));
    }
    Ok(())
}

fn null_rate(config: &GateConfig, name: &str, before: &Held<'_>, after: &Held<'_>) -> Option<Check> {
    let shares = (before.null_share(), after.null_share());
    let threshold = config.threshold(Gate::NullRate, Some(name));
    let moved = of_share(shares.0, shares.1);
    let mut check =
        Check::of_shares(Gate::NullRate, name, shares, moved, threshold, config.floors.null_rate)?;
    if before.entry.present > 0 && after.entry.present == 0 {
        check.trips = true;
        check.note = Some("nobody has a value any more".to_owned());
    }
    Some(check)
}

fn distinct(
    config: &GateConfig,
    name: &str,
    before: &Held<'_>,
    after: &Held<'_>,
) -> Result<Option<Check>, Error> {
    let threshold = config.threshold(Gate::Distinct, Some(name));
    let counts = (before.entry.distinct, after.entry.distinct);
    let floor = config.floors.distinct as f64;
    let Some(mut check) = Check::of_counts(Gate::Distinct, Some(name), counts, threshold, floor) else {
        return Ok(None);
    };
    if counts.1 == 1 && (2..=FEW_VALUES).contains(&counts.0) && !check.trips {
        let others = share_of_others(before)?;
        if others >= config.floors.null_rate {
            check.trips = true;
            let percent = others * 100.0;
            check.note = Some(format!(
                "everybody has the same value now; {percent:.2} % had another than the commonest"
            ));
        }
    }
    Ok(Some(check))
}

/// Of the users with a value, the share that has another one than the commonest. A flag that is suddenly the same for everybody
/// differs by one value only; this tells how many that concerns. Lists and maps have values of many kinds a user, and no such share.
fn share_of_others(held: &Held<'_>) -> Result<f64, Error> {
    let Column::Value(values) = held.snapshot().column(held.index)? else { return Ok(0.0) };
    let mut commonest = 0;
    for code in 0..values.dictionary().len() {
        commonest = commonest.max(values.rows_between(code, code + 1)?);
    }
    let present = u64::from(values.present());
    Ok(share(present - commonest.min(present), present))
}

fn malformed_json(config: &GateConfig, name: &str, before: &Held<'_>, after: &Held<'_>) -> Option<Check> {
    let shares = (before.malformed_share()?, after.malformed_share()?);
    let threshold = config.threshold(Gate::MalformedJson, Some(name));
    let moved = growth_of_share(shares.0, shares.1);
    Check::of_shares(Gate::MalformedJson, name, shares, moved, threshold, config.floors.malformed_json)
}
