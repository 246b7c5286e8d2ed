//! A document into a catalog that holds something: by names, labels first.

use std::collections::HashMap;

use muster_engine::rule::ast::Rule;
use sqlx::AssertSqlSafe;

use super::import::{ImportReport, check_rules, label, within};
use super::{Document, LabelDocument, all_labels};
use crate::audit::Kind;
use crate::caller::Caller;
use crate::db::{Counter, Tx, value};
use crate::delivery::edit::record as record_delivery;
use crate::delivery::{Delivery, NewDelivery, Segment, State, Target, check, rows as delivery_rows};
use crate::error::{Error, Result};
use crate::label::{Label, LabelKey, LabelKind, change, rows as label_rows};
use crate::list;

pub(super) async fn merge(
    tx: &mut Tx<'_>,
    caller: &Caller,
    document: &Document,
    replace: bool,
    now_us: i64,
) -> Result<ImportReport> {
    let mut report = ImportReport::default();
    let mut there: HashMap<String, Label> =
        all_labels(tx).await?.into_iter().map(|label| (label.name.clone(), label)).collect();
    let mut rules = Vec::new();
    for from in &document.labels {
        let at = format!("label `{}`", from.name);
        let (wanted, rule) = label(tx, from).map_err(within(&at))?;
        let stored = match there.remove(&from.name) {
            None => {
                let made = create(tx, caller, from, wanted, now_us).await.map_err(within(&at))?;
                report.labels_created.push(from.name.clone());
                made
            }
            Some(before) if before.kind != wanted.kind => {
                let what = format!(
                    "it is a {}, and there is one that is not; rename one of them",
                    name_of(wanted.kind)
                );
                return Err(Error::Import { at, what });
            }
            Some(before) if is_same(tx, &before, &wanted, from).await? => {
                report.labels_unchanged += 1;
                continue;
            }
            Some(_) if !replace => {
                report.labels_kept.push(from.name.clone());
                continue;
            }
            Some(before) => {
                report.labels_updated.push(from.name.clone());
                update(tx, caller, from, (before, wanted), now_us).await.map_err(within(&at))?
            }
        };
        if let Some(rule) = rule {
            rules.push((at, stored, rule));
        }
    }
    check_rules(tx, &rules).await?;
    for from in &document.deliveries {
        delivery(tx, caller, &from.delivery, &mut report, now_us).await?;
    }
    Ok(report)
}

fn name_of(kind: LabelKind) -> &'static str {
    match kind {
        LabelKind::Rule => "rule",
        LabelKind::List => "list",
    }
}

async fn is_same(tx: &mut Tx<'_>, before: &Label, wanted: &Label, from: &LabelDocument) -> Result<bool> {
    let is_same = before.description == wanted.description
        && before.rule == wanted.rule
        && before.enabled == wanted.enabled
        && before.private == wanted.private
        && before.predefined == wanted.predefined;
    let Some(users) = from.users.as_ref().filter(|_| is_same) else { return Ok(is_same) };
    Ok(before.list_users == users.len() as u64 && list::store::read(tx, before).await? == *users)
}

async fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    from: &LabelDocument,
    wanted: Label,
    now_us: i64,
) -> Result<Label> {
    let mut label = Label {
        id: tx.count_up(Counter::Label, 1).await?,
        version: 1,
        created_us: now_us,
        updated_us: now_us,
        updated_by: caller.user.clone(),
        list_version: 0,
        ..wanted
    };
    label_rows::insert(tx, &label).await?;
    if let Some(users) = &from.users {
        list::fill(tx, &mut label, users.clone(), None).await?;
    }
    change::record(tx, caller, "import", None, Some(&label), now_us).await?;
    Ok(label)
}

async fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    from: &LabelDocument,
    (before, wanted): (Label, Label),
    now_us: i64,
) -> Result<Label> {
    let mut label = Label {
        description: wanted.description,
        rule: wanted.rule,
        rules_json: wanted.rules_json,
        enabled: wanted.enabled,
        private: wanted.private,
        version: before.version + 1,
        updated_us: now_us,
        updated_by: caller.user.clone(),
        ..before.clone()
    };
    let disables = before.enabled && !label.enabled;
    if disables || (!before.private && label.private) {
        change::refuse_if_used(tx, caller, &before, disables, now_us).await?;
    }
    label_rows::store(tx, &label).await?;
    if let Some(users) = &from.users {
        list::fill(tx, &mut label, users.clone(), None).await?;
    }
    change::record(tx, caller, "import", Some(&before), Some(&label), now_us).await?;
    Ok(label)
}

/// A delivery becomes a draft, unless there is one of its name or something that it names is not there.
async fn delivery(
    tx: &mut Tx<'_>,
    caller: &Caller,
    from: &Delivery,
    report: &mut ImportReport,
    now_us: i64,
) -> Result<()> {
    let name = &from.body.name;
    let sql = "SELECT COUNT(*) FROM deliveries WHERE name = ?";
    let rows = tx.all(sqlx::query(AssertSqlSafe(sql.to_owned())).bind(name.as_str())).await?;
    let same = rows.first().map_or(Ok(0), |row| value::<i64>(row, 0, &tx.db.place))?;
    if same > 0 {
        report.deliveries_kept.push(name.clone());
        return Ok(());
    }
    let wanted = match draft(tx, from) {
        Ok(wanted) => wanted,
        Err(error) => return skip(report, name, error),
    };
    let body = match check::body(tx, &Caller::admin(&from.creator), &from.creator, &wanted).await {
        Ok(body) => body,
        Err(error) => return skip(report, name, error),
    };
    let made = Delivery {
        id: tx.count_up(Counter::Delivery, 1).await?,
        body,
        state: State::Draft,
        open: None,
        creator: from.creator.clone(),
        version: 1,
        created_us: now_us,
        updated_us: now_us,
        updated_by: caller.user.clone(),
    };
    delivery_rows::insert(tx, &made).await?;
    record_delivery(tx, caller, Kind::Delivery, "import", (None, Some(&made)), "", now_us).await?;
    report.deliveries_created.push(name.clone());
    Ok(())
}

/// Passes on what is wrong with the database; what is wrong with a delivery goes into the report.
fn skip(report: &mut ImportReport, name: &str, error: Error) -> Result<()> {
    match within("delivery")(error) {
        Error::Import { what, .. } => {
            report.deliveries_skipped.push(format!("{name}: {what}"));
            Ok(())
        }
        other => Err(other),
    }
}

/// What a delivery of a document is to be here, where labels have other numbers.
fn draft(tx: &Tx<'_>, from: &Delivery) -> Result<NewDelivery> {
    let body = &from.body;
    let limits = &tx.db.settings.rules;
    Ok(NewDelivery {
        name: body.name.clone(),
        target: match &body.target {
            Target::Label(label) => Segment::Label(LabelKey::Name(label.name.clone())),
            Target::Rule(text) => Segment::Rule(Rule::parse(text, limits).map_err(Error::rule("target"))?),
        },
        exclude: body.exclude.iter().map(|label| LabelKey::Name(label.name.clone())).collect(),
        holdout: body.holdout.clone(),
        content: body.content.clone(),
        start_us: body.start_us,
        end_us: body.end_us,
        priority: body.priority,
        placement: body.placement.clone(),
        daily_cap: body.daily_cap,
        total_cap: body.total_cap,
    })
}
