//! Making, changing and removing labels.

use muster_engine::rule::ast::Rule;

use super::nest::{self, User};
use super::{Label, LabelChange, LabelKey, LabelKind, NewLabel, rename, rows};
use crate::audit::{Event, Kind, to_tree};
use crate::caller::{Caller, check_name, check_text};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx, value};
use crate::delivery::rows::NOT_OVER;
use crate::error::{Current, Error, Result, UsedBy};

impl Catalog {
    /// Makes a label.
    pub async fn create_label(&self, caller: &Caller, new: NewLabel, now_us: i64) -> Result<Label> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        let outcome = create(&mut tx, caller, &new, now_us).await;
        tx.finish(outcome).await
    }

    /// Changes a label that is at version `based_on`. Under a new name, the rules that name it follow.
    pub async fn update_label(
        &self,
        caller: &Caller,
        key: &LabelKey,
        based_on: u64,
        change: LabelChange,
        now_us: i64,
    ) -> Result<Label> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        let outcome = update(&mut tx, caller, key, based_on, &change, now_us).await;
        tx.finish(outcome).await
    }

    /// What a change would make of a label, or why it would be refused: goes the whole way and stores nothing.
    pub async fn try_update_label(
        &self,
        caller: &Caller,
        key: &LabelKey,
        based_on: u64,
        change: &LabelChange,
        now_us: i64,
    ) -> Result<Label> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        match update(&mut tx, caller, key, based_on, change, now_us).await {
            Ok(label) => tx.undo().await.map(|()| label),
            refused => tx.finish(refused).await,
        }
    }

    /// Removes a label that nothing uses, at this version or at any.
    pub async fn delete_label(
        &self,
        caller: &Caller,
        key: &LabelKey,
        based_on: Option<u64>,
        now_us: i64,
    ) -> Result<()> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        let outcome = delete(&mut tx, caller, key, based_on, now_us).await;
        tx.finish(outcome).await
    }
}

/// What a label's rule may use.
pub(crate) fn user<'a>(caller: &'a Caller, label: &'a Label) -> User<'a> {
    User {
        caller,
        creator: &label.creator,
        takes_private: label.private,
        takes_disabled: !label.enabled,
        field: "rule",
    }
}

async fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewLabel, now_us: i64) -> Result<Label> {
    check_name("name", &new.name)?;
    check_text("description", &new.description)?;
    check_name_is_free(tx, &new.name).await?;
    let mut label = Label {
        id: tx.count_up(Counter::Label, 1).await?,
        name: new.name.clone(),
        description: new.description.clone(),
        kind: if new.rule.is_some() { LabelKind::Rule } else { LabelKind::List },
        rule: String::new(),
        rules_json: None,
        enabled: new.enabled,
        private: new.private,
        predefined: new.predefined,
        creator: caller.user.clone(),
        version: 1,
        created_us: now_us,
        updated_us: now_us,
        updated_by: caller.user.clone(),
        list_version: 0,
        list_users: 0,
        counts: super::LabelCounts::default(),
        used_by_labels: 0,
        used_by_deliveries: 0,
    };
    let mut uses = Vec::new();
    if let Some(rule) = &new.rule {
        if nest::names(rule).contains(label.name.as_str()) {
            return Err(Error::Cycle { path: vec![label.name.clone(), label.name] });
        }
        rows::set_rule(&mut label, rule, &tx.db.settings.rules)?;
        uses = nest::used(tx, rule, user(caller, &label)).await?;
        nest::check(tx, None, &label.name, rule, &uses).await?;
    }
    rows::insert(tx, &label).await?;
    let used: Vec<u64> = uses.iter().map(|one| one.id).collect();
    rows::store_uses(tx, label.id, &used).await?;
    record(tx, caller, "create", None, Some(&label), now_us).await?;
    Ok(label)
}

async fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    key: &LabelKey,
    based_on: u64,
    change: &LabelChange,
    now_us: i64,
) -> Result<Label> {
    let before = at_version(tx, caller, key, Some(based_on), now_us).await?;
    let mut label = before.clone();
    apply(tx, &mut label, change).await?;
    if label == before && change.rule.is_none() {
        return Ok(before);
    }
    let disables = before.enabled && !label.enabled;
    if disables || (!before.private && label.private) {
        // Its creator may go on using it where that is private, too, or a delivery.
        refuse_if_used(tx, caller, &before, disables, now_us).await?;
    }
    label.version += 1;
    label.updated_us = now_us;
    label.updated_by.clone_from(&caller.user);
    if label.name != before.name {
        rename::in_rules(tx, caller, &before, &label.name, now_us).await?;
    }
    rows::store(tx, &label).await?;
    // The rule may use other labels now, or the label may now be one that takes fewer.
    if label.kind == LabelKind::Rule {
        let rule = match &change.rule {
            Some(rule) => rule.clone(),
            None => rows::parse_stored(&label.rule, "the label", &tx.db.settings.rules, &tx.db.place)?,
        };
        check_rule(tx, caller, &label, &rule).await?;
    }
    record(tx, caller, action(&before, &label), Some(&before), Some(&label), now_us).await?;
    Ok(label)
}

/// The label with what is to become of it.
async fn apply(tx: &mut Tx<'_>, label: &mut Label, change: &LabelChange) -> Result<()> {
    if let Some(name) = &change.name
        && *name != label.name
    {
        check_name("name", name)?;
        check_name_is_free(tx, name).await?;
        label.name.clone_from(name);
    }
    if let Some(description) = &change.description {
        check_text("description", description)?;
        label.description.clone_from(description);
    }
    if let Some(rule) = &change.rule {
        if label.kind == LabelKind::List {
            return Err(Error::WrongKind { name: label.name.clone(), is_list: true });
        }
        rows::set_rule(label, rule, &tx.db.settings.rules)?;
    }
    label.enabled = change.enabled.unwrap_or(label.enabled);
    label.private = change.private.unwrap_or(label.private);
    Ok(())
}

/// Checks a stored label's rule, and stores which labels it uses.
pub(crate) async fn check_rule(tx: &mut Tx<'_>, caller: &Caller, label: &Label, rule: &Rule) -> Result<()> {
    let uses = link(tx, caller, label, rule).await?;
    nest::check(tx, Some(label.id), &label.name, rule, &uses).await
}

/// Stores which labels a stored label's rule uses, if it may. Where many labels are stored at once, all are linked before one is
/// checked: a check looks at labels below and above.
pub(crate) async fn link(
    tx: &mut Tx<'_>,
    caller: &Caller,
    label: &Label,
    rule: &Rule,
) -> Result<Vec<nest::Used>> {
    let uses = nest::used(tx, rule, user(caller, label)).await?;
    let ids: Vec<u64> = uses.iter().map(|one| one.id).collect();
    rows::store_uses(tx, label.id, &ids).await?;
    Ok(uses)
}

/// What a change is called: what matters most in it.
fn action(before: &Label, after: &Label) -> &'static str {
    if before.name != after.name {
        "rename"
    } else if before.enabled == after.enabled {
        "update"
    } else if after.enabled {
        "enable"
    } else {
        "disable"
    }
}

async fn delete(
    tx: &mut Tx<'_>,
    caller: &Caller,
    key: &LabelKey,
    based_on: Option<u64>,
    now_us: i64,
) -> Result<()> {
    let label = at_version(tx, caller, key, based_on, now_us).await?;
    refuse_if_used(tx, caller, &label, true, now_us).await?;
    // What still refers to it is over, and keeps its name.
    let id = label.id as i64;
    tx.execute(sqlx::query("DELETE FROM delivery_uses WHERE label_id = ?").bind(id)).await?;
    tx.execute(sqlx::query("DELETE FROM labels WHERE id = ?").bind(id)).await?;
    record(tx, caller, "delete", Some(&label), None, now_us).await
}

/// A label at the version that a change is based on.
pub(crate) async fn at_version(
    tx: &mut Tx<'_>,
    caller: &Caller,
    key: &LabelKey,
    based_on: Option<u64>,
    now_us: i64,
) -> Result<Label> {
    let label = rows::get(tx, caller, key, now_us).await?;
    match based_on {
        Some(based_on) if based_on != label.version => {
            Err(Error::Conflict { current: Box::new(Current::Label(label)), based_on })
        }
        _ => Ok(label),
    }
}

async fn check_name_is_free(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let found = tx.optional(sqlx::query("SELECT id FROM labels WHERE name = ?").bind(name)).await?;
    if found.is_some() {
        return Err(Error::NameTaken { name: name.to_owned() });
    }
    Ok(())
}

/// Fails if something that can still be shown or refreshed uses the label. With `by_owner`, its creator's private labels and
/// deliveries count as well.
pub(crate) async fn refuse_if_used(
    tx: &mut Tx<'_>,
    caller: &Caller,
    label: &Label,
    by_owner: bool,
    now_us: i64,
) -> Result<()> {
    let users = users(tx, label.id, now_us).await?;
    let counted = users.into_iter().filter(|user| by_owner || !user.is_of(&label.creator));
    let (seen, unseen): (Vec<_>, Vec<_>) = counted.partition(|user| user.is_seen(caller));
    if seen.is_empty() && unseen.is_empty() {
        return Ok(());
    }
    Err(Error::InUse {
        name: label.name.clone(),
        by: seen.into_iter().map(|user| user.what).collect(),
        hidden: unseen.len(),
    })
}

/// What uses a label, and who may see that.
pub(crate) struct UserOf {
    pub what: UsedBy,
    private: bool,
    creator: String,
}

impl UserOf {
    pub(crate) fn is_seen(&self, caller: &Caller) -> bool {
        !self.private || caller.admin || self.creator == caller.user
    }

    /// Whether it may use private labels of this person.
    fn is_of(&self, creator: &str) -> bool {
        self.creator == creator && (self.private || matches!(self.what, UsedBy::Delivery { .. }))
    }
}

/// All that uses a label: labels by name, then deliveries that are not over by number.
pub(crate) async fn users(tx: &mut Tx<'_>, id: u64, now_us: i64) -> Result<Vec<UserOf>> {
    let asked = sqlx::query(
        "SELECT l.id, l.name, l.private, l.creator FROM label_uses u JOIN labels l ON l.id = u.label_id
         WHERE u.uses_id = ? ORDER BY l.name",
    );
    let mut found = Vec::new();
    for row in tx.all(asked.bind(id as i64)).await? {
        let place = &tx.db.place;
        found.push(UserOf {
            what: UsedBy::Label { id: value::<i64>(&row, 0, place)? as u64, name: value(&row, 1, place)? },
            private: value::<i64>(&row, 2, place)? != 0,
            creator: value(&row, 3, place)?,
        });
    }
    let sql = format!(
        "SELECT d.id, d.name, d.creator FROM delivery_uses u JOIN deliveries d ON d.id = u.delivery_id
         WHERE u.label_id = ? AND {NOT_OVER} ORDER BY d.id"
    );
    let asked = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id as i64).bind(now_us);
    for row in tx.all(asked).await? {
        let place = &tx.db.place;
        found.push(UserOf {
            what: UsedBy::Delivery { id: value::<i64>(&row, 0, place)? as u64, name: value(&row, 1, place)? },
            private: false,
            creator: value(&row, 2, place)?,
        });
    }
    Ok(found)
}

/// Writes a change of a label into the audit, and counts it.
pub(crate) async fn record(
    tx: &mut Tx<'_>,
    caller: &Caller,
    action: &str,
    before: Option<&Label>,
    after: Option<&Label>,
    now_us: i64,
) -> Result<()> {
    let Some(label) = after.or(before) else { return Ok(()) };
    let event = Event {
        kind: Kind::Label,
        action: action.to_owned(),
        id: Some(label.id),
        name: label.name.clone(),
        before: before.map(to_tree).transpose()?,
        after: after.map(to_tree).transpose()?,
        comment: String::new(),
    };
    tx.audit(caller, &event, now_us).await?;
    tx.count_up(Counter::LabelChanges, 1).await.map(drop)
}
